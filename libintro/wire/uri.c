/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The references of uri.h. Formatting checks its work by parsing it: what was never valid is
 * never given out, and the rules stand in one place.
 */
#include "uri.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define KEY_CHARS 52u		/* 256 bits by 5, rounded up */
#define SWISS_CHARS 26u
#define PORT_MAX 65535u
#define FORMAT_BYTES (WIRE_URI_MAX + 8)	/* a hint's beginning, or an encoded byte, too many */

/* What is left to read. */
struct rest {
	const char *s;
	size_t len;
};

static bool take(struct rest *rest, const char *word)
{
	size_t n = strlen(word);

	if (rest->len < n || memcmp(rest->s, word, n) != 0)
		return false;
	rest->s += n;
	rest->len -= n;
	return true;
}

/* ---- base32 ---- */

static const char alphabet[] = "abcdefghijklmnopqrstuvwxyz234567";

/* The bytes of as many characters as they take; bits beyond them must be zero. */
static bool take_base32(struct rest *rest, uint8_t *bytes, size_t n)
{
	size_t chars = (n * 8 + 4) / 5, done = 0;
	unsigned int bits = 0, held = 0;

	if (rest->len < chars)
		return false;
	for (size_t i = 0; i < chars; i++) {
		const char *at = memchr(alphabet, rest->s[i], 32);

		if (!at)
			return false;
		held = held << 5 | (unsigned int)(at - alphabet);
		bits += 5;
		if (bits >= 8) {
			bits -= 8;
			bytes[done++] = (uint8_t)(held >> bits);
			held &= (1u << bits) - 1;
		}
	}
	rest->s += chars;
	rest->len -= chars;
	return held == 0;
}

/* NUL-terminated: room for one more than the characters. */
static void put_base32(char *out, const uint8_t *bytes, size_t n)
{
	unsigned int bits = 0, held = 0;

	for (size_t i = 0; i < n; i++) {
		held = held << 8 | bytes[i];
		bits += 8;
		while (bits >= 5) {
			bits -= 5;
			*out++ = alphabet[held >> bits & 31];
		}
		held &= (1u << bits) - 1;
	}
	if (bits > 0)
		*out++ = alphabet[held << (5 - bits) & 31];
	*out = '\0';
}

/* ---- percent-encoding (RFC 3986, section 2.1) ---- */

static bool plain(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       (c != '\0' && strchr("-._~/:@[]", c));
}

static int hex_value(char c)
{
	static const char digits[] = "0123456789ABCDEF";
	const char *at = memchr(digits, c, 16);

	return at ? (int)(at - digits) : -1;
}

/* One hint, up to '&' or the end, into text[WIRE_HINT_MAX + 1]. */
static bool take_text(struct rest *rest, char *text)
{
	size_t n = 0, i = 0;

	for (; i < rest->len && rest->s[i] != '&'; i++) {
		char c = rest->s[i];

		if (n == WIRE_HINT_MAX)
			return false;
		if (c == '%') {
			int high, low;

			if (rest->len - i < 3)
				return false;
			high = hex_value(rest->s[i + 1]);
			low = hex_value(rest->s[i + 2]);
			if (high < 0 || low < 0)
				return false;
			c = (char)(high << 4 | low);
			/* Control characters are kept from logs and terminals. */
			if (plain(c) || (uint8_t)c < ' ' || c == 0x7f)
				return false;
			i += 2;
		} else if (!plain(c)) {
			return false;
		}
		text[n++] = c;
	}
	text[n] = '\0';
	rest->s += i;
	rest->len -= i;
	return n > 0;
}

/* ---- hints ---- */

static bool host_ok(const char *host)
{
	size_t len = strlen(host);
	struct in6_addr address;
	char inner[INET6_ADDRSTRLEN];

	if (host[0] == '[') {
		if (len < 3 || len - 2 >= sizeof inner || host[len - 1] != ']')
			return false;
		memcpy(inner, host + 1, len - 2);
		inner[len - 2] = '\0';
		return inet_pton(AF_INET6, inner, &address) == 1;
	}
	return len > 0 && strspn(host, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				       "0123456789.-_") == len;
}

/* HOST:PORT up to a NUL; no port 0, no zero in front. */
static bool take_place(struct rest *rest, struct wire_hint *ret)
{
	const char *colon = memrchr(rest->s, ':', rest->len);
	size_t host_len, digits;
	unsigned long port;

	if (!colon)
		return false;
	host_len = (size_t)(colon - rest->s);
	digits = rest->len - host_len - 1;
	if (digits < 1 || digits > 5 || colon[1] == '0' ||
	    strspn(colon + 1, "0123456789") != digits)
		return false;
	port = strtoul(colon + 1, NULL, 10);
	if (port > PORT_MAX)
		return false;
	ret->port = (uint16_t)port;
	memcpy(ret->where, rest->s, host_len);
	return host_ok(ret->where);
}

