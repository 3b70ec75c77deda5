/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The messages of stun.h, all but their integrity: the parser, the writer, FINGERPRINT. Pure
 * functions.
 */
#include "stun.h"

#include <errno.h>
#include <string.h>

#define COOKIE 0x2112a442u
#define FINGERPRINT_XOR 0x5354554eu
#define FINGERPRINT_BYTES 8u		/* the whole attribute */
#define TEXT_MAX 763u			/* REALM, NONCE, SOFTWARE (RFC 8489, 14.9 to 14.14) */

static uint16_t get_u16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static uint32_t get_u32(const uint8_t *p)
{
	return (uint32_t)get_u16(p) << 16 | get_u16(p + 2);
}

static void set_u16(uint8_t *p, uint16_t value)
{
	p[0] = (uint8_t)(value >> 8);
	p[1] = (uint8_t)value;
}

static void set_u32(uint8_t *p, uint32_t value)
{
	set_u16(p, (uint16_t)(value >> 16));
	set_u16(p + 2, (uint16_t)value);
}

static size_t padded(size_t len)
{
	return (len + 3) & ~(size_t)3;
}

/* ISO 3309, four bits at a time. */
static uint32_t crc32(const uint8_t *p, size_t len)
{
	static const uint32_t table[16] = {
		0x00000000, 0x1db71064, 0x3b6e20c8, 0x26d930ac, 0x76dc4190, 0x6b6b51f4,
		0x4db26158, 0x5005713c, 0xedb88320, 0xf00f9344, 0xd6d6a3e8, 0xcb61b38c,
		0x9b64c2b0, 0x86d3d2d4, 0xa00ae278, 0xbdbdf21c,
	};
	uint32_t crc = 0xffffffff;

	for (size_t i = 0; i < len; i++) {
		crc = table[(crc ^ p[i]) & 15] ^ crc >> 4;
		crc = table[(crc ^ p[i] >> 4) & 15] ^ crc >> 4;
	}
	return ~crc;
}

/* ---- the parser ---- */

/* What is known here, and how long it may be. */
static const struct known {
	uint16_t type, min, max;
} known[] = {
	{ STUN_MAPPED_ADDRESS, 8, 20 },
	{ STUN_CHANGE_REQUEST, 4, 4 },
	{ STUN_SOURCE_ADDRESS, 8, 20 },
	{ STUN_CHANGED_ADDRESS, 8, 20 },
	{ STUN_USERNAME, 0, 513 },
	{ STUN_MESSAGE_INTEGRITY, 20, 20 },
	{ STUN_ERROR_CODE, 4, 4 + TEXT_MAX },
	{ STUN_UNKNOWN_ATTRIBUTES, 0, STUN_MESSAGE_MAX },
	{ STUN_REALM, 0, TEXT_MAX },
	{ STUN_NONCE, 0, TEXT_MAX },
	{ STUN_MESSAGE_INTEGRITY_SHA256, 16, 32 },
	{ STUN_USERHASH, 32, 32 },
	{ STUN_XOR_MAPPED_ADDRESS, 8, 20 },
	{ STUN_PRIORITY, 4, 4 },
	{ STUN_USE_CANDIDATE, 0, 0 },
	{ STUN_PADDING, 0, STUN_MESSAGE_MAX },
	{ STUN_RESPONSE_PORT, 2, 4 },
	{ STUN_SOFTWARE, 0, TEXT_MAX },
	{ STUN_ALTERNATE_SERVER, 8, 20 },
	{ STUN_FINGERPRINT, 4, 4 },
	{ STUN_ICE_CONTROLLED, 8, 8 },
	{ STUN_ICE_CONTROLLING, 8, 8 },
	{ STUN_RESPONSE_ORIGIN, 8, 20 },
	{ STUN_OTHER_ADDRESS, 8, 20 },
};

static const struct known *find_known(uint16_t type)
{
	for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
		if (known[i].type == type)
			return &known[i];
	}
	return NULL;
}

static void keep_unknown(struct stun_message *m, uint16_t type)
{
	for (unsigned int i = 0; i < m->unknown_n; i++) {
		if (m->unknown[i] == type)
			return;
	}
	if (m->unknown_n < STUN_UNKNOWN_MAX)
		m->unknown[m->unknown_n++] = type;
}

/* XOR-MAPPED-ADDRESS's mask: the cookie and the id, as they stand in the header. */
static void mask_address(struct address *a, const uint8_t *header)
{
	a->port ^= COOKIE >> 16;
	for (size_t i = 0; i < address_ip_bytes(a); i++)
		a->ip[i] ^= header[4 + i];
}

