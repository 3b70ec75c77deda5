/* SPDX-License-Identifier: Apache-2.0 */
/*
 * STUN messages (libintro/punch/stun.h): the vectors of RFC 5769 read and written, and what is
 * malformed refused. The vectors are text of the RFC.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../../libintro/punch/stun.h"
#include "harness.h"

#define PASSWORD "VOkJxbRl1RmTxUk/WvJxBt"
#define ID "\xb7\xe7\xa7\x01\xbc\x34\xd6\x86\xfa\x87\xdf\xae"
#define COOKIE "\x21\x12\xa4\x42"

/* Section 2.1 */
static const char request[] =
	"\x00\x01\x00\x58" COOKIE ID
	"\x80\x22\x00\x10STUN test client"
	"\x00\x24\x00\x04\x6e\x00\x01\xff"
	"\x80\x29\x00\x08\x93\x2f\xf9\xb1\x51\x26\x3b\x36"
	"\x00\x06\x00\x09" "evtj:h6vY   "
	"\x00\x08\x00\x14\x9a\xea\xa7\x0c\xbf\xd8\xcb\x56\x78\x1e"
	"\xf2\xb5\xb2\xd3\xf2\x49\xc1\xb5\x71\xa2"
	"\x80\x28\x00\x04\xe5\x7a\x3b\xcf";
#define REQUEST_USERNAME_PAD 73u
#define REQUEST_INTEGRITY 76u

/* Section 2.2 */
static const char response4[] =
	"\x01\x01\x00\x3c" COOKIE ID
	"\x80\x22\x00\x0btest vector "
	"\x00\x20\x00\x08\x00\x01\xa1\x47\xe1\x12\xa6\x43"
	"\x00\x08\x00\x14\x2b\x91\xf5\x99\xfd\x9e\x90\xc3\x8c\x74"
	"\x89\xf9\x2a\xf9\xba\x53\xf0\x6b\xe7\xd7"
	"\x80\x28\x00\x04\xc0\x7d\x4c\x96";

/* Section 2.3 */
static const char response6[] =
	"\x01\x01\x00\x48" COOKIE ID
	"\x80\x22\x00\x0btest vector "
	"\x00\x20\x00\x14\x00\x02\xa1\x47\x01\x13\xa9\xfa\xa5\xd3\xf1\x79"
	"\xbc\x25\xf4\xb5\xbe\xd2\xb9\xd9"
	"\x00\x08\x00\x14\xa3\x82\x95\x4e\x4b\xe6\x7b\xf1\x17\x84"
	"\xc9\x7c\x82\x92\xc2\x75\xbf\xe3\xed\x41"
	"\x80\x28\x00\x04\xc8\xfb\x0b\x4c";

/* Section 2.4 */
#define LONG_ID "\x78\xad\x34\x33\xc6\xad\x72\xc0\x29\xda\x41\x2e"
#define LONG_USER "\xe3\x83\x9e\xe3\x83\x88\xe3\x83\xaa\xe3\x83\x83\xe3\x82\xaf\xe3\x82\xb9"
#define LONG_NONCE "f//499k954d6OL34oL9FSTvy64sA"
static const char long_term[] =
	"\x00\x01\x00\x60" COOKIE LONG_ID
	"\x00\x06\x00\x12" LONG_USER "\x00\x00"
	"\x00\x15\x00\x1c" LONG_NONCE
	"\x00\x14\x00\x0b" "example.org\x00"
	"\x00\x08\x00\x14\xf6\x70\x24\x65\x6d\xd6\x4a\x3e\x02\xb8"
	"\xe0\x71\x2e\x85\xc9\xa2\x8c\xa8\x96\x66";

#define BYTES(vector) (sizeof(vector) - 1)

static struct address at(const char *text)
{
	struct address a;

	cr_assert_eq(address_parse(text, 0, &a), 0);
	return a;
}

static struct stun_message parsed(const void *packet, size_t len)
{
	struct stun_message m;

	cr_assert_eq(stun_parse(packet, len, &m), 0);
	return m;
}

