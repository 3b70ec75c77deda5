/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The layouts of relay_wire.h. Pure functions.
 */
#include "relay_wire.h"

#include <endian.h>
#include <errno.h>
#include <string.h>

#define AT_SESSION 1u
#define AT_NONCE 8u
#define AT_VERSION 16u
#define AT_COOKIE 17u
#define AT_OBSERVED 33u
#define AT_PEER 52u
#define AT_QUOTA 71u
#define AT_END 91u
#define AT_REASON 17u
#define AT_RETRY 18u
#define AT_REFUSED_END 22u

#define ADDRESS_BYTES 19u

enum {
	HAS_SESSION = 1,
	HAS_COOKIE = 2,
	HAS_OBSERVED = 4,
	HAS_BINDING = 8,	/* the other leg's address, and the quota */
	HAS_REASON = 16,
};

struct layout {
	uint8_t len, has;
};

static const struct layout layouts[] = {
	[RELAY_HELLO - RELAY_HELLO] = { RELAY_CONTROL_BYTES, 0 },
	[RELAY_COOKIE - RELAY_HELLO] = { RELAY_CONTROL_BYTES, HAS_COOKIE | HAS_OBSERVED },
	[RELAY_BIND - RELAY_HELLO] = { RELAY_CONTROL_BYTES, HAS_SESSION | HAS_COOKIE },
	[RELAY_BOUND - RELAY_HELLO] = { RELAY_CONTROL_BYTES,
		HAS_SESSION | HAS_COOKIE | HAS_OBSERVED | HAS_BINDING },
	[RELAY_REFUSED - RELAY_HELLO] = { RELAY_REFUSED_BYTES, HAS_SESSION | HAS_REASON },
	[RELAY_CLOSE - RELAY_HELLO] = { RELAY_CONTROL_BYTES, HAS_SESSION },
};

/* Of a type with a fixed layout; NULL: none, or DATA. */
static const struct layout *layout_of(unsigned int type)
{
	unsigned int i = type - RELAY_HELLO;

	return i < sizeof layouts / sizeof *layouts && layouts[i].len > 0 ? &layouts[i] : NULL;
}

static void put_u32(uint8_t *out, uint32_t value)
{
	value = htobe32(value);
	memcpy(out, &value, sizeof value);
}

static uint32_t get_u32(const uint8_t *in)
{
	uint32_t value;

	memcpy(&value, in, sizeof value);
	return be32toh(value);
}

static void put_address(uint8_t *out, const struct address *a)
{
	out[0] = a->family;
	out[1] = (uint8_t)(a->port >> 8);
	out[2] = (uint8_t)a->port;
	memcpy(out + 3, a->ip, sizeof a->ip);
}

static bool zeros(const uint8_t *p, size_t n)
{
	uint8_t all = 0;

	while (n-- > 0)
		all |= *p++;
	return all == 0;
}

static int get_address(const uint8_t *in, struct address *ret)
{
	struct address a = { .family = in[0], .port = (uint16_t)(in[1] << 8 | in[2]) };
	size_t used = a.family == 0 ? 0 : address_ip_bytes(&a);

	if (a.family != 0 && a.family != 4 && a.family != 6)
		return -EPROTO;
	memcpy(a.ip, in + 3, used);
	if (!zeros(in + 3 + used, ADDRESS_BYTES - 3 - used) || (a.family == 0 && a.port != 0))
		return -EPROTO;
	*ret = a;
	return 0;
}

static void put_quota(uint8_t *out, const struct relay_quota *q)
{
	uint64_t bytes = htobe64(q->bytes);

	memcpy(out, &bytes, sizeof bytes);
	put_u32(out + 8, q->packets_s);
	put_u32(out + 12, q->idle_s);
	put_u32(out + 16, q->lasts_s);
}

static void get_quota(const uint8_t *in, struct relay_quota *ret)
{
	uint64_t bytes;

	memcpy(&bytes, in, sizeof bytes);
	ret->bytes = be64toh(bytes);
	ret->packets_s = get_u32(in + 8);
	ret->idle_s = get_u32(in + 12);
	ret->lasts_s = get_u32(in + 16);
}

static int parse_data(const uint8_t *p, size_t len, struct relay_message *ret)
{
	if (len < RELAY_HEADER_BYTES)
		return -EPROTO;
	*ret = (struct relay_message){
		.type = RELAY_DATA,
		.payload = p + RELAY_HEADER_BYTES,
		.payload_len = len - RELAY_HEADER_BYTES,
	};
	memcpy(ret->session, p + AT_SESSION, sizeof ret->session);
	return 0;
}