/* header: to unmask it; or NULL. The first of a kind counts. */
static int get_address(struct address *ret, const uint8_t *value, size_t len,
		       const uint8_t *header)
{
	struct address a = { .port = get_u16(value + 2) };

	if (value[1] == 1 && len == 8)
		a.family = 4;
	else if (value[1] == 2 && len == 20)
		a.family = 6;
	else
		return -EPROTO;
	memcpy(a.ip, value + 4, len - 4);
	if (header)
		mask_address(&a, header);
	if (ret->family == 0)
		*ret = a;
	return 0;
}

static void get_text(const uint8_t **ret, uint16_t *ret_len, const uint8_t *value, size_t len)
{
	if (*ret)
		return;
	*ret = value;
	*ret_len = (uint16_t)len;
}

static int get_error(struct stun_message *m, const uint8_t *value)
{
	unsigned int class = value[2] & 7, number = value[3];

	if (class < 3 || class > 6 || number > 99)
		return -EPROTO;
	if (m->error == 0)
		m->error = (uint16_t)(class * 100 + number);
	return 0;
}

static void get_change(struct stun_message *m, const uint8_t *value)
{
	if (m->has_change)
		return;
	m->has_change = true;
	m->change = get_u32(value) & (STUN_CHANGE_IP | STUN_CHANGE_PORT);
}

/* Addresses under two names each: the newer one is the one to believe. */
struct addresses {
	struct address masked, plain, origin, source, other, changed;
};

static int get_value(struct stun_message *m, struct addresses *found, uint16_t type,
		     const uint8_t *header, const uint8_t *value, size_t len)
{
	switch (type) {
	case STUN_XOR_MAPPED_ADDRESS:
		return get_address(&found->masked, value, len, header);
	case STUN_MAPPED_ADDRESS:
		return get_address(&found->plain, value, len, NULL);
	case STUN_RESPONSE_ORIGIN:
		return get_address(&found->origin, value, len, NULL);
	case STUN_SOURCE_ADDRESS:
		return get_address(&found->source, value, len, NULL);
	case STUN_OTHER_ADDRESS:
		return get_address(&found->other, value, len, NULL);
	case STUN_CHANGED_ADDRESS:
		return get_address(&found->changed, value, len, NULL);
	case STUN_ALTERNATE_SERVER:
		return get_address(&m->alternate, value, len, NULL);
	case STUN_ERROR_CODE:
		return get_error(m, value);
	case STUN_CHANGE_REQUEST:
		get_change(m, value);
		return 0;
	case STUN_RESPONSE_PORT:
		if (m->response_port == 0)
			m->response_port = get_u16(value);
		return 0;
	case STUN_PADDING:
		if (m->padding == 0)
			m->padding = (uint16_t)len;
		return 0;
	case STUN_USERNAME:
		get_text(&m->username, &m->username_len, value, len);
		return 0;
	case STUN_REALM:
		get_text(&m->realm, &m->realm_len, value, len);
		return 0;
	case STUN_NONCE:
		get_text(&m->nonce, &m->nonce_len, value, len);
		return 0;
	case STUN_SOFTWARE:
		get_text(&m->software, &m->software_len, value, len);
		return 0;
	default:
		return 0;
	}
}

/* One attribute at packet + at, which lies in the packet wholly. */
static int get_attribute(struct stun_message *m, struct addresses *found, const uint8_t *packet,
			 size_t at)
{
	uint16_t type = get_u16(packet + at), len = get_u16(packet + at + 2);
	const struct known *is = find_known(type);

	if (is && (len < is->min || len > is->max))
		return -EPROTO;
	if (type == STUN_FINGERPRINT) {
		/* with the length field as it is: the attribute is the last one */
		if (get_u32(packet + at + 4) != (crc32(packet, at) ^ FINGERPRINT_XOR))
			return -EPROTO;
		m->has_fingerprint = true;
		return 0;
	}
	if (type == STUN_MESSAGE_INTEGRITY_SHA256) {
		if (len % 4 != 0)
			return -EPROTO;
		if (m->integrity_sha256_at == 0)
			m->integrity_sha256_at = (uint16_t)at;
		return 0;
	}
	if (m->integrity_at != 0 || m->integrity_sha256_at != 0)
		return 0;
	if (type == STUN_MESSAGE_INTEGRITY) {
		m->integrity_at = (uint16_t)at;
		return 0;
	}
	if (!is) {
		if (type < 0x8000)
			keep_unknown(m, type);
		return 0;
	}
	return get_value(m, found, type, packet, packet + at + 4, len);
}