/* Of what is not known, a scheme is asked at least (RFC 3986, section 3.1), in lower case. */
static bool has_scheme(const char *text)
{
	size_t len = strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789.-");

	return text[0] >= 'a' && text[0] <= 'z' && text[len] == ':';
}

/* ret is zero; its kind stays HINT_NONE when the scheme is not known. */
static bool hint_parse(const char *text, struct wire_hint *ret)
{
	struct rest rest = { text, strlen(text) };

	if (take(&rest, "unix:")) {
		ret->kind = HINT_UNIX;
		memcpy(ret->where, rest.s, rest.len);
		return rest.len > 0 && rest.s[0] == '/';
	}
	if (take(&rest, "udp:")) {
		ret->kind = HINT_UDP;
		return take_place(&rest, ret);
	}
	if (take(&rest, "relay:")) {
		ret->kind = HINT_RELAY;
		return take_base32(&rest, ret->key, sizeof ret->key) && take(&rest, "@") &&
		       take_place(&rest, ret);
	}
	return has_scheme(text);
}

static bool take_hints(struct rest *rest, struct wire_uri *uri)
{
	char text[WIRE_HINT_MAX + 1];

	for (unsigned int i = 0; rest->len > 0; i++) {
		struct wire_hint *hint = &uri->hints[uri->hints_n];

		if (i == WIRE_URI_HINTS_MAX || !take(rest, i == 0 ? "?at=" : "&at=") ||
		    !take_text(rest, text) || !hint_parse(text, hint))
			return false;
		uri->hints_n += hint->kind != HINT_NONE;
	}
	return true;
}

/* ---- the whole ---- */

int wire_uri_parse(const char *s, size_t len, struct wire_uri *ret)
{
	struct rest rest = { s, len };
	struct wire_uri uri;

	memset(&uri, 0, sizeof uri);
	if (len > WIRE_URI_MAX || !take(&rest, "intro:") ||
	    !take_base32(&rest, uri.key, sizeof uri.key))
		return -EINVAL;
	if (rest.len > 0) {
		uri.has_swiss = true;
		if (!take(&rest, "/") || !take_base32(&rest, uri.swiss, sizeof uri.swiss) ||
		    !take_hints(&rest, &uri))
			return -EINVAL;
	}
	memcpy(ret, &uri, sizeof uri);
	return 0;
}

/* Into out[FORMAT_BYTES], from at on: where it ends, when that is not beyond WIRE_URI_MAX. */
static size_t hint_format(const struct wire_hint *hint, char *out, size_t at)
{
	char text[2 * WIRE_HINT_MAX], key[KEY_CHARS + 1];
	int len = 0;

	put_base32(key, hint->key, sizeof hint->key);
	if (hint->kind == HINT_UNIX)
		len = snprintf(text, sizeof text, "unix:%s", hint->where);
	else if (hint->kind == HINT_UDP)
		len = snprintf(text, sizeof text, "udp:%s:%u", hint->where, hint->port);
	else
		len = snprintf(text, sizeof text, "relay:%s@%s:%u", key, hint->where,
			       hint->port);
	for (int i = 0; i < len && at <= WIRE_URI_MAX; i++) {
		if (plain(text[i]))
			out[at++] = text[i];
		else
			at += (size_t)sprintf(out + at, "%%%02X", (uint8_t)text[i]);
	}
	return at;
}

static bool hint_printable(const struct wire_hint *hint)
{
	return (hint->kind == HINT_UNIX || hint->kind == HINT_UDP || hint->kind == HINT_RELAY) &&
	       memchr(hint->where, '\0', sizeof hint->where) != NULL;
}

int wire_uri_format(const struct wire_uri *uri, char *out, size_t size)
{
	char text[FORMAT_BYTES], key[KEY_CHARS + 1], swiss[SWISS_CHARS + 1];
	struct wire_uri again;
	size_t at;

	if (uri->hints_n > WIRE_URI_HINTS_MAX)
		return -EINVAL;
	for (unsigned int i = 0; i < uri->hints_n; i++)
		if (!hint_printable(&uri->hints[i]))
			return -EINVAL;
	put_base32(key, uri->key, sizeof uri->key);
	put_base32(swiss, uri->swiss, sizeof uri->swiss);
	at = (size_t)snprintf(text, sizeof text, "intro:%s%s%s", key,
			      uri->has_swiss ? "/" : "", uri->has_swiss ? swiss : "");
	for (unsigned int i = 0; i < uri->hints_n && at <= WIRE_URI_MAX; i++) {
		memcpy(text + at, i == 0 ? "?at=" : "&at=", 4);
		at = hint_format(&uri->hints[i], text, at + 4);
	}
	if (at > WIRE_URI_MAX || at >= size)
		return -ENAMETOOLONG;
	text[at] = '\0';
	if (wire_uri_parse(text, at, &again) < 0 || again.hints_n != uri->hints_n)
		return -EINVAL;
	memcpy(out, text, at + 1);
	return (int)at;
}
