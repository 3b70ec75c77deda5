/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The outline of outline.h: one pass over the tokens, along the option table.
 */
#include "outline.h"

#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "token.h"

struct walk {
	struct outline *outline;
	struct tokenizer tokenizer;
	struct token token;	/* looked at, not yet taken */
	size_t room;
};

/* Look at the next token that is no comment. */
static void step(struct walk *w)
{
	for (;;) {
		w->token = token_next(&w->tokenizer);
		if (w->token.kind != TOKEN_COMMENT)
			return;
		for (char *p = (char *)w->token.text; p < w->tokenizer.next; p++)
			if (*p != '\n')
				*p = ' ';
	}
}

__attribute__((format(printf, 3, 4)))
static int wrong(struct walk *w, struct place at, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(w->outline->error, sizeof w->outline->error, format, args);
	va_end(args);
	w->outline->wrong = true;
	w->outline->error_at = at;
	return -EINVAL;
}

/* The looked-at token is not what was wanted. */
static int unwanted(struct walk *w, const char *wanted)
{
	const struct token *t = &w->token;
	int len = t->len > 64 ? 64 : (int)t->len;

	if (t->kind == TOKEN_WRONG && t->byte)
		return wrong(w, t->at, t->byte > ' ' && t->byte < 0x7f ?
			     "%s, found %c" : "%s, found byte 0x%02x", t->error,
			     (unsigned char)t->byte);
	if (t->kind == TOKEN_WRONG)
		return wrong(w, t->at, "%s", t->error);
	if (t->kind == TOKEN_END)
		return wrong(w, t->at, "wanted %s, found the end of the file", wanted);
	return wrong(w, t->at, *t->text == '"' ? "wanted %s, found %.*s" :
		     "wanted %s, found \"%.*s\"", wanted, len, t->text);
}

static int item_add(struct walk *w, enum item_kind kind, const cfg_opt_t *option)
{
	struct outline *o = w->outline;
	const struct token *t = &w->token;
	size_t quotes = *t->text == '"' || *t->text == '\'';

	if (o->n >= OUTLINE_ITEMS_MAX)
		return wrong(w, t->at, "wanted at most %u statements in a configuration",
			     OUTLINE_ITEMS_MAX);
	if (o->n == w->room) {
		size_t room = w->room ? w->room * 2 : 64;
		struct item *items = reallocarray(o->items, room, sizeof *items);

		if (!items)
			return -ENOMEM;
		o->items = items;
		w->room = room;
	}
	o->items[o->n] = (struct item){ kind, option, t->at, t->text + quotes,
					t->len - 2 * quotes, o->n + 1 };
	o->n++;
	return 0;
}

static int sign_take(struct walk *w, char sign, const char *after, int after_len)
{
	char wanted[128];

	if (!token_is(&w->token, sign)) {
		snprintf(wanted, sizeof wanted, "%c after %.*s", sign, after_len, after);
		return unwanted(w, wanted);
	}
	step(w);
	return 0;
}

static const cfg_opt_t *option_find(const cfg_opt_t *options, const struct token *t)
{
	for (const cfg_opt_t *o = options; o->name; o++)
		if (token_says(t, o->name))
			return o;
	return NULL;
}

static int option_unknown(struct walk *w, const cfg_opt_t *options)
{
	char names[256] = "an option: ";

	for (const cfg_opt_t *o = options; o->name; o++) {
		size_t n = strlen(names);

		snprintf(names + n, sizeof names - n, "%s%s", o == options ? "" : ", ",
			 o->name);
	}
	return unwanted(w, names);
}

/* { "a", "b" }, from after the opening brace; an end comma is well. */
static int list_walk(struct walk *w, const cfg_opt_t *option)
{
	int r;

	while (!token_is(&w->token, '}')) {
		if (w->token.kind != TOKEN_WORD)
			return unwanted(w, "a value or } in this list");
		r = item_add(w, ITEM_ELEMENT, option);
		if (r < 0)
			return r;
		step(w);
		if (token_is(&w->token, ','))
			step(w);
		else if (!token_is(&w->token, '}'))
			return unwanted(w, ", or } in this list");
	}
	step(w);
	return 0;
}

