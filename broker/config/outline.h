/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where things stand in a configuration's text. libconfuse parses it, but knows only lines,
 * and wrong ones after a comment; so the text is walked a second time, along the same option
 * table, for the line and column of each value and section, in the order in which libconfuse
 * reports them, and for the place of the first error of form. The walk is stricter than
 * libconfuse: a section must be closed, an option is given once, a string ends on its line.
 */
#pragma once

#include <confuse.h>
#include <stdbool.h>
#include <stddef.h>

struct place {
	unsigned int line, column;	/* from 1; columns in bytes */
};

enum item_kind { ITEM_VALUE, ITEM_ELEMENT, ITEM_SECTION };

struct item {
	enum item_kind kind;	/* an option's value, an element of its list, a section */
	const cfg_opt_t *option;
	struct place at;	/* the value; or the section's title, else its name */
	const char *text;	/* what stands there, without quotes; borrowed */
	size_t len;
	size_t after;		/* index of the first item that is not inside this one */
};

struct outline {
	struct item *items;
	size_t n;
	bool wrong;		/* the walk ended at an error: */
	struct place error_at;
	char error[512];	/* a sentence: what was wanted and found */
};

#define OUTLINE_ITEMS_MAX 20000u	/* libconfuse compares each title with all others */

/* Walk text (NUL-terminated, which must stay) along options. Comments in it become blanks,
 * since libconfuse takes them only where a statement begins and miscounts lines after them.
 * 0, or -ENOMEM. */
int outline_make(struct outline *ret, char *text, const cfg_opt_t *options);

void outline_free(struct outline *outline);

/* The first section with the title of an earlier one beside it; NULL: there is none. */
const struct item *outline_duplicate(const struct outline *outline);
