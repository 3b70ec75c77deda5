/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The terms of a reference on the command line, the same for every verb that makes one.
 */
#pragma once

#include "../libintro/intro.h"
#include "../libintro/wire/message.h"
#include "cli.h"

#define TERMS_LETTERS "l:n:S:KL:R:"
#define TERMS_OPTIONS                                          \
	{ "lifetime", required_argument, NULL, 'l' },          \
		{ "uses", required_argument, NULL, 'n' },      \
		{ "sessions", required_argument, NULL, 'S' },  \
		{ "leash", no_argument, NULL, 'K' },           \
		{ "label", required_argument, NULL, 'L' },     \
		{ "rights", required_argument, NULL, 'R' }

#define TERMS_HELP                                                                             \
	"  -l, --lifetime TIME  until this long from now: 90s, 10m, 2h, 7d\n"                  \
	"  -n, --uses N         for N introductions\n"                                         \
	"  -S, --sessions N     for N sessions at once\n"                                      \
	"  -K, --leash          live sessions end with it, too (where the service can)\n"      \
	"  -L, --label TEXT     told to the service with each introduction, and logged\n"      \
	"  -R, --rights LIST    of connect, serve, give, save, revoke\n"

/* Take an option into terms (zeroed at first; it borrows label from the command line). CODE_OK,
 * CODE_USAGE after complaining, or -1: it is none of these. */
int terms_option(const char *verb, int c, const char *arg, struct intro_terms *terms);

/* Write LABEL; then, after FILE and SERVICE, the others. */
void terms_put_label(struct wire_writer *w, const struct intro_terms *terms);
void terms_put(struct wire_writer *w, const struct intro_terms *terms);

/* Is any of them given? */
bool terms_any(const struct intro_terms *terms);
