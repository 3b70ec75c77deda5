/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The codec: each error of form is refused, and random bytes are judged as by a second parser that
 * is written for clarity alone. Packets to be parsed end where the process's memory ends, so that
 * reading beyond them is noticed in any build.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "soup.h"

/* ---- each error of form */

/* One TLV of this form: what the parser says. */
static int one(unsigned int type, const void *value, size_t len)
{
	struct wire_message m;
	struct soup s;

	soup_begin(&s);
	soup_tlv(&s, type, value, len);
	return parse(s.bytes, s.len, &m);
}

TEST(wire, every_tag_has_one_form)
{
	uint8_t value[4200];

	wire_test_begin();
	for (size_t i = 0; i < TAGS; i++) {
		unsigned int tag = tags[i].tag;

		memset(value, 'v', sizeof value);
		for (size_t len = 0; len < 1100; len++) {
			bool good = tags[i].kind == KIND_STRING ? len > 0 && len <= tags[i].max :
				    tags[i].kind == KIND_BYTES ? true : len == tags[i].max;

			cr_assert_eq(one(tag, value, len), good ? 0 : -EPROTO,
				     "tag %u with %zu bytes", tag, len);
			cr_assert_eq(one(tag | WIRE_CRITICAL, value, len), good ? 0 : -EPROTO,
				     "a known tag may be called critical");
		}
		value[2] = 0;
		cr_assert_eq(one(tag, value, 4), tags[i].kind == KIND_STRING ||
						 tags[i].max == 8 ? -EPROTO : 0,
			     "a zero byte in tag %u", tag);
	}
}

TEST(wire, unknown_tags_are_skipped_unless_critical)
{
	struct wire_message m;
	struct soup s;

	wire_test_begin();
	for (unsigned int tag = TAG_END; tag < WIRE_CRITICAL; tag = tag * 2 + 1) {
		soup_begin(&s);
		soup_tlv(&s, TAG_NAME, "db", 2);
		soup_tlv(&s, tag, "anything", 8);
		cr_assert_eq(parse(s.bytes, s.len, &m), 0, "tag %u", tag);
		cr_assert_eq(m.present, 1u << TAG_NAME);
		cr_assert_eq(one(tag, "", 0), 0);
		cr_assert_eq(one(tag | WIRE_CRITICAL, "anything", 8), -EPROTO, "tag %u", tag);
	}
	cr_assert_eq(one(0, "", 0), -EPROTO, "no tag is 0");
	cr_assert_eq(one(WIRE_CRITICAL, "", 0), -EPROTO);
}

TEST(wire, tags_ascend_and_come_once)
{
	struct wire_message m;
	struct soup s;

	wire_test_begin();
	for (unsigned int first = 1; first < TAG_END + 3; first++) {
		for (unsigned int second = 1; second < TAG_END + 3; second++) {
			uint8_t value[] = "12345678";
			size_t one_len = first < TAG_END ? tags[first - 1].max : 8;
			size_t two_len = second < TAG_END ? tags[second - 1].max : 8;

			soup_begin(&s);
			soup_tlv(&s, first, value, one_len < 8 ? one_len : 8);
			soup_tlv(&s, second, value, two_len < 8 ? two_len : 8);
			cr_assert_eq(parse(s.bytes, s.len, &m), first < second ? 0 : -EPROTO,
				     "%u, %u", first, second);
			/* the critical bit makes no other tag of it */
			s.bytes[WIRE_HEADER_BYTES + 1] |= 0x80;
			cr_assert_eq(parse(s.bytes, s.len, &m),
				     first < second && first < TAG_END ? 0 : -EPROTO);
		}
	}
}

TEST(wire, a_packet_is_cut_nowhere)
{
	struct wire_message m;
	struct soup s;

	wire_test_begin();
	soup_begin(&s);
	soup_tlv(&s, TAG_NAME, "db", 2);
	soup_tlv(&s, TAG_SOCKTYPE, "\1\0\0\0", 4);
	soup_tlv(&s, TAG_WAIT, "\1\0\0\0\0\0\0\0", 8);
	for (size_t len = 0; len < s.len; len++) {
		bool good = len == 12 || len == 18 || len == 26;

		cr_assert_eq(parse(s.bytes, len, &m), good ? 0 : -EPROTO, "%zu bytes", len);
	}
	cr_assert_eq(parse(s.bytes, s.len, &m), 0);
	/* a length that says more than there is */
	for (unsigned int more = 1; more < 65536 - 8; more += 97) {
		s.bytes[s.len - 10] = (uint8_t)(8 + more);
		s.bytes[s.len - 9] = (uint8_t)((8 + more) >> 8);
		cr_assert_eq(parse(s.bytes, s.len, &m), -EPROTO);
	}
}

TEST(wire, has_one_version_and_a_greatest_length)
{
	static const uint8_t filler[4096];
	struct wire_message m;
	struct soup s;

	wire_test_begin();
	for (int version = 0; version < 256; version++) {
		soup_begin(&s);
		s.bytes[0] = (uint8_t)version;
		cr_assert_eq(parse(s.bytes, s.len, &m),
			     version == WIRE_VERSION ? 0 : -EPROTONOSUPPORT);
	}
	soup_begin(&s);
	soup_tlv(&s, TAG_MESSAGES, filler, WIRE_PACKET_MAX - WIRE_HEADER_BYTES - WIRE_TLV_BYTES);
	cr_assert_eq(s.len, WIRE_PACKET_MAX);
	cr_assert_eq(parse(s.bytes, s.len, &m), 0);
	soup_begin(&s);
	soup_tlv(&s, TAG_MESSAGES, filler, WIRE_PACKET_MAX - WIRE_HEADER_BYTES - WIRE_TLV_BYTES + 1);
	cr_assert_eq(parse(s.bytes, s.len, &m), -EPROTO);
}

/* ---- random bytes */

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

	wire_test_begin();
	for (int i = 0; i < 200000; i++) {
		struct wire_message m;
		struct soup s;
		bool wanted;

		random_soup(&s);
		wanted = well_formed(&s);
		cr_assert_eq(parse(s.bytes, s.len, &m), wanted ? 0 : -EPROTO, "message %d", i);
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
	wire_test_begin();
	for (int i = 0; i < 100000; i++) {
		struct wire_message m;
		struct soup s;

		s.len = (size_t)rand() % 120;
		for (size_t at = 0; at < s.len; at++)
			s.bytes[at] = (uint8_t)(rand() % 4 ? rand() % 6 : rand());
		if (s.len > 0)
			s.bytes[0] = WIRE_VERSION;
		cr_assert_eq(parse(s.bytes, s.len, &m), well_formed(&s) ? 0 : -EPROTO);
	}
}