/* Right, and wrong as soon as a bit of what is covered, or of the key, is another. */
static void verified(const char *vector, size_t len, const void *key, size_t key_len)
{
	uint8_t copy[STUN_MESSAGE_MAX], other[64];
	struct stun_message m = parsed(vector, len);
	size_t end = m.integrity_sha256_at ? m.integrity_sha256_at : m.integrity_at;

	cr_assert_gt(end, 0);
	cr_assert(stun_verify(vector, len, &m, key, key_len));
	memcpy(copy, vector, len);
	for (size_t i = 0; i < end + 4u + 16u; i++) {
		if ((i >= 2 && i < 4) || (i >= end && i < end + 4))
			continue;
		copy[i] ^= 1;
		cr_assert_not(stun_verify(copy, len, &m, key, key_len), "byte %zu", i);
		copy[i] ^= 1;
	}
	memcpy(other, key, key_len);
	other[0] ^= 1;
	cr_assert_not(stun_verify(vector, len, &m, other, key_len));
}

static void refused(const void *packet, size_t len)
{
	struct stun_message m, before;

	memset(&m, 0x5a, sizeof m);
	before = m;
	cr_assert_eq(stun_parse(packet, len, &m), -EPROTO);
	cr_assert_eq(memcmp(&m, &before, sizeof m), 0, "outputs are untouched");
}

TEST(stun, reads_the_request_of_rfc_5769)
{
	struct stun_message m = parsed(request, BYTES(request));

	cr_assert_eq(m.type, STUN_BINDING_REQUEST);
	cr_assert_eq(memcmp(m.id, ID, sizeof m.id), 0);
	cr_assert_eq(m.username_len, 9);
	cr_assert_eq(memcmp(m.username, "evtj:h6vY", 9), 0);
	cr_assert_eq(m.software_len, 16);
	cr_assert(m.has_fingerprint);
	cr_assert_eq(m.integrity_at, REQUEST_INTEGRITY);
	cr_assert_eq(m.unknown_n, 0);
	verified(request, BYTES(request), PASSWORD, strlen(PASSWORD));
}

TEST(stun, reads_the_responses_of_rfc_5769)
{
	struct address a4 = at("192.0.2.1:32853");
	struct address a6 = at("[2001:db8:1234:5678:11:2233:4455:6677]:32853");
	struct stun_message m = parsed(response4, BYTES(response4));

	cr_assert_eq(m.type, STUN_BINDING_SUCCESS);
	cr_assert(address_equal(&m.mapped, &a4));
	verified(response4, BYTES(response4), PASSWORD, strlen(PASSWORD));
	m = parsed(response6, BYTES(response6));
	cr_assert(address_equal(&m.mapped, &a6));
	verified(response6, BYTES(response6), PASSWORD, strlen(PASSWORD));
}

TEST(stun, reads_and_writes_long_term_credentials_of_rfc_5769)
{
	uint8_t key[STUN_LONG_TERM_KEY_BYTES], out[STUN_MESSAGE_MAX];
	struct stun_message m = parsed(long_term, BYTES(long_term));
	struct stun_writer w;

	cr_assert_eq(m.realm_len, 11);
	cr_assert_eq(m.nonce_len, 28);
	stun_long_term_key(LONG_USER, "example.org", "TheMatrIX", key);
	verified(long_term, BYTES(long_term), key, sizeof key);

	stun_begin(&w, out, sizeof out, STUN_BINDING_REQUEST, (const uint8_t *)LONG_ID);
	stun_put(&w, STUN_USERNAME, LONG_USER, strlen(LONG_USER));
	stun_put(&w, STUN_NONCE, LONG_NONCE, strlen(LONG_NONCE));
	stun_put(&w, STUN_REALM, "example.org", 11);
	stun_put_integrity(&w, key, sizeof key);
	cr_assert_eq(stun_finish(&w), (int)BYTES(long_term));
	cr_assert_eq(memcmp(out, long_term, BYTES(long_term)), 0);
}

/* Integrity and FINGERPRINT cover the padding, which the RFC's other vectors fill with spaces:
 * those are written up to the padding, and then signed over the RFC's bytes. */
