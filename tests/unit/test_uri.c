/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sturdy references as text (libintro/wire/uri.h).
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../../libintro/wire/uri.h"
#include "harness.h"

#define ZEROS "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"	/* 32 bytes */
#define KEY "aaaqeayeaudaocajbifqydiob4ibceqtcqkrmfyydenbwha5dypq"	/* 0, 1, ... 31 */
#define SWISS "777777777777777777777777" "74"				/* 16 times 255 */
#define REF "intro:" KEY "/" SWISS

static int parse(const char *text, struct wire_uri *ret)
{
	return wire_uri_parse(text, strlen(text), ret);
}

/* Text that is a reference, and its only spelling. */
static void same(const char *text)
{
	char out[WIRE_URI_MAX + 1];
	struct wire_uri uri;

	cr_assert_eq(parse(text, &uri), 0, "%s", text);
	cr_assert_eq(wire_uri_format(&uri, out, sizeof out), (int)strlen(text), "%s", text);
	cr_assert_str_eq(out, text);
}

static void refused(const char *text)
{
	struct wire_uri uri, before;

	memset(&uri, 0x5a, sizeof uri);
	before = uri;
	cr_assert_eq(parse(text, &uri), -EINVAL, "%s", text);
	cr_assert_eq(memcmp(&uri, &before, sizeof uri), 0, "outputs are untouched");
}

TEST(uri, reads_its_parts)
{
	struct wire_uri uri;

	cr_assert_eq(parse(REF "?at=unix:/run/a%20b&at=udp:[fd00::1]:7&at=relay:" ZEROS
			       "@example.org:65535", &uri), 0);
	for (unsigned int i = 0; i < sizeof uri.key; i++)
		cr_assert_eq(uri.key[i], i);
	for (unsigned int i = 0; i < sizeof uri.swiss; i++)
		cr_assert_eq(uri.swiss[i], 255);
	cr_assert(uri.has_swiss);
	cr_assert_eq(uri.hints_n, 3);
	cr_assert_eq(uri.hints[0].kind, HINT_UNIX);
	cr_assert_str_eq(uri.hints[0].where, "/run/a b");
	cr_assert_eq(uri.hints[1].kind, HINT_UDP);
	cr_assert_str_eq(uri.hints[1].where, "[fd00::1]");
	cr_assert_eq(uri.hints[1].port, 7);
	cr_assert_eq(uri.hints[2].kind, HINT_RELAY);
	cr_assert_str_eq(uri.hints[2].where, "example.org");
	cr_assert_eq(uri.hints[2].port, 65535);
	cr_assert_eq(uri.hints[2].key[0], 0);

	cr_assert_eq(parse("intro:" KEY, &uri), 0);
	cr_assert_not(uri.has_swiss);
	cr_assert_eq(uri.hints_n, 0);
}

TEST(uri, has_one_spelling_of_each)
{
	same("intro:" KEY);
	same(REF);
	same("intro:" ZEROS "/" SWISS);
	same(REF "?at=unix:/");
	same(REF "?at=unix:/a/%C3%A4%26%3D%25%3F%23%2B~._-:@[]");
	same(REF "?at=udp:10.0.0.1:1&at=udp:host_a.example:9999");
	same(REF "?at=unix:/1&at=unix:/2&at=unix:/3&at=unix:/4");
}

