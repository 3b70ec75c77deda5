/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The STUN server without sockets (libintro/punch/stun_server.h).
 */
#include <string.h>

#include "../../libintro/punch/stun_server.h"
#include "harness.h"

static const uint8_t id[STUN_ID_BYTES] = "transaction";

static struct address at(const char *text)
{
	struct address a;

	cr_assert_eq(address_parse(text, 0, &a), 0);
	return a;
}

static struct stun_server full(int family)
{
	const char *one = family == 4 ? "192.0.2.1:3478" : "[2001:db8::1]:3478";
	const char *two = family == 4 ? "192.0.2.2:3478" : "[2001:db8::2]:3478";
	struct stun_server s = { .at = { { at(one), at(one) }, { at(two), at(two) } } };

	s.at[0][1].port = s.at[1][1].port = 3479;
	return s;
}

static struct stun_server plain(void)
{
	return (struct stun_server){ .at = { { at("192.0.2.1:3478") } } };
}

static struct stun_writer ask(uint8_t *buf)
{
	struct stun_writer w;

	stun_begin(&w, buf, STUN_MESSAGE_MAX, STUN_BINDING_REQUEST, id);
	return w;
}

static struct stun_message read_answer(const struct stun_answer *a)
{
	struct stun_message m;

	cr_assert_eq(stun_parse(a->bytes, a->len, &m), 0);
	cr_assert_eq(memcmp(m.id, id, sizeof id), 0);
	return m;
}

TEST(stun_server, answers_from_where_it_is_asked_to)
{
	struct stun_server s = full(4);
	struct address from = at("198.51.100.7:4000");

	for (unsigned int n = 0; n < 16; n++) {
		unsigned int ip = n & 1, port = n >> 1 & 1, change = (n >> 2) << 1;
		uint8_t buf[STUN_MESSAGE_MAX];
		struct stun_writer w = ask(buf);
		struct stun_answer a;
		struct stun_message m;

		stun_put_u32(&w, STUN_CHANGE_REQUEST, change);
		cr_assert(stun_server_answer(&s, ip, port, &from, buf, w.used, &a));
		m = read_answer(&a);
		cr_assert_eq(m.type, STUN_BINDING_SUCCESS);
		cr_assert_eq(a.ip, ip ^ (change & STUN_CHANGE_IP ? 1 : 0));
		cr_assert_eq(a.port, port ^ (change & STUN_CHANGE_PORT ? 1 : 0));
		cr_assert(address_equal(&a.to, &from));
		cr_assert(address_equal(&m.mapped, &from));
		cr_assert(address_equal(&m.origin, &s.at[a.ip][a.port]));
		cr_assert(address_equal(&m.other, &s.at[!ip][!port]));
	}
}

TEST(stun_server, says_what_it_does_not_understand)
{
	struct stun_server s = plain();
	struct address from = at("198.51.100.7:4000");
	uint8_t buf[STUN_MESSAGE_MAX];
	struct stun_writer w = ask(buf);
	struct stun_answer a;
	struct stun_message m;

	stun_put_u32(&w, STUN_CHANGE_REQUEST, 0);
	cr_assert(stun_server_answer(&s, 0, 0, &from, buf, w.used, &a));
	m = read_answer(&a);
	cr_assert_eq(m.type, STUN_BINDING_SUCCESS, "nothing is asked of it");
	cr_assert_eq(m.other.family, 0);

	for (uint32_t change = 2; change <= 6; change += 2) {
		w = ask(buf);
		stun_put_u32(&w, STUN_CHANGE_REQUEST, change);
		stun_put_u32(&w, 0x7123, 0);
		cr_assert(stun_server_answer(&s, 0, 0, &from, buf, w.used, &a));
		m = read_answer(&a);
		cr_assert_eq(m.type, STUN_BINDING_ERROR);
		cr_assert_eq(m.error, 420);
		cr_assert_eq(m.mapped.family, 0);
		cr_assert_eq(memcmp(a.bytes + a.len - 8, "\x00\x0a\x00\x04\x71\x23\x00\x03", 8), 0);
		cr_assert_eq(a.ip + a.port, 0);
	}
}

TEST(stun_server, answers_to_the_port_asked_for)
{
	struct stun_server s = full(4);
	struct address from = at("198.51.100.7:4000"), to = at("198.51.100.7:4001");
	uint8_t buf[STUN_MESSAGE_MAX];
	struct stun_writer w = ask(buf);
	struct stun_answer a;
	struct stun_message m;

	stun_put_u32(&w, STUN_RESPONSE_PORT, 4001u << 16);
	cr_assert(stun_server_answer(&s, 0, 0, &from, buf, w.used, &a));
	m = read_answer(&a);
	cr_assert(address_equal(&a.to, &to));
	cr_assert(address_equal(&m.mapped, &from));

	stun_put(&w, STUN_PADDING, id, sizeof id);
	cr_assert(stun_server_answer(&s, 0, 0, &from, buf, w.used, &a));
	m = read_answer(&a);
	cr_assert_eq(m.error, 400);
	cr_assert(address_equal(&a.to, &from));
}

