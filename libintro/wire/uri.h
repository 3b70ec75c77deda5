/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sturdy references as text, and back:
 *
 *	intro:KEY/SWISS[?at=HINT[&at=HINT]...]	a reference: whoever knows SWISS may use it
 *	intro:KEY				a peer; carries no authority
 *
 * KEY is the exporter's Ed25519 key, SWISS 16 random bytes, both in lower-case base32 (RFC
 * 4648, section 6) without padding. HINT says where the exporter may be, and is never trusted:
 * unix:/PATH, udp:HOST:PORT or relay:KEY@HOST:PORT, HOST being a name, an IPv4 address or an
 * IPv6 address in brackets. There is one spelling of each reference: whatever else decodes to
 * the same is refused. Pure functions of libc alone, for anybody.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WIRE_URI_MAX 1024u		/* bytes, without a NUL */
#define WIRE_URI_HINTS_MAX 4u
#define WIRE_HINT_MAX 200u		/* bytes of a hint before percent-encoding */
#define WIRE_KEY_BYTES 32u
#define WIRE_SWISS_BYTES 16u

enum wire_hint_kind {
	HINT_NONE,
	HINT_UNIX,
	HINT_UDP,
	HINT_RELAY,
};

struct wire_hint {
	enum wire_hint_kind kind;
	uint16_t port;				/* HINT_UDP, HINT_RELAY */
	uint8_t key[WIRE_KEY_BYTES];		/* HINT_RELAY: the relay's */
	char where[WIRE_HINT_MAX + 1];		/* HINT_UNIX: the path; else the host */
};

struct wire_uri {
	uint8_t key[WIRE_KEY_BYTES];
	uint8_t swiss[WIRE_SWISS_BYTES];	/* zero without has_swiss */
	bool has_swiss;
	unsigned int hints_n;			/* 0 without has_swiss */
	struct wire_hint hints[WIRE_URI_HINTS_MAX];
};

/* Parse all of s[len]; no newline may follow. Hints of schemes that are not known here are left
 * out, but count. What ret has no use for is zero, its padding too. 0 or -EINVAL. */
int wire_uri_parse(const char *s, size_t len, struct wire_uri *ret);

/* Write it into out[size], NUL-terminated. Its length without the NUL; -ENAMETOOLONG: longer
 * than size, or than WIRE_URI_MAX; -EINVAL: uri is none that wire_uri_parse() would give. */
int wire_uri_format(const struct wire_uri *uri, char *out, size_t size);
