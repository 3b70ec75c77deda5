/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What two engines say to each other (probe.h, signal.h, key.h, replay.h), and which of the
 * other end's candidates are sent to (candidate.h).
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../../libintro/punch/candidate.h"
#include "../../libintro/punch/probe.h"
#include "../../libintro/punch/punch.h"
#include "../../libintro/punch/replay.h"
#include "../../libintro/punch/signal.h"
#include "harness.h"

static struct address at(const char *text)
{
	struct address a;

	if (address_parse(text, 0, &a) < 0)
		harness_fail("%s is no address", text);
	return a;
}

/* The keys of an offerer and its answerer. */
static void agree(struct keys *offerer, struct keys *answerer, uint8_t secret_of_answerer)
{
	static const uint8_t tag[KEY_TAG_BYTES] = "the tag";
	uint8_t seed[KEY_BYTES] = { 1 }, secret[KEY_BYTES] = { 7 };
	struct key_pair a, b;

	key_pair_make(&a, seed);
	seed[0] = 2;
	key_pair_make(&b, seed);
	cr_assert_eq(keys_agree(offerer, &a, b.public, secret, tag, true), 0);
	secret[0] = secret_of_answerer;
	cr_assert_eq(keys_agree(answerer, &b, a.public, secret, tag, false), 0);
}

TEST(punch_wire, both_ends_agree_and_directions_differ)
{
	struct keys a, b;

	agree(&a, &b, 7);
	cr_assert_eq(memcmp(a.probe_out, b.probe_in, KEY_BYTES), 0);
	cr_assert_eq(memcmp(a.signal_in, b.signal_out, KEY_BYTES), 0);
	cr_assert_neq(memcmp(a.probe_out, a.probe_in, KEY_BYTES), 0);
	cr_assert_neq(memcmp(a.probe_out, a.signal_out, KEY_BYTES), 0);
	agree(&a, &b, 8);
	cr_assert_neq(memcmp(a.probe_out, b.probe_in, KEY_BYTES), 0, "another secret");
}

TEST(punch_wire, a_key_of_small_order_is_refused)
{
	static const uint8_t tag[KEY_TAG_BYTES], zero[KEY_BYTES], seed[KEY_BYTES] = { 9 };
	struct key_pair own;
	struct keys keys;

	key_pair_make(&own, seed);
	cr_assert_eq(keys_agree(&keys, &own, zero, zero, tag, true), -EPROTO);
}

static size_t make_reply(const struct keys *keys, uint8_t out[static PROBE_PADDED_BYTES],
			 const char *seen, size_t len)
{
	struct probe probe = {
		.type = PROBE_REPLY,
		.flags = PROBE_USE,
		.generation = 3,
		.number = 4000000001u,
		.answers = 17,
		.seen = at(seen),
		.len = len,
	};

	memset(probe.tag, 0x5a, sizeof probe.tag);
	memset(probe.echo, 0xec, sizeof probe.echo);
	probe_write(&probe, keys->probe_out, out);
	return len;
}

TEST(punch_wire, probes_are_read_as_they_were_written)
{
	static const char *const addresses[] = { "192.0.2.9:40000", "[2001:db8::7]:1" };
	static const size_t lengths[] = { PROBE_BYTES, PROBE_PADDED_BYTES };
	uint8_t bytes[PROBE_PADDED_BYTES], tag[KEY_TAG_BYTES];
	struct keys a, b;
	struct probe got;

	agree(&a, &b, 7);
	for (int i = 0; i < 4; i++) {
		size_t len = make_reply(&a, bytes, addresses[i % 2], lengths[i / 2]);
		struct address seen = at(addresses[i % 2]);

		cr_assert(probe_peek(bytes, len, tag));
		cr_assert_eq(tag[0], 0x5a);
		cr_assert_eq(probe_read(bytes, len, b.probe_in, &got), 0);
		cr_assert_eq(got.type, PROBE_REPLY);
		cr_assert_eq(got.generation, 3);
		cr_assert_eq(got.number, 4000000001u);
		cr_assert_eq(got.answers, 17);
		cr_assert_eq(got.echo[PROBE_ECHO_BYTES - 1], 0xec);
		cr_assert_eq(got.len, len);
		cr_assert(address_equal(&got.seen, &seen));
	}
}

TEST(punch_wire, a_probe_changed_anywhere_or_reflected_is_refused)
{
	uint8_t bytes[PROBE_PADDED_BYTES];
	struct keys a, b;
	struct probe got;
	size_t len;

	agree(&a, &b, 7);
	len = make_reply(&a, bytes, "192.0.2.9:40000", PROBE_BYTES);
	cr_assert_eq(probe_read(bytes, len, a.probe_in, &got), -EBADMSG, "reflected");
	for (size_t i = 0; i < len; i++) {
		bytes[i] ^= 0x40;
		cr_assert_lt(probe_read(bytes, len, b.probe_in, &got), 0, "byte %zu", i);
		bytes[i] ^= 0x40;
	}
	for (size_t n = 0; n < len; n++)
		cr_assert_eq(probe_read(bytes, n, b.probe_in, &got), -EPROTO);
	cr_assert_eq(probe_read(bytes, len, b.probe_in, &got), 0);
}

