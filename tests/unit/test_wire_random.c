/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The codec: random bytes are judged as by a second parser, which is written for clarity alone.
 */
#include <errno.h>
#include <stdlib.h>

#include "soup.h"

/* The rules, told once more. */
static bool well_formed(const struct soup *s)
{
	unsigned int last = 0;
	size_t at = WIRE_HEADER_BYTES;

	if (s->len < WIRE_HEADER_BYTES || s->len > WIRE_PACKET_MAX)
		return false;
	while (at < s->len) {
		unsigned int type, tag, len;
		bool numeric, zero = false;

		if (s->len - at < 4)
			return false;
		type = s->bytes[at] + 256u * s->bytes[at + 1];
		len = s->bytes[at + 2] + 256u * s->bytes[at + 3];
		tag = type & 0x7fff;
		if (tag <= last || len > s->len - at - 4)
			return false;
		last = tag;
		at += 4;
		for (size_t i = at; i < at + len; i++)
			zero |= s->bytes[i] == 0;
		at += len;
		if (tag > TAGS) {
			if (type != tag)
				return false;
			continue;
		}
		numeric = tags[tag - 1].kind != KIND_STRING && tags[tag - 1].kind != KIND_BYTES;
		if (numeric ? len != tags[tag - 1].max : len > tags[tag - 1].max)
			return false;
		if (tags[tag - 1].kind == KIND_STRING && (len == 0 || zero))
			return false;
	}
	return true;
}

/* Mostly well-formed, so that something comes through. */
static void random_soup(struct soup *s)
{
	unsigned int tag = 0;
	uint8_t value[1100];
	size_t len;

	soup_begin(s);
	while (rand() % 8) {
		tag += rand() % 40 ? 1 + (unsigned int)(rand() % 9) : 0;
		for (len = 0; len < 160; len++)
			value[len] = (uint8_t)(1 + rand() % 255);
		len = tag >= 1 && tag <= TAGS ? tags[tag - 1].max : (size_t)(rand() % 20);
		if (len > 8)
			len = (size_t)(rand() % 140);
		if (rand() % 40 == 0)
			len = (size_t)(rand() % 12);
		if (rand() % 40 == 0 && len > 0)
			value[(size_t)rand() % len] = 0;
		soup_tlv(s, tag | (rand() % 20 ? 0 : WIRE_CRITICAL), value, len);
	}
	if (rand() % 4 == 0)
		s->bytes[12 + (size_t)rand() % (s->len - 11)] ^= (uint8_t)(1 << rand() % 8);
	if (rand() % 8 == 0)
		s->len = (size_t)rand() % (s->len + 1);
}

TEST(wire, judges_random_messages)
{
	int good = 0, bad = 0;

	edge_begin();
	for (int i = 0; i < 200000; i++) {
		struct wire_message m;
		struct soup s;
		bool wanted;

		random_soup(&s);
		wanted = well_formed(&s);
		cr_assert_eq(edge_parse(s.bytes, s.len, &m), wanted ? 0 : -EPROTO, "message %d", i);
		good += wanted;
		bad += !wanted;
		/* what was accepted lies in the packet */
		for (size_t t = 0; wanted && t < TAGS; t++) {
			enum wire_tag tag = tags[t].tag;

			cr_assert(!wire_has(&m, tag) ||
				  (m.value[tag] >= edge - s.len + WIRE_HEADER_BYTES + 4 &&
				   m.value[tag] + m.length[tag] <= edge));
		}
	}
	cr_assert(good > 20000 && bad > 20000, "%d good, %d bad", good, bad);
}

TEST(wire, survives_random_bytes)
{
	edge_begin();
	for (int i = 0; i < 100000; i++) {
		struct wire_message m;
		struct soup s;

		s.len = (size_t)rand() % 120;
		for (size_t at = 0; at < s.len; at++)
			s.bytes[at] = (uint8_t)(rand() % 4 ? rand() % 6 : rand());
		if (s.len > 0)
			s.bytes[0] = WIRE_VERSION;
		cr_assert_eq(edge_parse(s.bytes, s.len, &m), well_formed(&s) ? 0 : -EPROTO);
	}
}
