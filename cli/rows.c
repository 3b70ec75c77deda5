/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tables of rows.h. Single values are value.c's.
 */
#include "rows.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct rows {
	const struct column *columns;
	size_t ncolumns;
	json_t *json;		/* an array, or NULL for a table */
	char (*cells)[CELL_BYTES];	/* nrows x ncolumns */
	size_t nrows, room;
};

struct rows *rows_new(const struct column *columns, size_t n, bool json)
{
	struct rows *rows = calloc(1, sizeof *rows);

	if (!rows)
		return NULL;
	rows->columns = columns;
	rows->ncolumns = n;
	if (json) {
		rows->json = json_array();
		if (!rows->json)
			return rows_free(rows);
	}
	return rows;
}

struct rows *rows_free(struct rows *rows)
{
	if (rows) {
		json_decref(rows->json);
		free(rows->cells);
		free(rows);
	}
	return NULL;
}

bool rows_empty(const struct rows *rows)
{
	return rows->json ? json_array_size(rows->json) == 0 : rows->nrows == 0;
}

static void cell_text(const struct wire_message *m, const struct column *c, char *out)
{
	char of[CELL_BYTES / 2];

	value_text(m, c->tag, out, CELL_BYTES);
	if (c->of && wire_has(m, c->of)) {
		size_t used = strlen(out);

		value_text(m, c->of, of, sizeof of);
		snprintf(out + used, CELL_BYTES - used, "%s/%s", used ? "" : "0", of);
	}
}

int rows_add(struct rows *rows, const struct wire_message *m)
{
	if (rows->json)
		return json_array_append_new(rows->json, message_json(m)) < 0 ? -ENOMEM : 0;
	if (rows->nrows == rows->room) {
		size_t room = rows->room ? 2 * rows->room : 16;
		void *cells = reallocarray(rows->cells, room * rows->ncolumns, CELL_BYTES);

		if (!cells)
			return -ENOMEM;
		rows->cells = cells;
		rows->room = room;
	}
	for (size_t i = 0; i < rows->ncolumns; i++)
		cell_text(m, &rows->columns[i],
			  rows->cells[rows->nrows * rows->ncolumns + i]);
	rows->nrows++;
	return 0;
}

static const char *cell(const struct rows *rows, size_t row, size_t column)
{
	return rows->cells[row * rows->ncolumns + column];
}

/* Characters that a column takes; 0 when there is nothing in it. */
static int column_width(const struct rows *rows, size_t column)
{
	size_t width = 0, title = strlen(rows->columns[column].title);

	for (size_t row = 0; row < rows->nrows; row++)
		if (strlen(cell(rows, row, column)) > width)
			width = strlen(cell(rows, row, column));
	return (int)(width && width < title ? title : width);
}

/* Numbers stand to the right, so that they can be compared. */
static bool to_the_right(const struct column *c)
{
	switch (c->tag) {
	case TAG_WAY:
	case TAG_STATE:
	case TAG_ORIGIN:
	case TAG_RIGHTS:
	case TAG_SOCKTYPES:
	case TAG_PATH:
	case TAG_OPEN:
	case TAG_EXPORT:
		return false;
	default:
		return wire_tag_kind(c->tag) != KIND_STRING;
	}
}

static const char *emphasis(enum wire_tag tag, const char *text)
{
	if (tag != TAG_STATE)
		return "";
	return strcmp(text, "down") ? "\033[32m" : "\033[33m";
}

static void print_line(const struct rows *rows, const int *widths, long row, FILE *out)
{
	bool colour = is_colourful(out), first = true;
	int owed = 0;	/* spaces, printed only if something follows */

	for (size_t i = 0; i < rows->ncolumns; i++) {
		const char *text = row < 0 ? rows->columns[i].title : cell(rows, (size_t)row, i);
		const char *on = row < 0 ? "\033[1m" : emphasis(rows->columns[i].tag, text);
		int pad;

		if (!widths[i])
			continue;
		if (!*text)
			text = "-";
		pad = widths[i] - (int)strlen(text);
		if (!first)
			owed += 2;
		if (to_the_right(&rows->columns[i])) {
			owed += pad;
			pad = 0;
		}
		fprintf(out, "%*s%s%s%s", owed, "", colour ? on : "", text,
			colour && *on ? "\033[m" : "");
		owed = pad;
		first = false;
	}
	putc('\n', out);
}

int rows_print(struct rows *rows, FILE *out)
{
	int widths[16] = { 0 };

	if (rows->json) {
		json_t *json = rows->json;

		rows->json = NULL;
		return json_print(json, JSON_INDENT(2), out);
	}
	if (rows->nrows == 0)
		return 0;
	for (size_t i = 0; i < rows->ncolumns; i++)
		widths[i] = column_width(rows, i);
	print_line(rows, widths, -1, out);
	for (size_t row = 0; row < rows->nrows; row++)
		print_line(rows, widths, (long)row, out);
	return fflush(out) == 0 ? 0 : -errno;
}