TEST(uri, refuses_what_is_none)
{
	static const char *const texts[] = {
		"", "intro:", "intro", "Intro:" KEY, "INTRO:" KEY, " intro:" KEY, "intro:" KEY " ",
		"intro:" KEY "\n", REF "\n", "intro://" KEY, "intro:" KEY "/", "intro:" KEY "a",
		"intro:" KEY "/" SWISS "a", "intro:/" SWISS, "intro:" KEY SWISS, REF "/",
		/* upper case, digits and padding that are not of the alphabet, bits too many */
		"intro:AAAQEAYEAUDAOCAJBIFQYDIOB4IBCEQTCQKRMFYYDENBWHA5DYPQ",
		"intro:1aaqeayeaudaocajbifqydiob4ibceqtcqkrmfyydenbwha5dypq",
		"intro:8aaqeayeaudaocajbifqydiob4ibceqtcqkrmfyydenbwha5dypq",
		"intro:=aaqeayeaudaocajbifqydiob4ibceqtcqkrmfyydenbwha5dypq",
		"intro:aaaqeayeaudaocajbifqydiob4ibceqtcqkrmfyydenbwha5dypr",
		"intro:" KEY "/77777777777777777777777775",
		/* a peer has no hints */
		"intro:" KEY "?at=unix:/a",
		REF "?", REF "?at=", REF "?at", REF "&at=unix:/a", REF "?AT=unix:/a", REF "?x=unix:/a",
		REF "?at=unix:/a&", REF "?at=unix:/a&at=", REF "?at=unix:/a&x=1",
		REF "?at=unix:/a?at=unix:/b", REF "?at=unix:/a#b",
		REF "?at=unix:", REF "?at=unix:a", REF "?at=UNIX:/a", REF "?at=/a", REF "?at=:a",
		REF "?at=unix:/a b", REF "?at=unix:/a+b", REF "?at=unix:/\xc3\xa4",
		REF "?at=unix:/%", REF "?at=unix:/%4", REF "?at=unix:/%00", REF "?at=unix:/%0A",
		REF "?at=unix:/%7F", REF "?at=unix:/%61", REF "?at=unix:/%2F", REF "?at=unix:/%c3",
		REF "?at=unix:/%G0", REF "?at=unix:/%2&at=unix:/b",
		REF "?at=udp:a", REF "?at=udp:a:", REF "?at=udp::1", REF "?at=udp:a:0",
		REF "?at=udp:a:01", REF "?at=udp:a:65536", REF "?at=udp:a:99999",
		REF "?at=udp:a:100000", REF "?at=udp:a:-1", REF "?at=udp:a:1a", REF "?at=udp:a:b:1",
		REF "?at=udp:fd00::1:7", REF "?at=udp:[fd00::1]", REF "?at=udp:[]:1",
		REF "?at=udp:[:1", REF "?at=udp:[fd00::g]:1", REF "?at=udp:[1.2.3.4]:1",
		REF "?at=udp:[fe80::1%25eth0]:1", REF "?at=udp:a/b:1", REF "?at=udp:a@b:1",
		REF "?at=udp:%C3%A4:1",
		REF "?at=relay:a:1", REF "?at=relay:" KEY ":1", REF "?at=relay:" KEY "@:1",
		REF "?at=relay:" KEY "@a", REF "?at=relay:@a:1", REF "?at=relay:" SWISS "@a:1",
		REF "?at=unix:/1&at=unix:/2&at=unix:/3&at=unix:/4&at=unix:/5",
		REF "?at=x:1&at=x:2&at=x:3&at=x:4&at=unix:/5",
	};
	struct wire_uri uri;

	for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
		refused(texts[i]);
	cr_assert_eq(wire_uri_parse("intro:" KEY, sizeof "intro:" KEY, &uri), -EINVAL, "a NUL");
}

TEST(uri, leaves_out_hints_that_it_does_not_know)
{
	char out[WIRE_URI_MAX + 1];
	struct wire_uri uri;

	cr_assert_eq(parse(REF "?at=quic.2:what%20ever&at=unix:/a&at=x:", &uri), 0);
	cr_assert_eq(uri.hints_n, 1);
	cr_assert_str_eq(uri.hints[0].where, "/a");
	cr_assert_gt(wire_uri_format(&uri, out, sizeof out), 0);
	cr_assert_str_eq(out, REF "?at=unix:/a");
}

TEST(uri, is_bounded)
{
	char text[WIRE_URI_MAX + 64] = REF "?at=unix:/", out[sizeof text];
	size_t at = strlen(text), room = WIRE_HINT_MAX - strlen("unix:/");
	struct wire_uri uri;

	memset(text + at, 'a', room);
	same(text);
	text[at + room] = 'a';
	refused(text);

	/* Four hints of which each may be: 1024 bytes in all, and one more. */
	text[at] = '\0';
	for (int i = 0; i < 3; i++) {
		for (int encoded = 0; encoded < 80; encoded++)
			strcat(text, "%20");
		strcat(text, i < 2 ? "&at=unix:/" : "&at=x:");
	}
	at = strlen(text);
	memset(text + at, 'a', WIRE_URI_MAX - at);
	cr_assert_eq(parse(text, &uri), 0);
	text[WIRE_URI_MAX] = 'a';
	refused(text);

	/* What a caller makes too long, or for too little room. */
	cr_assert_eq(parse(REF "?at=unix:/a&at=unix:/b&at=unix:/c&at=unix:/d", &uri), 0);
	cr_assert_eq(wire_uri_format(&uri, out, strlen(REF) + 1), -ENAMETOOLONG);
	for (unsigned int i = 0; i < 4; i++)
		memset(uri.hints[i].where + 1, ' ', room);
	cr_assert_eq(wire_uri_format(&uri, out, sizeof out), -ENAMETOOLONG);
	cr_assert_eq(parse(REF, &uri), 0);
	for (size_t size = 0; size <= strlen(REF); size++)
		cr_assert_eq(wire_uri_format(&uri, out, size), -ENAMETOOLONG);
	cr_assert_eq(wire_uri_format(&uri, out, strlen(REF) + 1), (int)strlen(REF));
}