static void writes(const char *vector, size_t len, const char *mapped, size_t pad_at,
		   size_t pad)
{
	uint8_t out[STUN_MESSAGE_MAX];
	struct stun_writer w;

	if (mapped) {
		struct address a = at(mapped);

		stun_begin(&w, out, sizeof out, STUN_BINDING_SUCCESS, (const uint8_t *)ID);
		stun_put(&w, STUN_SOFTWARE, "test vector", 11);
		memset(out + pad_at, ' ', pad);
		stun_put_address(&w, STUN_XOR_MAPPED_ADDRESS, &a);
	} else {
		stun_begin(&w, out, sizeof out, STUN_BINDING_REQUEST, (const uint8_t *)ID);
		stun_put(&w, STUN_SOFTWARE, "STUN test client", 16);
		stun_put_u32(&w, STUN_PRIORITY, 0x6e0001ff);
		stun_put(&w, STUN_ICE_CONTROLLED, "\x93\x2f\xf9\xb1\x51\x26\x3b\x36", 8);
		stun_put(&w, STUN_USERNAME, "evtj:h6vY", 9);
		memset(out + pad_at, ' ', pad);
	}
	stun_put_integrity(&w, PASSWORD, strlen(PASSWORD));
	stun_put_fingerprint(&w);
	cr_assert_eq(stun_finish(&w), (int)len);
	cr_assert_eq(memcmp(out, vector, len), 0);
}

TEST(stun, writes_what_rfc_5769_has)
{
	writes(request, BYTES(request), NULL, REQUEST_USERNAME_PAD, 3);
	writes(response4, BYTES(response4), "192.0.2.1:32853", 35, 1);
	writes(response6, BYTES(response6), "[2001:db8:1234:5678:11:2233:4455:6677]:32853", 35,
	       1);
}

TEST(stun, prefers_the_stronger_integrity)
{
	uint8_t out[STUN_MESSAGE_MAX];
	struct stun_message m;
	struct stun_writer w;
	int len;

	stun_begin(&w, out, sizeof out, STUN_BINDING_REQUEST, (const uint8_t *)ID);
	stun_put(&w, STUN_USERNAME, "a", 1);
	stun_put_integrity(&w, "one", 3);
	stun_put_integrity_sha256(&w, "two", 3);
	stun_put_fingerprint(&w);
	len = stun_finish(&w);
	cr_assert_gt(len, 0);
	m = parsed(out, (size_t)len);
	cr_assert_eq(m.integrity_at, 28);
	cr_assert_eq(m.integrity_sha256_at, 52);
	cr_assert(stun_verify(out, (size_t)len, &m, "two", 3));
	cr_assert_not(stun_verify(out, (size_t)len, &m, "one", 3));
	verified((const char *)out, (size_t)len, "two", 3);
	stun_begin(&w, out, sizeof out, STUN_BINDING_REQUEST, (const uint8_t *)ID);
	m = parsed(out, 20);
	cr_assert_not(stun_verify(out, 20, &m, "", 0));
}

TEST(stun, ignores_what_integrity_does_not_cover)
{
	struct address covered = at("192.0.2.1:1"), late = at("192.0.2.2:2");
	uint8_t out[STUN_MESSAGE_MAX];
	struct stun_message m;
	struct stun_writer w;

	stun_begin(&w, out, sizeof out, STUN_BINDING_SUCCESS, (const uint8_t *)ID);
	stun_put_address(&w, STUN_MAPPED_ADDRESS, &covered);
	stun_put_integrity(&w, "key", 3);
	stun_put_address(&w, STUN_XOR_MAPPED_ADDRESS, &late);
	stun_put_u32(&w, 0x7abc, 0);
	stun_put_integrity(&w, "another", 7);
	m = parsed(out, w.used);
	cr_assert(address_equal(&m.mapped, &covered));
	cr_assert_eq(m.unknown_n, 0);
	cr_assert(stun_verify(out, w.used, &m, "key", 3));
}

