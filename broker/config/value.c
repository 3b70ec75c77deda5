/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Forms and meanings of values, as value.h says.
 */
#include "value.h"

#include <errno.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>

#include "../../libintro/wire/name.h"
#include "output.h"

#define COUNT_MAX 1000000u
#define DURATION_MAX_SEC (UINT64_C(3650) * 86400)	/* ten years */

static bool word_in(const char *s, const char *const *words)
{
	for (; *words; words++)
		if (strcmp(s, *words) == 0)
			return true;
	return false;
}

static const char *const true_words[] = { "true", "yes", "on", NULL };
static const char *const false_words[] = { "false", "no", "off", NULL };

static bool bool_ok(const char *s)
{
	return word_in(s, true_words) || word_in(s, false_words);
}

bool value_bool(const char *s)
{
	return word_in(s, true_words);
}

/* Leading digits, and what follows them. */
static bool digits(const char *s, uint64_t max, uint64_t *ret, const char **rest)
{
	char *end;

	if (*s < '0' || *s > '9')
		return false;
	errno = 0;
	*ret = strtoull(s, &end, 10);
	*rest = end;
	return errno == 0 && *ret <= max;
}

static bool count_ok(const char *s)
{
	const char *rest;
	uint64_t n;

	return digits(s, COUNT_MAX, &n, &rest) && *rest == '\0';
}

uint32_t value_count(const char *s)
{
	return (uint32_t)strtoul(s, NULL, 10);
}

static bool uses_ok(const char *s)
{
	return count_ok(s) && value_count(s) > 0;
}

static uint64_t unit_sec(const char *unit)
{
	static const struct { const char *unit; uint64_t sec; } units[] = {
		{ "s", 1 }, { "m", 60 }, { "h", 3600 }, { "d", 86400 },
	};

	for (size_t i = 0; i < sizeof units / sizeof units[0]; i++)
		if (strcmp(unit, units[i].unit) == 0)
			return units[i].sec;
	return 0;
}

static bool duration_ok(const char *s)
{
	const char *unit;
	uint64_t n;

	return digits(s, DURATION_MAX_SEC, &n, &unit) && n > 0 && unit_sec(unit) > 0 &&
	       n <= DURATION_MAX_SEC / unit_sec(unit);
}

uint64_t value_duration_us(const char *s)
{
	const char *unit;
	uint64_t n = 0;

	return digits(s, DURATION_MAX_SEC, &n, &unit) ? n * unit_sec(unit) * 1000000 : 0;
}

bool value_path_ok(const char *s)
{
	size_t len = strlen(s);

	if (s[0] != '/' || len >= CONFIG_PATH_MAX)
		return false;
	for (size_t i = 0; i < len; i++)
		if ((unsigned char)s[i] < ' ' || s[i] == 0x7f)
			return false;
	return true;
}

const char *value_path_split(const char *path, char *dir)
{
	const char *slash = strrchr(path, '/');
	size_t len = slash == path ? 1 : (size_t)(slash - path);

	memcpy(dir, path, len);
	dir[len] = '\0';
	return slash + 1;
}

static bool place_ok(const char *s)
{
	const char *file = strrchr(s, '/');

	return value_path_ok(s) && file && wire_file_ok(file + 1, strlen(file + 1));
}

static bool audit_ok(const char *s)
{
	return strcmp(s, "syslog") == 0 || strcmp(s, "none") == 0 ||
	       (value_path_ok(s) && s[strlen(s) - 1] != '/');
}

static bool user_ok(const char *s)
{
	size_t len = strlen(s);

	if (len < 1 || len > 32 || s[0] == '-')
		return false;
	return strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.$") ==
	       len;
}

static bool name_ok(const char *s)
{
	return wire_name_ok(s, strlen(s));
}

static bool file_ok(const char *s)
{
	return wire_file_ok(s, strlen(s));
}

static bool label_ok(const char *s)
{
	return wire_label_ok(s, strlen(s));
}

uint32_t value_uid(const char *s)
{
	const struct passwd *pw;
	const char *rest;
	uint64_t n;

	if (digits(s, UINT32_MAX - 1, &n, &rest) && *rest == '\0')
		return (uint32_t)n;
	pw = user_ok(s) ? getpwnam(s) : NULL;
	return pw ? pw->pw_uid : UINT32_MAX;
}

uint32_t value_right(const char *s)
{
	static const struct {
		const char *word;
		uint32_t right;
	} rights[] = {
		{ "connect", RIGHT_CONNECT }, { "serve", RIGHT_SERVE }, { "give", RIGHT_GIVE },
		{ "save", RIGHT_SAVE }, { "revoke", RIGHT_REVOKE },
	};

	for (size_t i = 0; i < sizeof rights / sizeof rights[0]; i++)
		if (strcmp(s, rights[i].word) == 0)
			return rights[i].right;
	return 0;
}

static bool right_ok(const char *s)
{
	return value_right(s) != 0;
}

#define COUNT "a number from 0 to 1000000"
#define NAME_FORM "1 to 64 of A-Z a-z 0-9 . _ -, the first a letter or digit"

static const struct value_form forms[] = {
	{ "audit", audit_ok, "\"syslog\", \"none\" or the absolute path of a file" },
	{ "user", user_ok, "the name of a user" },
	{ "connections", count_ok, COUNT }, { "names", count_ok, COUNT },
	{ "held", count_ok, COUNT }, { "flight", count_ok, COUNT }, { "waits", count_ok, COUNT },
	{ "references", count_ok, COUNT },
	{ "place", place_ok, "the absolute path of a server's socket, whose last part is 1 to 64 "
			     "of A-Z a-z 0-9 . _ - and does not begin with intro." },
	{ "directory", value_path_ok, "the absolute path of a directory" },
	{ "export", bool_ok, "true or false" }, { "open", bool_ok, "true or false" },
	{ "service", name_ok, "a service's name: " NAME_FORM },
	{ "file", file_ok, "a file's name: 1 to 64 of A-Z a-z 0-9 . _ -, not beginning with "
			   "intro." },
	{ "rights", right_ok, "\"connect\", \"serve\", \"give\", \"save\" or \"revoke\"" },
	{ "lifetime", duration_ok, "a time such as 90s, 10m, 2h or 7d, at most 3650d" },
	{ "uses", uses_ok, "a number from 1 to 1000000" },
	{ "sessions", uses_ok, "a number from 1 to 1000000" },
	{ "leash", bool_ok, "true or false" },
	{ "label", label_ok, "1 to 128 printable ASCII bytes without \" \\ >" },
};

const struct value_form *value_form(const char *option)
{
	for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++)
		if (strcmp(forms[i].option, option) == 0)
			return &forms[i];
	return NULL;
}