TEST(punch_wire, a_number_is_taken_once_in_any_order)
{
	struct replay *r = calloc(1, sizeof *r);

	cr_assert_not(replay_take(r, 0));
	for (uint32_t n = 2; n < 3 * REPLAY_WINDOW; n += 2)
		cr_assert(replay_take(r, n), "%u", n);
	for (uint32_t n = 3 * REPLAY_WINDOW - 3; n > 2 * REPLAY_WINDOW; n -= 2) {
		cr_assert(replay_take(r, n), "%u is late but new", n);
		cr_assert_not(replay_take(r, n), "%u again", n);
	}
	cr_assert_not(replay_take(r, 1), "too old to be known");
	cr_assert(replay_take(r, UINT32_MAX));
	cr_assert(replay_take(r, UINT32_MAX - REPLAY_WINDOW + 1));
	cr_assert_not(replay_take(r, 3 * REPLAY_WINDOW - 2));
	free(r);
}

static size_t make_signal(const struct keys *keys, uint8_t out[static SIGNAL_BYTES_MAX], size_t n)
{
	struct signal s = {
		.kind = SIGNAL_ANSWER,
		.opened = true,
		.generation = 2,
		.number = 12,
		.has_session = true,
		.session = { 1, 2, 3, 4, 5, 6, 7 },
		.nat = { .mapping = NAT_MAPPING_ENDPOINT_INDEPENDENT, .ttl = 5 },
	};

	for (size_t i = 0; i < n; i++) {
		struct address a = at(i % 2 ? "[2001:db8::1]:1000" : "198.51.100.4:1000");

		a.port = (uint16_t)(a.port + i);
		candidates_add(&s.candidates, CANDIDATE_HOST, &a);
	}
	return signal_write(&s, keys->signal_out, out);
}

TEST(punch_wire, signals_are_read_as_they_were_written)
{
	uint8_t bytes[SIGNAL_BYTES_MAX];
	struct keys a, b;
	struct signal got;

	agree(&a, &b, 7);
	for (size_t n = 0; n <= ETIQUETTE_CANDIDATES; n++) {
		size_t len = make_signal(&a, bytes, n);

		cr_assert_eq(signal_read(bytes, len, &got), 0);
		cr_assert(signal_right(bytes, len, b.signal_in));
		cr_assert_not(signal_right(bytes, len, a.signal_in), "reflected");
		cr_assert_eq(got.candidates.n, n);
		cr_assert_eq(got.kind, SIGNAL_ANSWER);
		cr_assert_eq(got.nat.ttl, 5);
		cr_assert_eq(got.session[6], 7);
		cr_assert(got.opened && got.has_session && !got.low_ports);
		for (size_t cut = 0; cut < len; cut++)
			cr_assert_eq(signal_read(bytes, cut, &got), -EPROTO);
	}
}

TEST(punch_wire, a_signal_changed_anywhere_is_refused)
{
	uint8_t bytes[SIGNAL_BYTES_MAX];
	struct keys a, b;
	struct signal got;
	size_t len;

	agree(&a, &b, 7);
	len = make_signal(&a, bytes, 3);
	for (size_t i = 0; i < len; i++) {
		bytes[i] ^= 1;
		cr_assert(signal_read(bytes, len, &got) < 0 || !signal_right(bytes, len, b.signal_in),
			  "byte %zu", i);
		bytes[i] ^= 1;
	}
}

/* Claim 15: where a peer cannot make us send to. */
TEST(punch_wire, candidates_of_places_that_are_nobodys_or_ours_are_left_alone)
{
	static const struct {
		const char *address;
		bool alone, behind_one_nat;
	} cases[] = {
		{ "198.51.100.7:9", true, true },
		{ "[2001:db8::5]:9", true, true },
		{ "192.168.7.20:9", true, true },	/* our own network */
		{ "192.168.8.20:9", false, true },	/* another of that kind */
		{ "10.0.0.1:9", false, true },
		{ "100.64.0.1:9", false, false },
		{ "127.0.0.1:9", false, false },
		{ "[::1]:9", false, false },
		{ "169.254.169.254:9", false, false },
		{ "[fe80::1]:9", false, false },
		{ "224.0.0.1:9", false, false },
		{ "255.255.255.255:9", false, false },
		{ "0.0.0.0:9", false, false },
		{ "[::]:9", false, false },
		{ "[ff02::1]:9", false, false },
		{ "198.51.100.7:0", false, false },
	};
	struct punch_local locals[] = {
		{ .address = at("192.168.7.2:4000"), .prefix_bits = 24 },
		{ .address = at("10.88.0.1:4000"), .prefix_bits = 24, .bridge = true },
	};

	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct address a = at(cases[i].address);

		cr_assert_eq(candidate_allowed(&a, locals, 2, false), cases[i].alone, "%s alone",
			     cases[i].address);
		cr_assert_eq(candidate_allowed(&a, locals, 2, true), cases[i].behind_one_nat,
			     "%s behind one NAT", cases[i].address);
	}
}

TEST(punch_wire, bridges_are_the_last_candidates)
{
	const uint16_t port[] = { 4000, 5000 };
	struct punch_local locals[12];
	struct candidates c = { 0 };

	for (int i = 0; i < 12; i++) {
		locals[i] = (struct punch_local){
			.address = at("172.17.0.1:1"),
			.prefix_bits = 16,
			.bridge = i < 9,
		};
		locals[i].address.ip[1] = (uint8_t)(17 + i);
	}
	locals[11].address = at("[2001:db8::1]:1");
	candidates_add_hosts(&c, locals, 12, port);
	cr_assert_eq(c.n, ETIQUETTE_CANDIDATES);
	cr_assert_eq(c.list[0].address.family, 6);
	cr_assert_eq(c.list[0].address.port, 5000);
	cr_assert_eq(c.list[1].address.ip[1], 17 + 9);
	cr_assert_eq(c.list[1].address.port, 4000);
	cr_assert_eq(c.list[3].address.ip[1], 17, "bridges behind the others");
}
