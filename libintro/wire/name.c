/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rules of name.h. Locale plays no part: bytes are compared with ASCII ranges.
 */
#include "name.h"

#include <string.h>

#include "protocol.h"

static bool letter_or_digit(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

static bool all_name_bytes(const char *s, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (!letter_or_digit(s[i]) && s[i] != '.' && s[i] != '_' && s[i] != '-')
			return false;
	return true;
}

bool wire_name_ok(const char *s, size_t len)
{
	return len >= 1 && len <= WIRE_NAME_MAX && letter_or_digit(s[0]) &&
	       all_name_bytes(s, len);
}

static bool begins(const char *s, size_t len, const char *with)
{
	size_t n = strlen(with);

	return len >= n && memcmp(s, with, n) == 0;
}

bool wire_file_ok(const char *s, size_t len)
{
	if (len < 1 || len > WIRE_NAME_MAX || !all_name_bytes(s, len))
		return false;
	if (begins(s, len, "intro.") || begins(s, len, ".intro."))
		return false;
	if (s[0] == '.')
		return len >= 2 && letter_or_digit(s[1]);
	return letter_or_digit(s[0]);
}

bool wire_label_ok(const char *s, size_t len)
{
	if (len < 1 || len > WIRE_LABEL_MAX)
		return false;
	for (size_t i = 0; i < len; i++)
		if (s[i] < ' ' || s[i] > '~' || s[i] == '"' || s[i] == '\\' || s[i] == '>')
			return false;
	return true;
}
