/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The codec of stun.h: the form of messages. What is computed over them is in stun_integrity.c.
 */
#include "stun.h"

#include <errno.h>
#include <string.h>

#include "bytes.h"
#include "stun_integrity.h"

#define COOKIE_HIGH 0x2112u
#define ATTRIBUTE_BYTES 4u		/* of an attribute's type and length */
#define ERROR_REASON_MAX 128u		/* bytes we ever write */

enum { FAMILY_IPV4 = 1, FAMILY_IPV6 = 2 };

static size_t padded(size_t len)
{
	return (len + 3) & ~(size_t)3;
}

bool stun_looks(const void *packet, size_t len)
{
	const uint8_t *p = packet;

	return len >= STUN_HEADER_BYTES && p[0] < 4 && get_be32(p + 4) == STUN_COOKIE;
}

/* ---- parsing ---- */

/* The mask of XOR-MAPPED-ADDRESS: the cookie, and for IPv6 the transaction id behind it. */
static void unmask(struct address *a, const uint8_t *packet)
{
	a->port ^= COOKIE_HIGH;
	for (size_t i = 0; i < address_ip_bytes(a); i++)
		a->ip[i] ^= packet[4 + i];
}

static int read_address(const uint8_t *value, size_t len, const uint8_t *xored_by,
			struct address *ret)
{
	struct address a = { 0 };

	if (len < 4)
		return -EPROTO;
	a.family = value[1] == FAMILY_IPV4 ? 4 : value[1] == FAMILY_IPV6 ? 6 : 0;
	if (a.family == 0 || len != 4 + address_ip_bytes(&a))
		return -EPROTO;
	a.port = get_be16(value + 2);
	memcpy(a.ip, value + 4, address_ip_bytes(&a));
	if (xored_by)
		unmask(&a, xored_by);
	*ret = a;
	return 0;
}

/* What the parser keeps beside the message while it reads. */
struct reading {
	struct stun_message *m;
	const uint8_t *packet;
	size_t len;
	struct address plain, masked;
	bool integrity_seen, ended;
};

static int read_text(const uint8_t *value, uint16_t len, const uint8_t **text, uint16_t *text_len)
{
	if (!*text) {
		*text = value;
		*text_len = len;
	}
	return 0;
}

static int read_number(const uint8_t *value, uint16_t len, size_t wanted, uint32_t *ret)
{
	if (len != wanted)
		return -EPROTO;
	*ret = get_be32(value);
	return 0;
}

static int read_error(struct stun_message *m, const uint8_t *value, uint16_t len)
{
	unsigned int class, number;

	if (len < 4)
		return -EPROTO;
	class = value[2] & 7;
	number = value[3];
	if (class < 3 || class > 6 || number > 99)
		return -EPROTO;
	if (m->error == 0)
		m->error = (uint16_t)(class * 100 + number);
	return 0;
}

static int read_other(struct reading *r, uint16_t type)
{
	struct stun_message *m = r->m;

	switch (type) {
	case STUN_UNKNOWN_ATTRIBUTES:
	case STUN_SOURCE_ADDRESS:
	case STUN_CHANGED_ADDRESS:
	case STUN_USERHASH:
	case STUN_PRIORITY:
	case STUN_USE_CANDIDATE:
		return 0;
	default:
		if (type < 0x8000 && m->unknown_n < STUN_UNKNOWN_MAX)
			m->unknown[m->unknown_n++] = type;
		return 0;
	}
}

