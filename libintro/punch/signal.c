/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The form of a signal:
 *
 *	0 kind, 1 flags, 2 generation, 4 number, 8 tag, 16 public key, 48 relay's session,
 *	55 candidates' number, 56 NAT, 80 candidates of 20 bytes each, MAC
 *
 * A candidate: kind, family, port, ip. One form for all kinds: what one has no use for is zero.
 */
#include "signal.h"

#include <errno.h>
#include <string.h>

#include "bytes.h"

#define VERSION_BITS 0x10u	/* of the first byte */
#define FIXED_BYTES 80u
#define CANDIDATE_BYTES 20u

enum { FLAG_OPENED = 1, FLAG_LOW_PORTS = 2, FLAG_SESSION = 4, FLAGS = 7 };

_Static_assert(FIXED_BYTES + ETIQUETTE_CANDIDATES * CANDIDATE_BYTES + KEY_MAC_BYTES <=
		       SIGNAL_BYTES_MAX, "the longest signal fits");
_Static_assert(56 + NAT_WIRE_BYTES == FIXED_BYTES, "the NAT stands before the candidates");

size_t signal_write(const struct signal *s, const uint8_t key[static KEY_BYTES],
		    uint8_t out[static SIGNAL_BYTES_MAX])
{
	uint8_t *p = out + FIXED_BYTES;

	memset(out, 0, SIGNAL_BYTES_MAX);
	out[0] = (uint8_t)(VERSION_BITS | s->kind);
	out[1] = (uint8_t)((s->opened ? FLAG_OPENED : 0) | (s->low_ports ? FLAG_LOW_PORTS : 0) |
			   (s->has_session ? FLAG_SESSION : 0));
	put_be16(out + 2, s->generation);
	put_be32(out + 4, s->number);
	memcpy(out + 8, s->tag, KEY_TAG_BYTES);
	memcpy(out + 16, s->public, KEY_BYTES);
	memcpy(out + 48, s->session, RELAY_SESSION_BYTES);
	out[55] = (uint8_t)s->candidates.n;
	nat_put(&s->nat, out + 56);
	for (size_t i = 0; i < s->candidates.n; i++, p += CANDIDATE_BYTES) {
		const struct candidate *c = &s->candidates.list[i];

		p[0] = (uint8_t)c->kind;
		p[1] = c->address.family;
		put_be16(p + 2, c->address.port);
		memcpy(p + 4, c->address.ip, sizeof c->address.ip);
	}
	key_mac(p, key, out, (size_t)(p - out));
	return (size_t)(p - out) + KEY_MAC_BYTES;
}

static int read_candidate(const uint8_t *p, struct candidates *ret)
{
	struct address a = { .family = p[1], .port = get_be16(p + 2) };

	if (p[0] < CANDIDATE_HOST || p[0] > CANDIDATE_MAPPED)
		return -EPROTO;
	if ((a.family != 4 && a.family != 6) || a.port == 0)
		return -EPROTO;
	memcpy(a.ip, p + 4, address_ip_bytes(&a));
	candidates_add(ret, p[0], &a);
	return 0;
}

int signal_read(const void *bytes, size_t len, struct signal *ret)
{
	const uint8_t *p = bytes;
	struct signal s;

	memset(&s, 0, sizeof s);
	if (len < FIXED_BYTES + KEY_MAC_BYTES || len > SIGNAL_BYTES_MAX ||
	    (p[0] & 0xf0) != VERSION_BITS || p[55] > ETIQUETTE_CANDIDATES ||
	    len != FIXED_BYTES + p[55] * CANDIDATE_BYTES + KEY_MAC_BYTES || (p[1] & ~FLAGS) != 0)
		return -EPROTO;
	s.kind = p[0] & 0x0f;
	if (s.kind < SIGNAL_OFFER || s.kind >= SIGNAL_KINDS)
		return -EPROTO;
	s.opened = p[1] & FLAG_OPENED;
	s.low_ports = p[1] & FLAG_LOW_PORTS;
	s.has_session = p[1] & FLAG_SESSION;
	s.generation = get_be16(p + 2);
	s.number = get_be32(p + 4);
	memcpy(s.tag, p + 8, KEY_TAG_BYTES);
	memcpy(s.public, p + 16, KEY_BYTES);
	memcpy(s.session, p + 48, RELAY_SESSION_BYTES);
	if (nat_get(p + 56, &s.nat) < 0)
		return -EPROTO;
	for (size_t i = 0; i < p[55]; i++) {
		if (read_candidate(p + FIXED_BYTES + i * CANDIDATE_BYTES, &s.candidates) < 0)
			return -EPROTO;
	}
	*ret = s;
	return 0;
}

bool signal_right(const void *bytes, size_t len, const uint8_t key[static KEY_BYTES])
{
	const uint8_t *p = bytes;

	return key_mac_right(p + len - KEY_MAC_BYTES, key, p, len - KEY_MAC_BYTES);
}
