/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What strangers may try with the relay: amplification, ways into its own network, bytes that
 * are no messages.
 */
#include <errno.h>
#include <string.h>

#include "harness.h"
#include "relayed.h"

static struct relayed w;

/* What the relay sends, to whomever, for this packet. */
static size_t answered(const struct address *from, const uint8_t *p, size_t len)
{
	struct relay_out out;
	size_t sum;

	relay_receive(w.relay, w.now_us, 0, from, p, len, len, &out);
	sum = out.forward;
	for (unsigned int i = 0; i < out.sends_n; i++)
		sum += out.sends[i].len;
	return sum;
}

TEST(relay_hostile, amplifies_nothing)
{
	struct address from = address_at("203.0.113.66:666");
	struct party a, b;
	uint8_t p[200];

	relayed_begin(&w, &(struct relay_config){ 0 });
	party_bind(&w, &a, "203.0.113.1:1", 1);
	party_bind(&w, &b, "203.0.113.2:2", 1);
	for (unsigned int type = 0; type < 256; type++) {
		for (size_t len = 0; len <= sizeof p; len++) {
			memset(p, 0, sizeof p);
			p[0] = (uint8_t)type;
			p[16] = RELAY_VERSION;
			if (type != RELAY_HELLO)
				memcpy(p + 1, a.leg.session, sizeof a.leg.session);
			cr_assert_leq(answered(&from, p, len), len, "type %u, %zu bytes", type,
				      len);
			random_bytes(&w.random, p + 8, sizeof p - 8);
			cr_assert_leq(answered(&from, p, len), len);
		}
	}
	relayed_end(&w);
}

/* Whether a leg there can greet and bind. */
static bool serves(const char *at)
{
	static uint8_t session;
	struct party p;

	w.parties_n = 0;
	party_bind(&w, &p, at, session++);
	return p.leg.state == RELAY_LEG_BOUND;
}

static const struct {
	const char *at;
	enum address_scope scope;
} places[] = {
	{ "127.0.0.1:9", SCOPE_LOOPBACK }, { "[::1]:9", SCOPE_LOOPBACK },
	{ "169.254.169.254:80", SCOPE_LINK }, { "[fe80::1]:9", SCOPE_LINK },
	{ "10.1.2.3:9", SCOPE_PRIVATE }, { "172.31.0.1:9", SCOPE_PRIVATE },
	{ "192.168.1.1:9", SCOPE_PRIVATE }, { "[fd00::1]:9", SCOPE_PRIVATE },
	{ "100.64.0.1:9", SCOPE_SHARED }, { "224.0.0.1:9", SCOPE_MULTICAST },
	{ "255.255.255.255:9", SCOPE_MULTICAST }, { "[ff02::1]:9", SCOPE_MULTICAST },
	{ "0.0.0.0:9", SCOPE_NONE }, { "[::]:9", SCOPE_NONE }, { "8.8.8.8:0", SCOPE_NONE },
};

TEST(relay_hostile, is_no_way_into_other_networks)
{
	struct relay_counters counters;

	relayed_begin(&w, &(struct relay_config){ 0 });
	for (size_t i = 0; i < sizeof places / sizeof *places; i++)
		cr_assert_not(serves(places[i].at), "%s", places[i].at);
	cr_assert(serves("8.8.8.8:9"));
	cr_assert(serves("[2001:db8::1]:9"));
	relay_count(w.relay, &counters);
	cr_assert_eq(counters.greeted, 2, "the others got no answer at all");
	relayed_end(&w);
}

TEST(relay_hostile, serves_the_networks_that_are_allowed)
{
	for (unsigned int allowed = SCOPE_LOOPBACK; allowed < SCOPE_GLOBAL; allowed++) {
		relayed_begin(&w, &(struct relay_config){ .allow = 1u << allowed |
								   1u << SCOPE_NONE });
		for (size_t i = 0; i < sizeof places / sizeof *places; i++)
			cr_assert_eq(serves(places[i].at), places[i].scope == allowed &&
				     allowed != SCOPE_MULTICAST, "%s", places[i].at);
		relayed_end(&w);
	}
}

TEST(relay_hostile, never_sends_to_itself)
{
	const struct address own[] = { address_at("198.51.100.1:0"),
				       address_at("127.0.0.1:3478") };

	relayed_begin(&w, &(struct relay_config){ .own = own, .own_n = 2,
						  .allow = 1u << SCOPE_LOOPBACK });
	cr_assert_not(serves("198.51.100.1:9"));
	cr_assert_not(serves("127.0.0.1:3478"));
	cr_assert(serves("127.0.0.1:9"));
	cr_assert(serves("198.51.100.2:9"));
	relayed_end(&w);
}

