/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the broker lists, printed: as a table to be read at a glance, or as JSON whose keys are
 * the protocol's tag names. Words (ways, states, rights, types) are words in both.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "../libintro/wire/message.h"

#define CELL_BYTES 160u

struct column {
	const char *title;
	enum wire_tag tag;
	enum wire_tag of;	/* 0, or the tag shown behind a slash: "3/100" */
};

struct rows;

/* The columns (n of them, borrowed) of a table, or with json any tags. NULL: no memory. */
struct rows *rows_new(const struct column *columns, size_t n, bool json);
struct rows *rows_free(struct rows *rows);

bool rows_empty(const struct rows *rows);

/* Add a row. 0 or -ENOMEM. */
int rows_add(struct rows *rows, const struct wire_message *m);

/* Print all of them; columns in which every cell is empty are left out. With JSON an array of
 * objects. 0 or a negative errno. */
int rows_print(struct rows *rows, FILE *out);

/* A tag's value as text for a human; "" when absent. Returns out. */
const char *value_text(const struct wire_message *m, enum wire_tag tag, char *out, size_t size);

/* The word for a way; "unknown" where there is none. Never NULL. */
const char *way_word(unsigned int way);

/* A message as a JSON object (new reference), NULL: no memory. */
json_t *message_json(const struct wire_message *m);

/* Print and release a JSON value with a newline behind it. flags: jansson's. 0 or -errno. */
int json_print(json_t *json, size_t flags, FILE *out);

/* Whether out is a terminal that wants emphasis (NO_COLOR is honoured). */
bool is_colourful(FILE *out);
