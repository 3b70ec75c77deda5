/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The codec: what is written is read again, and each error of form is refused.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "soup.h"

/* ---- what is written is read */

TEST(wire, looks_as_the_page_says)
{
	static const uint8_t wanted[] = {
		1, 1, 2, 0, 0x44, 0x33, 0x22, 0x11, 0x88, 0x77, 0x66, 0x55,
		2, 0, 2, 0, 'd', 'b',
		3, 0, 4, 0, 5, 0, 0, 0,
		5, 0, 8, 0, 8, 7, 6, 5, 4, 3, 2, 1,
	};
	uint8_t buf[sizeof wanted];
	struct wire_writer w;

	wire_begin(&w, buf, sizeof buf, WIRE_CONNECT, 0x11223344, 0x55667788, 1);
	wire_put_string(&w, TAG_NAME, "db");
	wire_put_u32(&w, TAG_SOCKTYPE, 5);
	wire_put_u64(&w, TAG_WAIT, 0x0102030405060708);
	cr_assert_eq(wire_finish(&w), (int)sizeof wanted);
	cr_assert_eq(memcmp(buf, wanted, sizeof wanted), 0);
}

static uint64_t random64(void)
{
	return (uint64_t)rand() << 42 ^ (uint64_t)rand() << 21 ^ (uint64_t)rand();
}

/* A random message of all the tags, or of some: what was put is what is there. */
static void check_round_trip(bool all)
{
	uint8_t buf[WIRE_PACKET_MAX], bytes[200];
	uint64_t numbers[TAGS] = { 0 };
	size_t lengths[TAGS];
	bool put[TAGS];
	char text[1025], got[1025];
	struct wire_message m;
	struct wire_writer w;

	memset(text, 't', sizeof text);
	for (size_t i = 0; i < sizeof bytes; i++)
		bytes[i] = (uint8_t)rand();
	wire_begin(&w, buf, sizeof buf, WIRE_LIST, 7, 8, 9);
	for (size_t i = 0; i < TAGS; i++) {
		size_t max = tags[i].max < 200 ? tags[i].max : 200;

		put[i] = all || rand() % 3 == 0;
		if (!put[i])
			continue;
		numbers[i] = random64();
		lengths[i] = 1 + (size_t)rand() % max;
		if (tags[i].kind == KIND_U64) {
			wire_put_u64(&w, tags[i].tag, numbers[i]);
		} else if (tags[i].kind == KIND_STRING) {
			text[lengths[i]] = '\0';
			wire_put_string(&w, tags[i].tag, text);
			text[lengths[i]] = 't';
		} else if (tags[i].kind == KIND_BYTES) {
			wire_put_bytes(&w, tags[i].tag, bytes, lengths[i]);
		} else {
			wire_put_u32(&w, tags[i].tag, (uint32_t)numbers[i]);
		}
	}
	cr_assert_geq(wire_finish(&w), (int)WIRE_HEADER_BYTES);
	cr_assert_eq(edge_parse(buf, (size_t)wire_finish(&w), &m), 0);
	cr_assert(m.head.version == WIRE_VERSION && m.head.type == WIRE_LIST &&
		  m.head.serial == 7 && m.head.ref == 8 && m.head.nfds == 9);
	for (size_t i = 0; i < TAGS; i++) {
		enum wire_tag tag = tags[i].tag;

		cr_assert_eq(wire_has(&m, tag), put[i], "tag %d", tag);
		if (!put[i]) {
			cr_assert_eq(wire_u32(&m, tag, 42), 42);
			cr_assert_eq(wire_u64(&m, tag, 43), 43);
			cr_assert_eq(wire_i32(&m, tag, -44), -44);
			cr_assert_eq(wire_string(&m, tag, got, sizeof got), -ENOENT);
			cr_assert_str_eq(got, "");
		} else if (tags[i].kind == KIND_U64) {
			cr_assert_eq(wire_u64(&m, tag, 0), numbers[i]);
		} else if (tags[i].kind == KIND_STRING) {
			cr_assert_eq(wire_string(&m, tag, got, lengths[i]), -ENAMETOOLONG);
			cr_assert_eq(wire_string(&m, tag, got, lengths[i] + 1), 0);
			cr_assert_eq(strlen(got), lengths[i]);
			cr_assert_eq(memcmp(got, text, lengths[i]), 0);
		} else if (tags[i].kind == KIND_BYTES) {
			cr_assert_eq(m.length[tag], lengths[i]);
			cr_assert_eq(memcmp(m.value[tag], bytes, lengths[i]), 0);
		} else {
			cr_assert_eq(wire_u32(&m, tag, 0), (uint32_t)numbers[i]);
			cr_assert_eq(wire_i32(&m, tag, 0), (int32_t)numbers[i]);
		}
	}
}

