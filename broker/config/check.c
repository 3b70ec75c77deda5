/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Errors of a configuration, as check.h says: those of form by the outline, those of values
 * while libconfuse reads them, those between options when all is read.
 */
#include "check.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "../../libintro/wire/name.h"
#include "outline.h"
#include "schema.h"
#include "value.h"

#define ERRORS_MAX 100u		/* lines; the rest would not be read */

/* libconfuse's callbacks have no argument for it. */
static struct check {
	const char *file;
	struct outline outline;
	size_t next;		/* item of the next value to be read */
	unsigned int errors;
	char confused[256];	/* what libconfuse said */
} check;

__attribute__((format(printf, 2, 3)))
static void complain(struct place at, const char *format, ...)
{
	va_list args;

	if (++check.errors > ERRORS_MAX)
		return;
	fprintf(stderr, "%s:%u:%u: ", check.file, at.line, at.column);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
}

/* Values of a wrong form are said as they are found: up to 64 bytes, printable. */
static const char *shown(const char *s, char *buf, size_t size)
{
	size_t n;

	for (n = 0; n < size - 1 && n < 64 && s[n] != '\0'; n++)
		buf[n] = s[n] >= ' ' && s[n] != 0x7f ? s[n] : '?';
	buf[n] = '\0';
	return buf;
}

static void form_check(struct place at, const char *option, const char *value)
{
	const struct value_form *form = value_form(option);
	char buf[72];

	if (form && !form->ok(value))
		complain(at, "%s: wanted %s, found \"%s\"", option, form->wanted,
			 shown(value, buf, sizeof buf));
}

static int on_value(cfg_t *section, cfg_opt_t *option)
{
	const struct outline *o = &check.outline;
	const struct item *item;
	const char *value = cfg_opt_getnstr(option, 0);

	(void)section;
	while (check.next < o->n && o->items[check.next].kind != ITEM_VALUE)
		check.next++;
	if (check.next == o->n)
		return 0;	/* behind the outline's error */
	item = &o->items[check.next++];
	form_check(item->at, item->option->name, value ? value : "");
	return 0;
}

__attribute__((format(printf, 2, 0)))
static void on_error(cfg_t *section, const char *format, va_list args)
{
	(void)section;
	vsnprintf(check.confused, sizeof check.confused, format, args);
}

/* ---- what only all of it together shows; items are those of the outline, sections the same
 * ones of libconfuse, in the same order */

static void title_check(const struct item *item, const char *title)
{
	const char *what = item->option->name;
	char buf[72];

	if (strcmp(what, "uid") == 0) {
		if (value_uid(title) == UINT32_MAX)
			complain(item->at, "uid: wanted a number or the name of a user of this "
				 "machine, found \"%s\"", shown(title, buf, sizeof buf));
	} else if (!wire_name_ok(title, strlen(title))) {
		complain(item->at, "%s: wanted a name, 1 to 64 of A-Z a-z 0-9 . _ - with a "
			 "letter or digit first, found \"%s\"", what,
			 shown(title, buf, sizeof buf));
	}
}

static const char *grant_file(cfg_t *grant)
{
	const char *file = cfg_getstr(grant, "file");

	return file ? file : cfg_title(grant);
}

static void grant_check(size_t index, cfg_t *door, unsigned int which)
{
	const struct outline *o = &check.outline;
	const struct item *item = &o->items[index];
	cfg_t *grant = cfg_getnsec(door, "grant", which);
	const char *file = grant_file(grant);
	unsigned int right = 0;

	for (size_t i = index + 1; i < item->after; i++)
		if (o->items[i].kind == ITEM_ELEMENT && right < cfg_size(grant, "rights"))
			form_check(o->items[i].at, o->items[i].option->name,
				   cfg_getnstr(grant, "rights", right++));
	if (!cfg_getstr(grant, "file") && !wire_file_ok(file, strlen(file)))
		complain(item->at, "grant: \"%s\" cannot be a file's name in a door; wanted "
			 "file = with another one", file);
	for (unsigned int other = 0; other < which; other++) {
		cfg_t *earlier = cfg_getnsec(door, "grant", other);

		if (strcmp(grant_file(earlier), file) == 0)
			complain(item->at, "grant: wanted a file of its own in the door, found "
				 "\"%s\", which is grant \"%s\"'s", file, cfg_title(earlier));
	}
}

