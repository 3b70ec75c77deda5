/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The terms of terms.h.
 */
#include "terms.h"

#include <errno.h>
#include <string.h>

#include "../libintro/wire/name.h"
#include "parse.h"

static const struct {
	const char *word;
	unsigned int right;
} rights[] = {
	{ "connect", INTRO_MAY_CONNECT }, { "serve", INTRO_MAY_SERVE },
	{ "give", INTRO_MAY_GIVE },	  { "save", INTRO_MAY_SAVE },
	{ "revoke", INTRO_MAY_REVOKE },
};

/* "connect,give". 0 or -EINVAL. */
static int parse_rights(const char *s, unsigned int *ret)
{
	unsigned int found = 0;

	while (*s) {
		size_t len = strcspn(s, ","), i = 0;

		while (i < sizeof rights / sizeof *rights &&
		       (strlen(rights[i].word) != len || strncmp(rights[i].word, s, len) != 0))
			i++;
		if (i == sizeof rights / sizeof *rights)
			return -EINVAL;
		found |= rights[i].right;
		s += len + (s[len] == ',');
	}
	if (found == 0)
		return -EINVAL;
	*ret |= found;
	return 0;
}

static int parse_lifetime(const char *verb, const char *arg, struct intro_terms *terms)
{
	uint64_t usec;

	if (parse_duration(arg, &usec) < 0 || usec == 0)
		return usage_error(verb, "\"%s\" is no lifetime (wanted: 90s, 10m, 2h, 7d)", arg);
	if (usec == UINT64_MAX)
		terms->lifetime_ms = 0;
	else
		terms->lifetime_ms = (int64_t)((usec + 999) / 1000);
	return CODE_OK;
}

static int parse_count(const char *verb, const char *arg, const char *of, unsigned int *ret)
{
	uint32_t n;

	if (parse_number(arg, UINT32_MAX - 1, &n) < 0 || n == 0)
		return usage_error(verb, "\"%s\" is no number of %s (wanted: 1 or more)", arg, of);
	*ret = n;
	return CODE_OK;
}

int terms_option(const char *verb, int c, const char *arg, struct intro_terms *terms)
{
	switch (c) {
	case 'l':
		return parse_lifetime(verb, arg, terms);
	case 'n':
		return parse_count(verb, arg, "uses", &terms->uses);
	case 'S':
		return parse_count(verb, arg, "sessions", &terms->sessions);
	case 'K':
		terms->leash = 1;
		return CODE_OK;
	case 'L':
		if (!wire_label_ok(arg, strlen(arg)))
			return usage_error(verb, "a label is 1 to 128 printable ASCII characters "
					   "without quotes, backslash and >");
		terms->label = arg;
		return CODE_OK;
	case 'R':
		if (parse_rights(arg, &terms->rights) < 0)
			return usage_error(verb, "\"%s\" are no rights (wanted: some of connect, "
					   "serve, give, save, revoke, with commas between them)",
					   arg);
		return CODE_OK;
	default:
		return -1;
	}
}

bool terms_any(const struct intro_terms *terms)
{
	return terms->rights || terms->lifetime_ms || terms->uses || terms->sessions ||
	       terms->leash || terms->label;
}

void terms_put_label(struct wire_writer *w, const struct intro_terms *terms)
{
	if (terms->label)
		wire_put_string(w, TAG_LABEL, terms->label);
}

void terms_put(struct wire_writer *w, const struct intro_terms *terms)
{
	wire_put_u32(w, TAG_RIGHTS, terms->rights ? terms->rights : RIGHT_CONNECT);
	if (terms->lifetime_ms)
		wire_put_u64(w, TAG_LIFETIME, (uint64_t)terms->lifetime_ms * 1000);
	if (terms->uses)
		wire_put_u32(w, TAG_USES, terms->uses);
	if (terms->sessions)
		wire_put_u32(w, TAG_SESSIONS, terms->sessions);
	if (terms->leash)
		wire_put_u32(w, TAG_LEASH, 1);
}