/* value stands in the packet with room for its padding behind it. */
static int read_attribute(struct reading *r, uint16_t type, const uint8_t *value, uint16_t len)
{
	struct stun_message *m = r->m;
	uint32_t number;

	switch (type) {
	case STUN_MAPPED_ADDRESS:
		return r->plain.family ? 0 : read_address(value, len, NULL, &r->plain);
	case STUN_XOR_MAPPED_ADDRESS:
		return r->masked.family ? 0 : read_address(value, len, r->packet, &r->masked);
	case STUN_RESPONSE_ORIGIN:
		return m->origin.family ? 0 : read_address(value, len, NULL, &m->origin);
	case STUN_OTHER_ADDRESS:
		return m->other.family ? 0 : read_address(value, len, NULL, &m->other);
	case STUN_ALTERNATE_SERVER:
		return m->alternate.family ? 0 : read_address(value, len, NULL, &m->alternate);
	case STUN_CHANGE_REQUEST:
		if (read_number(value, len, 4, &number) < 0)
			return -EPROTO;
		if (!m->has_change)
			m->change = number & (STUN_CHANGE_IP | STUN_CHANGE_PORT);
		m->has_change = true;
		return 0;
	case STUN_RESPONSE_PORT:
		/* two bytes and two of padding, which some count */
		if (len != 2 && len != 4)
			return -EPROTO;
		m->response_port = m->response_port ? m->response_port : get_be16(value);
		return 0;
	case STUN_PADDING:
		m->padding = len;
		return 0;
	case STUN_ERROR_CODE:
		return read_error(m, value, len);
	case STUN_USERNAME:
		return read_text(value, len, &m->username, &m->username_len);
	case STUN_SOFTWARE:
		return read_text(value, len, &m->software, &m->software_len);
	case STUN_REALM:
		return read_text(value, len, &m->realm, &m->realm_len);
	case STUN_NONCE:
		return read_text(value, len, &m->nonce, &m->nonce_len);
	default:
		return read_other(r, type);
	}
}

/* What ends a message, or says that only such may follow. */
static int read_seal(struct reading *r, uint16_t type, size_t at, uint16_t len)
{
	struct stun_message *m = r->m;

	switch (type) {
	case STUN_MESSAGE_INTEGRITY:
		if (len != STUN_SHA1_BYTES)
			return -EPROTO;
		if (!r->integrity_seen)
			m->integrity_at = (uint16_t)at;
		r->integrity_seen = true;
		return 1;
	case STUN_MESSAGE_INTEGRITY_SHA256:
		/* RFC 8489, 14.6: it may be truncated, by fours, to 16 bytes */
		if (len < 16 || len > STUN_SHA256_BYTES || len % 4 != 0)
			return -EPROTO;
		if (m->integrity_sha256_at == 0)
			m->integrity_sha256_at = (uint16_t)at;
		r->integrity_seen = true;
		return 1;
	case STUN_FINGERPRINT:
		if (len != 4 || at + ATTRIBUTE_BYTES + 4 != r->len ||
		    get_be32(r->packet + at + ATTRIBUTE_BYTES) != stun_fingerprint(r->packet, at))
			return -EPROTO;
		m->has_fingerprint = true;
		return 1;
	default:
		/* not covered, and so not read */
		return r->integrity_seen;
	}
}

int stun_parse(const void *packet, size_t len, struct stun_message *ret)
{
	const uint8_t *p = packet;
	struct stun_message m;
	struct reading r = { .m = &m, .packet = p, .len = len };

	if (len < STUN_HEADER_BYTES || len > STUN_MESSAGE_MAX || p[0] > 3 || len % 4 != 0 ||
	    get_be16(p + 2) + STUN_HEADER_BYTES != len)
		return -EPROTO;
	memset(&m, 0, sizeof m);
	m.type = get_be16(p);
	m.cookie = get_be32(p + 4);
	memcpy(m.id, p + 8, sizeof m.id);
	for (size_t at = STUN_HEADER_BYTES; at < len;) {
		uint16_t type = get_be16(p + at), n = get_be16(p + at + 2);
		int sealed;

		if (padded(n) > len - at - ATTRIBUTE_BYTES)
			return -EPROTO;
		sealed = read_seal(&r, type, at, n);
		if (sealed < 0 || (sealed == 0 && read_attribute(&r, type,
						p + at + ATTRIBUTE_BYTES, n) < 0))
			return -EPROTO;
		at += ATTRIBUTE_BYTES + padded(n);
	}
	m.mapped = r.masked.family ? r.masked : r.plain;
	*ret = m;
	return 0;
}

/* ---- writing ---- */

static void set_length(struct stun_writer *w)
{
	put_be16(w->buf + 2, (uint16_t)(w->used - STUN_HEADER_BYTES));
}