static int value_walk(struct walk *w, const cfg_opt_t *option)
{
	char wanted[96];
	int r = sign_take(w, '=', option->name, (int)strlen(option->name));

	if (r < 0)
		return r;
	if ((option->flags & CFGF_LIST) && token_is(&w->token, '{')) {
		step(w);
		return list_walk(w, option);
	}
	if (w->token.kind != TOKEN_WORD) {
		snprintf(wanted, sizeof wanted, "a value for %s", option->name);
		return unwanted(w, wanted);
	}
	r = item_add(w, option->flags & CFGF_LIST ? ITEM_ELEMENT : ITEM_VALUE, option);
	if (r == 0)
		step(w);
	return r;
}

static int statements_walk(struct walk *w, const cfg_opt_t *options, const struct token *of);

/* name is the section's first word, taken. */
static int section_walk(struct walk *w, const cfg_opt_t *option, const struct token *name)
{
	struct outline *o = w->outline;
	struct token opening = *name;
	char wanted[96];
	size_t index = o->n;
	int r;

	if (option->flags & CFGF_TITLE) {
		if (w->token.kind != TOKEN_WORD) {
			snprintf(wanted, sizeof wanted, "a name after %s", option->name);
			return unwanted(w, wanted);
		}
		opening = w->token;
		r = item_add(w, ITEM_SECTION, option);
		step(w);
	} else {
		struct token next = w->token;

		w->token = *name;
		r = item_add(w, ITEM_SECTION, option);
		w->token = next;
	}
	if (r == 0)
		r = sign_take(w, '{', opening.text, opening.len > 64 ? 64 : (int)opening.len);
	if (r == 0)
		r = statements_walk(w, option->subopts, &opening);
	if (r == 0)
		o->items[index].after = o->n;
	return r;
}

/* Up to the closing brace, or, of the file (of is NULL), to its end. */
static int statements_walk(struct walk *w, const cfg_opt_t *options, const struct token *of)
{
	uint64_t seen = 0;

	for (;;) {
		struct token name = w->token;
		const cfg_opt_t *option;
		int r;

		if (of && token_is(&name, '}')) {
			step(w);
			return 0;
		}
		if (name.kind == TOKEN_END)
			return !of ? 0 : wrong(w, name.at, "wanted } to close %.*s of line %u, "
					       "found the end of the file",
					       of->len > 64 ? 64 : (int)of->len, of->text,
					       of->at.line);
		option = option_find(options, &name);
		if (!option)
			return option_unknown(w, options);
		if (!(option->flags & CFGF_MULTI) && (seen >> (option - options) & 1))
			return wrong(w, name.at, "wanted %s once, found it again in the same "
				     "section", option->name);
		seen |= UINT64_C(1) << (option - options);
		step(w);
		r = option->type == CFGT_SEC ? section_walk(w, option, &name) :
					       value_walk(w, option);
		if (r < 0)
			return r;
	}
}

int outline_make(struct outline *ret, char *text, const cfg_opt_t *options)
{
	struct outline outline = { 0 };
	struct walk w = { .outline = &outline, .tokenizer = { text, { 1, 1 } } };
	int r;

	step(&w);
	r = statements_walk(&w, options, NULL);
	if (r == -ENOMEM) {
		outline_free(&outline);
		return r;
	}
	*ret = outline;
	return 0;
}

void outline_free(struct outline *outline)
{
	free(outline->items);
	outline->items = NULL;
	outline->n = 0;
}

/* Among items[from] to [end], and inside each. */
static const struct item *duplicate(const struct outline *o, size_t from, size_t end)
{
	for (size_t i = from; i < end; i = o->items[i].after) {
		const struct item *item = &o->items[i], *inside;

		if (item->kind != ITEM_SECTION || !(item->option->flags & CFGF_TITLE))
			continue;
		for (size_t j = from; j < i; j = o->items[j].after)
			if (o->items[j].option == item->option &&
			    o->items[j].len == item->len &&
			    memcmp(o->items[j].text, item->text, item->len) == 0)
				return item;
		inside = duplicate(o, i + 1, item->after);
		if (inside)
			return inside;
	}
	return NULL;
}

const struct item *outline_duplicate(const struct outline *outline)
{
	return duplicate(outline, 0, outline->n);
}