static struct relay_message any_message(void)
{
	static const enum relay_type types[] = { RELAY_HELLO, RELAY_COOKIE, RELAY_BIND,
						 RELAY_BOUND, RELAY_REFUSED, RELAY_CLOSE };
	struct relay_message m = { .type = types[random_below(&w.random, 6)] };

	random_bytes(&w.random, m.nonce, sizeof m.nonce);
	if (m.type != RELAY_HELLO && m.type != RELAY_COOKIE)
		random_bytes(&w.random, m.session, sizeof m.session);
	if (m.type == RELAY_COOKIE || m.type == RELAY_BIND || m.type == RELAY_BOUND)
		random_bytes(&w.random, m.cookie, sizeof m.cookie);
	if (m.type == RELAY_COOKIE || m.type == RELAY_BOUND)
		m.observed = address_at("203.0.113.1:1");
	if (m.type == RELAY_BOUND) {
		m.peer = address_at("[2001:db8::1]:65535");
		m.quota = (struct relay_quota){ random_u64(&w.random), 1, UINT32_MAX, 3 };
	}
	if (m.type == RELAY_REFUSED) {
		m.reason = RELAY_STALE + random_below(&w.random, RELAY_SPENT);
		m.retry_after_s = (uint32_t)random_u64(&w.random);
	}
	return m;
}

TEST(relay_hostile, reads_what_it_writes_and_no_other_length)
{
	relayed_begin(&w, &(struct relay_config){ 0 });
	for (unsigned int i = 0; i < 1000; i++) {
		struct relay_message m = any_message(), again;
		uint8_t p[RELAY_CONTROL_BYTES + 1] = { 0 };
		size_t len = relay_put(&m, p);

		cr_assert_eq(len, m.type == RELAY_REFUSED ? RELAY_REFUSED_BYTES :
							    RELAY_CONTROL_BYTES);
		cr_assert_eq(relay_parse(p, len, &again), 0);
		cr_assert_eq(again.type, m.type);
		cr_assert_arr_eq(again.session, m.session, sizeof m.session);
		cr_assert_arr_eq(again.nonce, m.nonce, sizeof m.nonce);
		cr_assert_arr_eq(again.cookie, m.cookie, sizeof m.cookie);
		cr_assert(address_equal(&again.observed, &m.observed));
		cr_assert(address_equal(&again.peer, &m.peer));
		cr_assert_eq(again.quota.bytes, m.quota.bytes);
		cr_assert_eq(again.quota.idle_s, m.quota.idle_s);
		cr_assert_eq(again.reason, m.reason);
		cr_assert_eq(again.retry_after_s, m.retry_after_s);
		for (size_t other = 0; other <= sizeof p; other++) {
			if (other != len)
				cr_assert_eq(relay_parse(p, other, &again), -EPROTO);
		}
	}
	relayed_end(&w);
}

TEST(relay_hostile, believes_no_damaged_message)
{
	relayed_begin(&w, &(struct relay_config){ 0 });
	for (unsigned int i = 0; i < 20000; i++) {
		struct relay_message m = any_message(), again;
		uint8_t p[RELAY_CONTROL_BYTES], q[RELAY_CONTROL_BYTES];
		size_t len = relay_put(&m, p);

		p[random_below(&w.random, (uint32_t)len)] ^=
			(uint8_t)(1 + random_below(&w.random, 255));
		/* what is still a message has only this one spelling */
		if (relay_parse(p, len, &again) < 0 || again.type == RELAY_DATA)
			continue;
		cr_assert_eq(relay_put(&again, q), len);
		cr_assert_arr_eq(p, q, len);
	}
	relayed_end(&w);
}

TEST(relay_hostile, survives_noise_in_both_halves)
{
	struct party a, b;
	const uint8_t *payload;
	size_t payload_len;

	relayed_begin(&w, &(struct relay_config){ 0 });
	party_bind(&w, &a, "203.0.113.1:1", 1);
	party_bind(&w, &b, "203.0.113.2:2", 1);
	for (unsigned int i = 0; i < 20000; i++) {
		uint8_t p[300];
		size_t len = random_below(&w.random, sizeof p);

		random_bytes(&w.random, p, sizeof p);
		p[0] = (uint8_t)(RELAY_HELLO + random_below(&w.random, 8));
		if (p[0] == RELAY_DATA)
			p[1] = (uint8_t)~a.leg.session[0];
		cr_assert_eq(answered(&a.at, p, len), 0);
		cr_assert_eq(relay_leg_receive(&a.leg, w.now_us, &w.at, p, len, &payload,
					       &payload_len), RELAY_GOT_NOTHING);
	}
	cr_assert(party_say(&w, &a, 10));
	relayed_end(&w);
}