void stun_begin(struct stun_writer *w, void *buf, size_t size, uint16_t type,
		const uint8_t id[static STUN_ID_BYTES])
{
	*w = (struct stun_writer){ .buf = buf, .size = size };
	if (size < STUN_HEADER_BYTES) {
		w->overflow = true;
		return;
	}
	w->used = STUN_HEADER_BYTES;
	put_be16(w->buf, type);
	put_be32(w->buf + 4, STUN_COOKIE);
	memcpy(w->buf + 8, id, STUN_ID_BYTES);
	set_length(w);
}

void stun_begin_answer(struct stun_writer *w, void *buf, size_t size, uint16_t type,
		       const struct stun_message *request)
{
	stun_begin(w, buf, size, type, request->id);
	if (!w->overflow)
		put_be32(w->buf + 4, request->cookie);
}

/* Room for a value of len bytes, zeroed, its padding too; NULL: there is none. */
static uint8_t *put(struct stun_writer *w, uint16_t attribute, size_t len)
{
	uint8_t *p = w->buf + w->used;

	if (w->overflow || len > STUN_MESSAGE_MAX ||
	    w->size - w->used < ATTRIBUTE_BYTES + padded(len)) {
		w->overflow = true;
		return NULL;
	}
	put_be16(p, attribute);
	put_be16(p + 2, (uint16_t)len);
	memset(p + ATTRIBUTE_BYTES, 0, padded(len));
	w->used += ATTRIBUTE_BYTES + padded(len);
	set_length(w);
	return p + ATTRIBUTE_BYTES;
}

void stun_put(struct stun_writer *w, uint16_t attribute, const void *value, size_t len)
{
	uint8_t *p = put(w, attribute, len);

	if (p && len > 0)
		memcpy(p, value, len);
}

void stun_put_u32(struct stun_writer *w, uint16_t attribute, uint32_t value)
{
	uint8_t *p = put(w, attribute, sizeof value);

	if (p)
		put_be32(p, value);
}

void stun_put_address(struct stun_writer *w, uint16_t attribute, const struct address *a)
{
	struct address masked = *a;
	uint8_t *p = put(w, attribute, 4 + address_ip_bytes(a));

	if (!p)
		return;
	if (attribute == STUN_XOR_MAPPED_ADDRESS)
		unmask(&masked, w->buf);
	p[1] = a->family == 4 ? FAMILY_IPV4 : FAMILY_IPV6;
	put_be16(p + 2, masked.port);
	memcpy(p + 4, masked.ip, address_ip_bytes(a));
}

void stun_put_error(struct stun_writer *w, uint16_t code, const char *reason)
{
	uint8_t value[4 + ERROR_REASON_MAX] = { [2] = (uint8_t)(code / 100),
						[3] = (uint8_t)(code % 100) };
	size_t len = strnlen(reason, ERROR_REASON_MAX);

	memcpy(value + 4, reason, len);
	stun_put(w, STUN_ERROR_CODE, value, 4 + len);
}

void stun_put_integrity(struct stun_writer *w, const void *key, size_t key_len)
{
	size_t at = w->used;
	uint8_t *p = put(w, STUN_MESSAGE_INTEGRITY, STUN_SHA1_BYTES);

	if (p)
		stun_sha1(p, w->buf, at, key, key_len);
}

void stun_put_integrity_sha256(struct stun_writer *w, const void *key, size_t key_len)
{
	size_t at = w->used;
	uint8_t *p = put(w, STUN_MESSAGE_INTEGRITY_SHA256, STUN_SHA256_BYTES);

	if (p)
		stun_sha256(p, w->buf, at, STUN_SHA256_BYTES, key, key_len);
}

void stun_put_fingerprint(struct stun_writer *w)
{
	size_t at = w->used;
	uint8_t *p = put(w, STUN_FINGERPRINT, 4);

	if (p)
		put_be32(p, stun_fingerprint(w->buf, at));
}

int stun_finish(const struct stun_writer *w)
{
	return w->overflow ? -EMSGSIZE : (int)w->used;
}