bool stun_looks(const void *packet, size_t len)
{
	const uint8_t *p = packet;

	return len >= STUN_HEADER_BYTES && p[0] < 4 && get_u32(p + 4) == COOKIE;
}

int stun_parse(const void *packet, size_t len, struct stun_message *ret)
{
	const uint8_t *p = packet;
	struct stun_message m = { 0 };
	struct addresses found = { 0 };
	size_t at = STUN_HEADER_BYTES;

	if (len > STUN_MESSAGE_MAX || !stun_looks(packet, len) ||
	    get_u16(p + 2) != len - STUN_HEADER_BYTES || len % 4 != 0)
		return -EPROTO;
	m.type = get_u16(p);
	memcpy(m.id, p + 8, sizeof m.id);
	while (at < len) {
		/* all lengths are multiples of four: a header of four bytes is there */
		if (m.has_fingerprint || padded(get_u16(p + at + 2)) > len - at - 4 ||
		    get_attribute(&m, &found, p, at) < 0)
			return -EPROTO;
		at += 4 + padded(get_u16(p + at + 2));
	}
	m.mapped = found.masked.family ? found.masked : found.plain;
	m.origin = found.origin.family ? found.origin : found.source;
	m.other = found.other.family ? found.other : found.changed;
	*ret = m;
	return 0;
}

/* ---- the writer ---- */

void stun_begin(struct stun_writer *w, void *buf, size_t size, uint16_t type,
		const uint8_t id[static STUN_ID_BYTES])
{
	*w = (struct stun_writer){ .buf = buf, .size = size, .used = STUN_HEADER_BYTES };
	if (size < STUN_HEADER_BYTES) {
		w->overflow = true;
		return;
	}
	set_u16(w->buf, type);
	set_u16(w->buf + 2, 0);
	set_u32(w->buf + 4, COOKIE);
	memcpy(w->buf + 8, id, STUN_ID_BYTES);
}

void stun_put(struct stun_writer *w, uint16_t attribute, const void *value, size_t len)
{
	uint8_t *to;

	if (w->overflow || len > STUN_MESSAGE_MAX || w->size - w->used < 4 + padded(len)) {
		w->overflow = true;
		return;
	}
	to = w->buf + w->used;
	set_u16(to, attribute);
	set_u16(to + 2, (uint16_t)len);
	if (len > 0)
		memcpy(to + 4, value, len);
	memset(to + 4 + len, 0, padded(len) - len);
	w->used += 4 + padded(len);
	set_u16(w->buf + 2, (uint16_t)(w->used - STUN_HEADER_BYTES));
}

void stun_put_u32(struct stun_writer *w, uint16_t attribute, uint32_t value)
{
	uint8_t bytes[4];

	set_u32(bytes, value);
	stun_put(w, attribute, bytes, sizeof bytes);
}

void stun_put_address(struct stun_writer *w, uint16_t attribute, const struct address *a)
{
	struct address as = *a;
	uint8_t bytes[20] = { 0, a->family == 4 ? 1 : 2 };

	if (w->overflow)
		return;
	if (attribute == STUN_XOR_MAPPED_ADDRESS)
		mask_address(&as, w->buf);
	set_u16(bytes + 2, as.port);
	memcpy(bytes + 4, as.ip, address_ip_bytes(a));
	stun_put(w, attribute, bytes, 4 + address_ip_bytes(a));
}

void stun_put_error(struct stun_writer *w, uint16_t code, const char *reason)
{
	uint8_t bytes[4 + 128] = { 0, 0, (uint8_t)(code / 100), (uint8_t)(code % 100) };
	size_t len = strnlen(reason, sizeof bytes - 4);

	memcpy(bytes + 4, reason, len);
	stun_put(w, STUN_ERROR_CODE, bytes, 4 + len);
}

void stun_put_fingerprint(struct stun_writer *w)
{
	size_t at = w->used;

	stun_put_u32(w, STUN_FINGERPRINT, 0);
	if (!w->overflow)
		set_u32(w->buf + at + FINGERPRINT_BYTES - 4,
			crc32(w->buf, at) ^ FINGERPRINT_XOR);
}

int stun_finish(const struct stun_writer *w)
{
	return w->overflow || w->used > STUN_MESSAGE_MAX ? -EMSGSIZE : (int)w->used;
}