TEST(stun, keeps_the_first_of_a_kind_and_the_newest_name)
{
	struct address one = at("192.0.2.1:1"), two = at("[2001:db8::2]:2");
	struct address three = at("10.0.0.3:3");
	uint8_t out[STUN_MESSAGE_MAX];
	struct stun_message m;
	struct stun_writer w;

	stun_begin(&w, out, sizeof out, STUN_BINDING_SUCCESS, (const uint8_t *)ID);
	stun_put_address(&w, STUN_CHANGED_ADDRESS, &three);
	stun_put_address(&w, STUN_MAPPED_ADDRESS, &three);
	stun_put_address(&w, STUN_XOR_MAPPED_ADDRESS, &two);
	stun_put_address(&w, STUN_XOR_MAPPED_ADDRESS, &one);
	stun_put_address(&w, STUN_OTHER_ADDRESS, &two);
	stun_put_address(&w, STUN_OTHER_ADDRESS, &one);
	stun_put_address(&w, STUN_SOURCE_ADDRESS, &three);
	stun_put_u32(&w, STUN_CHANGE_REQUEST, 0);
	stun_put_u32(&w, STUN_CHANGE_REQUEST, STUN_CHANGE_IP);
	stun_put_error(&w, 438, "Stale Nonce");
	stun_put_error(&w, 300, "");
	m = parsed(out, w.used);
	cr_assert(address_equal(&m.mapped, &two));
	cr_assert(address_equal(&m.other, &two));
	cr_assert(address_equal(&m.origin, &three));
	cr_assert(m.has_change);
	cr_assert_eq(m.change, 0);
	cr_assert_eq(m.error, 438);
}

TEST(stun, collects_what_it_would_have_to_understand)
{
	uint8_t out[STUN_MESSAGE_MAX];
	struct stun_message m;
	struct stun_writer w;

	stun_begin(&w, out, sizeof out, STUN_BINDING_REQUEST, (const uint8_t *)ID);
	for (uint16_t i = 0; i < 20; i++) {
		stun_put_u32(&w, (uint16_t)(0x7000 + i / 2), i);
		stun_put_u32(&w, (uint16_t)(0xc000 + i), i);
	}
	m = parsed(out, w.used);
	cr_assert_eq(m.unknown_n, STUN_UNKNOWN_MAX);
	for (unsigned int i = 0; i < m.unknown_n; i++)
		cr_assert_eq(m.unknown[i], 0x7000 + i);
}

TEST(stun, refuses_what_is_cut_or_changed)
{
	uint8_t copy[sizeof request + 8];
	unsigned int survived = 0;

	for (size_t len = 0; len < BYTES(request); len++)
		refused(request, len);
	memcpy(copy, request, BYTES(request));
	for (size_t i = 0; i < BYTES(request); i++) {
		for (unsigned int bit = 0; bit < 8; bit++) {
			struct stun_message m;

			/* a length may swallow FINGERPRINT; then it is not claimed */
			copy[i] ^= (uint8_t)(1u << bit);
			if (stun_parse(copy, BYTES(request), &m) == 0) {
				cr_assert_not(m.has_fingerprint);
				cr_assert(i >= 100 || !stun_verify(copy, BYTES(request), &m,
								  PASSWORD, 22));
				survived++;
			}
			copy[i] ^= (uint8_t)(1u << bit);
		}
	}
	cr_assert_lt(survived, 20u, "of %zu", 8 * BYTES(request));
	memset(copy + BYTES(request), 0, 8);
	refused(copy, BYTES(request) + 4);
	copy[3] = (uint8_t)(copy[3] + 4);
	refused(copy, BYTES(request) + 4);
}

/* One attribute with a length of our choice, in a message whose own length is right. */
static int one(uint16_t type, size_t len, const uint8_t *value)
{
	uint8_t out[STUN_MESSAGE_MAX];
	struct stun_message m;
	struct stun_writer w;

	stun_begin(&w, out, sizeof out, STUN_BINDING_SUCCESS, (const uint8_t *)ID);
	stun_put(&w, type, value, len);
	return stun_parse(out, w.used, &m);
}