static void door_check(size_t index, cfg_t *door)
{
	const struct outline *o = &check.outline;
	const struct item *item = &o->items[index];
	bool host = strcmp(cfg_title(door), "host") == 0;
	unsigned int grants = 0;

	for (size_t i = index + 1; i < item->after; i = o->items[i].after) {
		const char *name = o->items[i].option->name;

		if (strcmp(name, "grant") == 0) {
			title_check(&o->items[i],
				    cfg_title(cfg_getnsec(door, "grant", grants)));
			grant_check(i, door, grants++);
		} else if (host && strcmp(name, "directory") == 0) {
			complain(o->items[i].at, "directory: the host door's is said by "
				 "introd --host-dir");
		}
	}
}

static void all_check(cfg_t *top)
{
	const struct outline *o = &check.outline;
	unsigned int doors = 0, services = 0, uids = 0;

	for (size_t i = 0; i < o->n; i = o->items[i].after) {
		const struct item *item = &o->items[i];
		const char *name = item->option->name;

		if (item->kind != ITEM_SECTION)
			continue;
		if (strcmp(name, "door") == 0) {
			cfg_t *door = cfg_getnsec(top, "door", doors++);

			title_check(item, cfg_title(door));
			door_check(i, door);
		} else if (strcmp(name, "service") == 0) {
			cfg_t *service = cfg_getnsec(top, "service", services++);

			title_check(item, cfg_title(service));
			if (!cfg_getstr(service, "place"))
				complain(item->at, "service: wanted place = with the path of "
					 "its socket, found none");
		} else if (strcmp(name, "uid") == 0) {
			title_check(item, cfg_title(cfg_getnsec(top, "uid", uids++)));
		}
	}
}

/* libconfuse refuses what the outline took. */
static void confused(void)
{
	const struct outline *o = &check.outline;
	const struct item *item = outline_duplicate(o);

	if (item) {
		complain(item->at, "%s: wanted a title of its own, found \"%.*s\" again",
			 item->option->name, item->len > 64 ? 64 : (int)item->len, item->text);
		return;
	}
	item = check.next > 0 ? &o->items[check.next - 1] : NULL;
	complain(item ? item->at : (struct place){ 1, 1 }, "at or after this: %s",
		 check.confused[0] ? check.confused : "libconfuse refuses this");
}

static struct place place_of(const char *text, size_t offset)
{
	struct place at = { 1, 1 };

	for (size_t i = 0; i < offset; i++) {
		at.column = text[i] == '\n' ? 1 : at.column + 1;
		at.line += text[i] == '\n';
	}
	return at;
}

cfg_t *check_text(const char *file, char *text, size_t len)
{
	cfg_opt_t *options = schema_options(on_value);
	cfg_t *top = NULL;
	bool parsed;

	check = (struct check){ .file = file };
	if (strlen(text) < len) {
		complain(place_of(text, strlen(text)), "wanted text, found a zero byte");
		return NULL;
	}
	if (outline_make(&check.outline, text, options) == 0)
		top = cfg_init(options, CFGF_NONE);
	if (!top) {
		complain((struct place){ 1, 1 }, "out of memory");
		outline_free(&check.outline);
		return NULL;
	}
	cfg_set_error_function(top, on_error);
	parsed = cfg_parse_buf(top, text) == CFG_SUCCESS;
	if (check.outline.wrong)
		complain(check.outline.error_at, "%s", check.outline.error);
	else if (!parsed)
		confused();
	else
		all_check(top);
	if (check.errors > ERRORS_MAX)
		fprintf(stderr, "%s: %u more errors\n", file, check.errors - ERRORS_MAX);
	outline_free(&check.outline);
	if (check.errors > 0) {
		cfg_free(top);
		top = NULL;
	}
	return top;
}
