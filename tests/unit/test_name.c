/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a name, a file and a label may look like: every byte in every position.
 */
#include <string.h>

#include "../../libintro/wire/name.h"
#include "../../libintro/wire/protocol.h"
#include "harness.h"

static bool name(const char *s)
{
	return wire_name_ok(s, strlen(s));
}

static bool file(const char *s)
{
	return wire_file_ok(s, strlen(s));
}

static bool label(const char *s)
{
	return wire_label_ok(s, strlen(s));
}

static bool in(int c, const char *set)
{
	return c != 0 && strchr(set, c);
}

static const char first[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
static const char rest[] =
	"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";

TEST(name, every_byte_everywhere)
{
	char text[WIRE_LABEL_MAX + 1];

	for (size_t len = 1; len <= WIRE_LABEL_MAX + 1; len++) {
		memset(text, 'n', sizeof text);
		for (size_t at = 0; at < len; at++) {
			for (int c = 0; c < 256; c++) {
				bool good = in(c, at == 0 ? first : rest);
				bool dot = c == '.' && at == 0 && len > 1;

				text[at] = (char)c;
				cr_assert_eq(wire_name_ok(text, len),
					     len <= WIRE_NAME_MAX && good,
					     "byte %d at %zu of %zu", c, at, len);
				cr_assert_eq(wire_file_ok(text, len),
					     len <= WIRE_NAME_MAX && (good || dot),
					     "byte %d at %zu of %zu", c, at, len);
				cr_assert_eq(wire_label_ok(text, len),
					     len <= WIRE_LABEL_MAX && c >= 32 && c < 127 &&
					     !in(c, "\"\\>"), "byte %d at %zu of %zu", c, at, len);
			}
			text[at] = 'n';
		}
	}
	cr_assert(!wire_name_ok(text, 0) && !wire_file_ok(text, 0) && !wire_label_ok(text, 0));
}

/* Whatever is safe as a path component is not always so: these never are, by any rule. */
TEST(name, never_leads_out_of_a_directory)
{
	static const char *const tricks[] = {
		".", "..", "...", "../x", "a/b", "/", "/etc", "a/", "./a", "~", "-", "-rf", "",
		"_a", "..a", ".-", "._", "a b", "a\n", "a\tb", "a*", "\xc3\xa4", "a\x80",
	};

	for (size_t i = 0; i < sizeof tricks / sizeof tricks[0]; i++) {
		cr_expect(!name(tricks[i]), "%s", tricks[i]);
		cr_expect(!file(tricks[i]), "%s", tricks[i]);
	}
	cr_expect(!wire_name_ok("a\0b", 3) && !wire_file_ok("a\0b", 3) &&
		  !wire_label_ok("a\0b", 3));
}

/* The broker's own files in a door cannot be asked for as somebody's. */
TEST(name, of_a_file_is_not_the_brokers)
{
	static const char *const ours[] = {
		"intro.sock", "intro.", "intro.new", ".intro.new.db", ".intro.", ".intro.link",
	};
	static const char *const theirs[] = {
		"intro", "intro-sock", "introduction", ".introd", ".intro", "xintro.sock",
		".s.PGSQL.5432", "a..b", "Intro.sock", "db.intro.sock",
	};

	for (size_t i = 0; i < sizeof ours / sizeof ours[0]; i++)
		cr_expect(!file(ours[i]), "%s", ours[i]);
	for (size_t i = 0; i < sizeof theirs / sizeof theirs[0]; i++)
		cr_expect(file(theirs[i]), "%s", theirs[i]);
	/* a name becomes a file where no other is said, and is refused there */
	cr_expect(name("intro.sock"));
}

TEST(name, of_a_label_is_one_line)
{
	cr_expect(label("web's database"));
	cr_expect(label(" "));
	cr_expect(!label("a\nb") && !label("say \"a\"") && !label("a > b") && !label("a\\b"));
}