TEST(wire, reads_what_it_wrote)
{
	edge_begin();
	check_round_trip(true);
	for (int i = 0; i < 2000; i++)
		check_round_trip(false);
}

TEST(wire, has_a_name_and_a_kind_for_each_tag)
{
	for (size_t i = 0; i < TAGS; i++) {
		cr_expect_eq((int)wire_tag_kind(tags[i].tag), (int)tags[i].kind, "%d", tags[i].tag);
		cr_assert_not_null(wire_tag_name(tags[i].tag), "%d", tags[i].tag);
		for (size_t j = 0; j < i; j++)
			cr_expect_str_neq(wire_tag_name(tags[i].tag), wire_tag_name(tags[j].tag));
	}
	cr_expect_null(wire_tag_name(TAG_END));
	cr_expect_null(wire_tag_name((enum wire_tag)-1));
	cr_expect_eq((int)wire_tag_kind(TAG_END), (int)KIND_NONE);
}

/* ---- the writer's end */

TEST(wire, does_not_write_beyond_its_buffer)
{
	static uint8_t large[200000];
	struct wire_message m;
	struct wire_writer w;
	char text[1001];
	int whole;

	edge_begin();
	memset(text, 't', 1000);
	text[1000] = '\0';
	for (size_t size = WIRE_HEADER_BYTES; size < 200; size++) {
		uint8_t *buf = edge - size;

		wire_begin(&w, buf, size, WIRE_WHY, 1, 0, 0);
		wire_put_u32(&w, TAG_ERROR, 1);
		wire_put_u64(&w, TAG_SESSION, 1);
		wire_put_string(&w, TAG_DOOR, "host");
		wire_put_string(&w, TAG_TEXT, text + 1000 - size / 2);
		whole = 12 + 8 + 12 + 8 + 4 + (int)(size / 2);
		cr_assert_eq(wire_finish(&w), whole <= (int)size ? whole : -EMSGSIZE,
			     "%zu bytes", size);
	}
	/* what did not fit stays out; what came before it was whole, but is no message */
	wire_begin(&w, edge - 100, 100, WIRE_WHY, 1, 0, 0);
	wire_put_string(&w, TAG_NAME, "db");
	wire_put_string(&w, TAG_REASON, text);
	wire_put_u64(&w, TAG_ENTRY, 1);
	cr_assert_eq(wire_finish(&w), -EMSGSIZE);

	/* longer than a length can say */
	wire_begin(&w, large, sizeof large, WIRE_WHY, 1, 0, 0);
	wire_put_bytes(&w, TAG_MESSAGES, large + sizeof large / 2, 65536);
	cr_assert_eq(wire_finish(&w), -EMSGSIZE);

	/* nothing at all is a value, too */
	wire_begin(&w, edge - 100, 100, WIRE_BATCH, 1, 0, 0);
	wire_put_bytes(&w, TAG_MESSAGES, NULL, 0);
	cr_assert_eq(wire_parse(edge - 100, (size_t)wire_finish(&w), &m), 0);
	cr_assert(wire_has(&m, TAG_MESSAGES));
	cr_assert_eq(m.length[TAG_MESSAGES], 0);
}

static int put_in_this_order(void *arg)
{
	const enum wire_tag *order = arg;
	uint8_t buf[64];
	struct wire_writer w;

	if (!freopen("/dev/null", "w", stderr))
		return 1;
	wire_begin(&w, buf, sizeof buf, WIRE_LIST, 1, 0, 0);
	wire_put_u32(&w, order[0], 1);
	wire_put_u32(&w, order[1], 1);
	return 0;
}

TEST(wire, tags_are_put_in_their_order)
{
	cr_assert_eq(child_call(put_in_this_order, (enum wire_tag[]){ TAG_WAY, TAG_PATH }), 0);
	cr_assert_eq(child_call(put_in_this_order, (enum wire_tag[]){ TAG_PATH, TAG_WAY }), 134);
	cr_assert_eq(child_call(put_in_this_order, (enum wire_tag[]){ TAG_WAY, TAG_WAY }), 134);
	cr_assert_eq(child_call(put_in_this_order, (enum wire_tag[]){ TAG_WAY, TAG_END }), 134);
}