TEST(uri, formats_nothing_that_it_would_not_parse)
{
	struct wire_uri good, bad;
	char out[WIRE_URI_MAX + 1] = "untouched";

	cr_assert_eq(parse(REF "?at=udp:a:1", &good), 0);
#define REFUSED(change)                                                             \
	do {                                                                        \
		bad = good;                                                         \
		change;                                                             \
		cr_assert_eq(wire_uri_format(&bad, out, sizeof out), -EINVAL, #change); \
		cr_assert_str_eq(out, "untouched");                                 \
	} while (0)
	REFUSED(bad.has_swiss = false);
	REFUSED(bad.hints_n = 2);
	REFUSED(bad.hints_n = WIRE_URI_HINTS_MAX + 1);
	REFUSED(bad.hints[0].kind = HINT_NONE);
	REFUSED(bad.hints[0].kind = (enum wire_hint_kind)4);
	REFUSED(bad.hints[0].kind = HINT_UNIX);
	REFUSED(bad.hints[0].port = 0);
	REFUSED(bad.hints[0].where[0] = '\0');
	REFUSED(bad.hints[0].where[0] = '&');
	REFUSED(strcpy(bad.hints[0].where, "a:1"));
	REFUSED(memset(bad.hints[0].where, 'a', sizeof bad.hints[0].where));
}

static void random_hint(struct wire_hint *hint)
{
	static const char *const hosts[] = { "a", "10.1.2.3", "[::]", "[fd00::ffff:1.2.3.4]",
					     "x-1.example_2.org" };

	hint->kind = (enum wire_hint_kind)(1 + rand() % 3);
	if (hint->kind == HINT_UNIX) {
		hint->where[0] = '/';
		for (int n = 1 + rand() % 60; n > 1; n--)
			while ((uint8_t)(hint->where[n - 1] = (char)rand()) < ' ' ||
			       hint->where[n - 1] == 0x7f)
				;
		hint->where[0] = '/';
		return;
	}
	strcpy(hint->where, hosts[rand() % 5]);
	hint->port = (uint16_t)(1 + rand() % 65535);
	for (size_t i = 0; hint->kind == HINT_RELAY && i < sizeof hint->key; i++)
		hint->key[i] = (uint8_t)rand();
}

static void random_uri(struct wire_uri *uri)
{
	memset(uri, 0, sizeof *uri);
	for (size_t i = 0; i < sizeof uri->key; i++)
		uri->key[i] = (uint8_t)rand();
	uri->has_swiss = rand() % 8 != 0;
	for (size_t i = 0; uri->has_swiss && i < sizeof uri->swiss; i++)
		uri->swiss[i] = (uint8_t)rand();
	uri->hints_n = uri->has_swiss ? (unsigned int)rand() % (WIRE_URI_HINTS_MAX + 1) : 0;
	for (unsigned int i = 0; i < uri->hints_n; i++)
		random_hint(&uri->hints[i]);
}

TEST(uri, comes_back_as_it_went)
{
	char text[WIRE_URI_MAX + 1];
	struct wire_uri uri, again;

	srand(1);
	for (int round = 0; round < 20000; round++) {
		int len;

		random_uri(&uri);
		len = wire_uri_format(&uri, text, sizeof text);
		cr_assert_gt(len, 0);
		cr_assert_eq((int)strlen(text), len);
		cr_assert_eq(wire_uri_parse(text, (size_t)len, &again), 0, "%s", text);
		cr_assert_eq(memcmp(&uri, &again, sizeof uri), 0, "%s", text);
	}
}

/* Whatever parses says so itself, but for hints that were left out. */
static void judge(const char *text, size_t len, unsigned int hints_n)
{
	char out[WIRE_URI_MAX + 1];
	struct wire_uri uri, again;
	int n;

	if (wire_uri_parse(text, len, &uri) < 0)
		return;
	n = wire_uri_format(&uri, out, sizeof out);
	cr_assert_gt(n, 0);
	if (uri.hints_n >= hints_n)
		cr_assert((size_t)n == len && memcmp(out, text, len) == 0, "%.*s: %s",
			  (int)len, text, out);
	cr_assert_eq(wire_uri_parse(out, (size_t)n, &again), 0);
	cr_assert_eq(memcmp(&uri, &again, sizeof uri), 0);
}

/* Copied, so that reading behind the end is noticed by a sanitizer. */
static char *copy_of(const char *text, size_t len)
{
	char *copy = malloc(len ? len : 1);

	cr_assert_not_null(copy);
	memcpy(copy, text, len);
	return copy;
}

TEST(uri, survives_every_cut_and_every_flip)
{
	char text[WIRE_URI_MAX + 1];
	struct wire_uri uri, cut;

	srand(2);
	for (int round = 0; round < 30; round++) {
		size_t len;

		random_uri(&uri);
		len = (size_t)wire_uri_format(&uri, text, sizeof text);
		for (size_t n = 0; n < len; n++) {
			char *copy = copy_of(text, n);

			judge(copy, n, 0);
			if (wire_uri_parse(copy, n, &cut) == 0)
				cr_assert_eq(memcmp(cut.key, uri.key, sizeof uri.key), 0);
			free(copy);
		}
		for (size_t i = 0; i < len; i++) {
			char *copy = copy_of(text, len);

			for (int byte = 0; byte < 256; byte++) {
				copy[i] = (char)byte;
				judge(copy, len, uri.hints_n);
			}
			free(copy);
		}
	}
}