/* Which of the optional addresses an answer has, with a request of this many bytes. */
static unsigned int optional(const struct stun_server *s, const struct address *from,
			     size_t bytes, bool fingerprint)
{
	static const uint8_t text[STUN_MESSAGE_MAX];
	uint8_t buf[STUN_MESSAGE_MAX];
	struct stun_writer w = ask(buf);
	size_t rest = bytes - w.used - (fingerprint ? 8 : 0);
	struct stun_answer a;
	struct stun_message m;

	if (rest > 0)
		stun_put(&w, STUN_PADDING, text, rest - 4);
	if (fingerprint)
		stun_put_fingerprint(&w);
	cr_assert_eq(stun_finish(&w), (int)bytes);
	cr_assert(stun_server_answer(s, 0, 0, from, buf, bytes, &a));
	cr_assert_leq(a.len, 3 * bytes);
	m = read_answer(&a);
	cr_assert_eq(m.padding, 0, "nothing is echoed");
	cr_assert_eq(m.has_fingerprint, fingerprint);
	cr_assert(address_equal(&m.mapped, from));
	return (m.other.family ? 1u : 0) | (m.origin.family ? 2u : 0);
}

TEST(stun_server, never_says_more_than_three_times_what_it_heard)
{
	struct stun_server four = full(4), six = full(6);
	struct address from4 = at("198.51.100.7:4000"), from6 = at("[2001:db8::7]:4000");

	for (size_t bytes = 20; bytes <= STUN_MESSAGE_MAX; bytes += 4) {
		cr_assert_eq(optional(&four, &from4, bytes, false), 3u);
		cr_assert_eq(optional(&six, &from6, bytes, false),
			     bytes < 24 ? 0 : bytes < 32 ? 1u : 3u, "%zu", bytes);
		if (bytes < 28)
			continue;
		cr_assert_eq(optional(&four, &from4, bytes, true), 3u);
		cr_assert_eq(optional(&six, &from6, bytes, true), bytes < 36 ? 1u : 3u);
	}
}

TEST(stun_server, says_no_more_than_three_times_when_it_refuses)
{
	struct stun_server s = plain();
	struct address from = at("198.51.100.7:4000");

	for (unsigned int n = 1; n <= 20; n++) {
		uint8_t buf[STUN_MESSAGE_MAX];
		struct stun_writer w = ask(buf);
		struct stun_answer a;

		for (unsigned int i = 0; i < n; i++)
			stun_put(&w, (uint16_t)(0x7000 + i), NULL, 0);
		cr_assert(stun_server_answer(&s, 0, 0, &from, buf, w.used, &a));
		cr_assert_eq(read_answer(&a).error, 420);
		cr_assert_leq(a.len, 3 * w.used);
	}
}

TEST(stun_server, is_silent_where_nothing_was_asked)
{
	static const uint16_t types[] = {
		STUN_BINDING_INDICATION, STUN_BINDING_SUCCESS, STUN_BINDING_ERROR, 0x0003,
	};
	struct stun_server s = full(4);
	struct address from = at("198.51.100.7:4000");
	uint8_t buf[STUN_MESSAGE_MAX];
	struct stun_answer a, before;
	struct stun_writer w;

	memset(&a, 0x5a, sizeof a);
	before = a;
	for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
		stun_begin(&w, buf, sizeof buf, types[i], id);
		cr_assert_not(stun_server_answer(&s, 0, 0, &from, buf, w.used, &a));
	}
	w = ask(buf);
	for (size_t len = 0; len < w.used; len++)
		cr_assert_not(stun_server_answer(&s, 0, 0, &from, buf, len, &a));
	from.port = 0;
	cr_assert_not(stun_server_answer(&s, 0, 0, &from, buf, w.used, &a));
	cr_assert_eq(memcmp(&a, &before, sizeof a), 0, "outputs are untouched");
}

TEST(stun_server, answers_who_knows_no_cookie)
{
	struct stun_server s = full(4);
	struct address from = at("198.51.100.7:4000");
	uint8_t buf[STUN_MESSAGE_MAX];
	struct stun_writer w = ask(buf);
	struct stun_answer a;

	stun_put_u32(&w, STUN_CHANGE_REQUEST, STUN_CHANGE_PORT);
	memcpy(buf + 4, "OLD!", 4);
	cr_assert(stun_server_answer(&s, 0, 0, &from, buf, w.used, &a));
	cr_assert_eq(a.port, 1);
	cr_assert_eq(memcmp(a.bytes + 4, "OLD!transaction", 16), 0);
	cr_assert_eq(a.len, 20 + 3 * 12);
	cr_assert_eq(memcmp(a.bytes + 20, "\x00\x01\x00\x08\x00\x01\x0f\xa0\xc6\x33\x64\x07", 12), 0);
	cr_assert_eq(memcmp(a.bytes + 32, "\x00\x05\x00\x08\x00\x01\x0d\x97\xc0\x00\x02\x02", 12), 0);
	cr_assert_eq(memcmp(a.bytes + 44, "\x00\x04\x00\x08\x00\x01\x0d\x97\xc0\x00\x02\x01", 12), 0);
}