/* ---- each error of form */

/* One TLV of this form: what the parser says. */
static int one(unsigned int type, const void *value, size_t len)
{
	struct wire_message m;
	struct soup s;

	soup_begin(&s);
	soup_tlv(&s, type, value, len);
	return edge_parse(s.bytes, s.len, &m);
}

TEST(wire, every_tag_has_one_form)
{
	uint8_t value[4200];

	edge_begin();
	for (size_t i = 0; i < TAGS; i++) {
		unsigned int tag = tags[i].tag;

		memset(value, 'v', sizeof value);
		for (size_t len = 0; len < 1100; len++) {
			bool good = tags[i].kind == KIND_STRING ? len > 0 && len <= tags[i].max :
				    tags[i].kind == KIND_BYTES ? len <= tags[i].max : len == tags[i].max;

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

	edge_begin();
	for (unsigned int tag = TAG_END; tag < WIRE_CRITICAL; tag = tag * 2 + 1) {
		soup_begin(&s);
		soup_tlv(&s, TAG_NAME, "db", 2);
		soup_tlv(&s, tag, "anything", 8);
		cr_assert_eq(edge_parse(s.bytes, s.len, &m), 0, "tag %u", tag);
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

	edge_begin();
	for (unsigned int first = 1; first < TAG_END + 3; first++) {
		for (unsigned int second = 1; second < TAG_END + 3; second++) {
			uint8_t value[] = "12345678";
			size_t one_len = first < TAG_END ? tags[first - 1].max : 8;
			size_t two_len = second < TAG_END ? tags[second - 1].max : 8;

			soup_begin(&s);
			soup_tlv(&s, first, value, one_len < 8 ? one_len : 8);
			soup_tlv(&s, second, value, two_len < 8 ? two_len : 8);
			cr_assert_eq(edge_parse(s.bytes, s.len, &m), first < second ? 0 : -EPROTO,
				     "%u, %u", first, second);
			/* the critical bit makes no other tag of it */
			s.bytes[WIRE_HEADER_BYTES + 1] |= 0x80;
			cr_assert_eq(edge_parse(s.bytes, s.len, &m),
				     first < second && first < TAG_END ? 0 : -EPROTO);
		}
	}
}

TEST(wire, a_packet_is_cut_nowhere)
{
	struct wire_message m;
	struct soup s;

	edge_begin();
	soup_begin(&s);
	soup_tlv(&s, TAG_NAME, "db", 2);
	soup_tlv(&s, TAG_SOCKTYPE, "\1\0\0\0", 4);
	soup_tlv(&s, TAG_WAIT, "\1\0\0\0\0\0\0\0", 8);
	for (size_t len = 0; len < s.len; len++) {
		bool good = len == 12 || len == 18 || len == 26;

		cr_assert_eq(edge_parse(s.bytes, len, &m), good ? 0 : -EPROTO, "%zu bytes", len);
	}
	cr_assert_eq(edge_parse(s.bytes, s.len, &m), 0);
	/* a length that says more than there is */
	for (unsigned int more = 1; more < 65536 - 8; more += 97) {
		s.bytes[s.len - 10] = (uint8_t)(8 + more);
		s.bytes[s.len - 9] = (uint8_t)((8 + more) >> 8);
		cr_assert_eq(edge_parse(s.bytes, s.len, &m), -EPROTO);
	}
}

TEST(wire, has_one_version_and_a_greatest_length)
{
	static const uint8_t filler[4096];
	struct wire_message m;
	struct soup s;

	edge_begin();
	for (int version = 0; version < 256; version++) {
		soup_begin(&s);
		s.bytes[0] = (uint8_t)version;
		cr_assert_eq(edge_parse(s.bytes, s.len, &m),
			     version == WIRE_VERSION ? 0 : -EPROTONOSUPPORT);
	}
	soup_begin(&s);
	soup_tlv(&s, TAG_MESSAGES, filler, WIRE_PACKET_MAX - WIRE_HEADER_BYTES - WIRE_TLV_BYTES);
	cr_assert_eq(s.len, WIRE_PACKET_MAX);
	cr_assert_eq(edge_parse(s.bytes, s.len, &m), 0);
	soup_begin(&s);
	soup_tlv(&s, TAG_MESSAGES, filler, WIRE_PACKET_MAX - WIRE_HEADER_BYTES - WIRE_TLV_BYTES + 1);
	cr_assert_eq(edge_parse(s.bytes, s.len, &m), -EPROTO);
}