TEST(stun, refuses_values_of_wrong_sizes)
{
	static const struct {
		uint16_t type, right[2];
		uint8_t family;
	} cases[] = {
		{ STUN_XOR_MAPPED_ADDRESS, { 8 }, 1 }, { STUN_XOR_MAPPED_ADDRESS, { 20 }, 2 },
		{ STUN_MAPPED_ADDRESS, { 8 }, 1 }, { STUN_OTHER_ADDRESS, { 20 }, 2 },
		{ STUN_RESPONSE_ORIGIN, { 8 }, 1 }, { STUN_ALTERNATE_SERVER, { 8 }, 1 },
		{ STUN_XOR_MAPPED_ADDRESS, { 99 }, 0 }, { STUN_XOR_MAPPED_ADDRESS, { 99 }, 3 },
		{ STUN_CHANGE_REQUEST, { 4 }, 0 }, { STUN_MESSAGE_INTEGRITY, { 20 }, 0 },
		{ STUN_USERHASH, { 32 }, 0 }, { STUN_PRIORITY, { 4 }, 0 },
		{ STUN_USE_CANDIDATE, { 0 }, 0 }, { STUN_ICE_CONTROLLING, { 8 }, 0 },
		{ STUN_FINGERPRINT, { 99 }, 0 },
	};

	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		for (size_t len = 0; len <= 40; len++) {
			uint8_t value[40] = { 0, cases[i].family };

			cr_assert_eq(one(cases[i].type, len, value),
				     len == cases[i].right[0] ? 0 : -EPROTO,
				     "%#x of %zu bytes", cases[i].type, len);
		}
	}
	for (size_t len = 0; len <= 40; len++) {
		uint8_t value[40] = { 0 };

		cr_assert_eq(one(STUN_MESSAGE_INTEGRITY_SHA256, len, value),
			     len >= 16 && len <= 32 && len % 4 == 0 ? 0 : -EPROTO);
		cr_assert_eq(one(STUN_RESPONSE_PORT, len, value),
			     len >= 2 && len <= 4 ? 0 : -EPROTO);
	}
	cr_assert_eq(one(STUN_ERROR_CODE, 4, (const uint8_t[]){ 0, 0, 2, 0 }), -EPROTO);
	cr_assert_eq(one(STUN_ERROR_CODE, 4, (const uint8_t[]){ 0, 0, 7, 0 }), -EPROTO);
	cr_assert_eq(one(STUN_ERROR_CODE, 4, (const uint8_t[]){ 0, 0, 4, 100 }), -EPROTO);
	cr_assert_eq(one(STUN_ERROR_CODE, 4, (const uint8_t[]){ 0, 0, 4, 20 }), 0);
}

TEST(stun, refuses_an_attribute_beyond_the_end)
{
	static const uint16_t types[] = { STUN_SOFTWARE, STUN_MESSAGE_INTEGRITY, 0xc001 };
	uint8_t out[STUN_MESSAGE_MAX] = { 0 };
	struct stun_message m;
	struct stun_writer w;

	for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
		stun_begin(&w, out, sizeof out, STUN_BINDING_REQUEST, (const uint8_t *)ID);
		stun_put(&w, types[i], out + 100, 20);
		for (uint16_t len = 21; len < 0xff00; len = (uint16_t)(len + 13)) {
			out[22] = (uint8_t)(len >> 8);
			out[23] = (uint8_t)len;
			refused(out, w.used);
		}
		out[22] = 0;
		out[23] = 20;
		cr_assert_eq(stun_parse(out, w.used, &m), 0);
		out[3] = 4;
		refused(out, 24);
	}
}

TEST(stun, writes_no_further_than_the_buffer)
{
	static const uint8_t value[STUN_MESSAGE_MAX];

	for (size_t size = 0; size < 100; size++) {
		uint8_t *buf = malloc(size ? size : 1);
		struct address a = at("[2001:db8::1]:9");
		struct stun_writer w;

		stun_begin(&w, buf, size, STUN_BINDING_SUCCESS, (const uint8_t *)ID);
		stun_put_address(&w, STUN_XOR_MAPPED_ADDRESS, &a);
		stun_put(&w, STUN_SOFTWARE, "abcde", 5);
		stun_put_integrity(&w, "key", 3);
		stun_put_fingerprint(&w);
		cr_assert_eq(stun_finish(&w), size < 88 ? -EMSGSIZE : 88);
		free(buf);
	}
	uint8_t large[2 * STUN_MESSAGE_MAX];
	struct stun_writer w;

	stun_begin(&w, large, sizeof large, STUN_BINDING_REQUEST, (const uint8_t *)ID);
	stun_put(&w, STUN_PADDING, value, STUN_MESSAGE_MAX);
	cr_assert_eq(stun_finish(&w), -EMSGSIZE);
}