static int parse_fields(const uint8_t *p, unsigned int has, struct relay_message *m)
{
	if (has & HAS_COOKIE)
		memcpy(m->cookie, p + AT_COOKIE, sizeof m->cookie);
	else if (!(has & HAS_REASON) && !zeros(p + AT_COOKIE, AT_OBSERVED - AT_COOKIE))
		return -EPROTO;
	if (has & HAS_REASON) {
		m->reason = p[AT_REASON];
		m->retry_after_s = get_u32(p + AT_RETRY);
		return m->reason >= RELAY_STALE && m->reason <= RELAY_SPENT &&
			zeros(p + AT_REFUSED_END, RELAY_REFUSED_BYTES - AT_REFUSED_END) ?
			0 : -EPROTO;
	}
	if (has & HAS_OBSERVED) {
		if (get_address(p + AT_OBSERVED, &m->observed) < 0)
			return -EPROTO;
	} else if (!zeros(p + AT_OBSERVED, AT_PEER - AT_OBSERVED)) {
		return -EPROTO;
	}
	if (has & HAS_BINDING) {
		if (get_address(p + AT_PEER, &m->peer) < 0)
			return -EPROTO;
		get_quota(p + AT_QUOTA, &m->quota);
	} else if (!zeros(p + AT_PEER, AT_END - AT_PEER)) {
		return -EPROTO;
	}
	return zeros(p + AT_END, RELAY_CONTROL_BYTES - AT_END) ? 0 : -EPROTO;
}

int relay_parse(const void *packet, size_t len, struct relay_message *ret)
{
	const uint8_t *p = packet;
	const struct layout *layout;
	struct relay_message m;

	if (len > 0 && p[0] == RELAY_DATA)
		return parse_data(p, len, ret);
	layout = len > 0 ? layout_of(p[0]) : NULL;
	if (!layout || len != layout->len || p[AT_VERSION] != RELAY_VERSION)
		return -EPROTO;
	m = (struct relay_message){ .type = p[0] };
	memcpy(m.session, p + AT_SESSION, sizeof m.session);
	memcpy(m.nonce, p + AT_NONCE, sizeof m.nonce);
	if (!(layout->has & HAS_SESSION) && !zeros(m.session, sizeof m.session))
		return -EPROTO;
	if (parse_fields(p, layout->has, &m) < 0)
		return -EPROTO;
	*ret = m;
	return 0;
}

size_t relay_put(const struct relay_message *m, uint8_t out[static RELAY_CONTROL_BYTES])
{
	const struct layout *layout = layout_of(m->type);

	if (!layout)
		return 0;
	memset(out, 0, layout->len);
	out[0] = (uint8_t)m->type;
	memcpy(out + AT_NONCE, m->nonce, sizeof m->nonce);
	out[AT_VERSION] = RELAY_VERSION;
	if (layout->has & HAS_SESSION)
		memcpy(out + AT_SESSION, m->session, sizeof m->session);
	if (layout->has & HAS_COOKIE)
		memcpy(out + AT_COOKIE, m->cookie, sizeof m->cookie);
	if (layout->has & HAS_OBSERVED)
		put_address(out + AT_OBSERVED, &m->observed);
	if (layout->has & HAS_BINDING) {
		put_address(out + AT_PEER, &m->peer);
		put_quota(out + AT_QUOTA, &m->quota);
	}
	if (layout->has & HAS_REASON) {
		out[AT_REASON] = (uint8_t)m->reason;
		put_u32(out + AT_RETRY, m->retry_after_s);
	}
	return layout->len;
}

void relay_put_header(const uint8_t session[static RELAY_SESSION_BYTES],
		      uint8_t out[static RELAY_HEADER_BYTES])
{
	out[0] = RELAY_DATA;
	memcpy(out + AT_SESSION, session, RELAY_SESSION_BYTES);
}

int relay_reason_error(enum relay_reason reason)
{
	switch (reason) {
	case RELAY_STALE:
		return -ESTALE;
	case RELAY_TAKEN:
		return -EADDRINUSE;
	case RELAY_FULL:
		return -ENOSPC;
	case RELAY_CROWDED:
		return -EUSERS;
	case RELAY_SPENT:
		return -EDQUOT;
	}
	return -EPROTO;
}
