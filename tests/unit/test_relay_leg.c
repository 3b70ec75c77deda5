/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One leg of a relayed session by itself: when it sends what, and whom it believes.
 */
#include <errno.h>
#include <string.h>

#include "harness.h"
#include "relayed.h"

#define MS_US 1000u
#define SECOND_US 1000000u

static struct relayed w;
static struct party a, b;

/* Moments at which the leg sends, unanswered, and the type of what it sends. */
static void sends_after(uint64_t wait_us, enum relay_type type)
{
	uint8_t p[RELAY_CONTROL_BYTES];

	if (wait_us > 0) {
		cr_assert_eq(relay_leg_deadline(&a.leg), w.now_us + wait_us);
		w.now_us += wait_us - 1;
		cr_assert_eq(relay_leg_next(&a.leg, w.now_us, p), 0, "not before");
		w.now_us++;
	}
	cr_assert_eq(relay_leg_next(&a.leg, w.now_us, p), RELAY_CONTROL_BYTES);
	cr_assert_eq(p[0], type);
	cr_assert_eq(relay_leg_next(&a.leg, w.now_us, p), 0, "once");
}

TEST(relay_leg, asks_again_ever_more_rarely)
{
	relayed_begin(&w, &(struct relay_config){ 0 });
	party_begin(&w, &a, "203.0.113.1:1");
	sends_after(0, RELAY_HELLO);
	for (unsigned int i = 0; i < 9; i++)
		sends_after(50u * MS_US << i, RELAY_HELLO);
	for (unsigned int i = 0; i < 20; i++)
		sends_after(20u * SECOND_US, RELAY_HELLO);
	relayed_end(&w);
}

TEST(relay_leg, binds_at_once_when_the_cookie_is_there)
{
	relayed_begin(&w, &(struct relay_config){ 0 });
	party_begin(&w, &a, "203.0.113.1:1");
	relayed_settle(&w);
	cr_assert_eq(a.leg.state, RELAY_LEG_READY);
	cr_assert(address_equal(&a.leg.observed, &a.at));
	relay_leg_bind(&a.leg, (uint8_t[RELAY_SESSION_BYTES]){ 1 }, w.now_us);
	sends_after(0, RELAY_BIND);
	cr_assert_eq(a.leg.state, RELAY_LEG_BINDING);
	for (unsigned int i = 0; i < 4; i++)
		sends_after(50u * MS_US << i, RELAY_BIND);
	relayed_end(&w);
}

/* The leg lives for so long with the relay there: the longest silence between two sends. */
static uint64_t longest_silence(uint64_t us)
{
	uint64_t end = w.now_us + us, longest = 0;

	while (w.now_us < end) {
		uint64_t next = relay_leg_deadline(&a.leg);

		cr_assert_gt(next, w.now_us);
		if (next - w.now_us > longest)
			longest = next - w.now_us;
		w.now_us = next;
		relayed_settle(&w);
	}
	return longest;
}

TEST(relay_leg, keeps_its_mapping_alive)
{
	struct relay_counters counters;

	relayed_begin(&w, &(struct relay_config){ .quota.idle_s = 30 });
	party_begin(&w, &a, "203.0.113.1:1");
	relayed_settle(&w);
	cr_assert_leq(longest_silence(3600ull * SECOND_US), 25u * SECOND_US);
	cr_assert_eq(a.leg.state, RELAY_LEG_READY);
	relay_leg_bind(&a.leg, (uint8_t[RELAY_SESSION_BYTES]){ 1 }, w.now_us);
	relayed_settle(&w);
	cr_assert_leq(longest_silence(3600ull * SECOND_US), 25u * SECOND_US);
	cr_assert_eq(a.leg.state, RELAY_LEG_BOUND);
	relay_count(w.relay, &counters);
	cr_assert_eq(counters.stale, 0, "each answer brought the next cookie");
	relayed_end(&w);
}

static void begin_bound(void)
{
	relayed_begin(&w, &(struct relay_config){ 0 });
	party_bind(&w, &a, "203.0.113.1:1", 1);
	party_bind(&w, &b, "203.0.113.2:2", 1);
}

TEST(relay_leg, notices_a_dead_relay)
{
	begin_bound();
	sends_after(15u * SECOND_US, RELAY_BIND);
	for (unsigned int i = 0; i < 4; i++) {
		sends_after(50u * MS_US << i, RELAY_BIND);
		cr_assert_eq(a.leg.state, RELAY_LEG_BOUND);
	}
	sends_after(800u * MS_US, RELAY_BIND);
	cr_assert_eq(a.leg.state, RELAY_LEG_BINDING);
	relayed_end(&w);
}

TEST(relay_leg, comes_back_to_a_relay_that_forgot_it)
{
	struct relay *before;

	begin_bound();
	before = w.relay;
	w.relay = NULL;
	cr_assert_eq(relay_new(&w.relay, &(struct relay_config){ .seed = { 9 }, .quota.idle_s = 60,
				.sessions_max = 10 }, w.now_us), 0);
	relay_free(before);
	cr_assert_not(party_say(&w, &a, 5));
	w.now_us += 15u * SECOND_US;
	relayed_settle(&w);
	cr_assert_eq(a.leg.state, RELAY_LEG_BOUND);
	cr_assert(party_say(&w, &a, 5));
	cr_assert_eq(b.datas, 1);
	relayed_end(&w);
}

TEST(relay_leg, does_not_hurry_when_its_cookies_are_never_taken)
{
	struct relay_message m = { .type = RELAY_REFUSED, .reason = RELAY_STALE };
	uint8_t p[RELAY_CONTROL_BYTES];
	unsigned int sent = 0;
	const uint8_t *payload;
	size_t len, payload_len;

	begin_bound();
	memcpy(m.session, a.leg.session, sizeof m.session);
	memcpy(m.nonce, a.leg.nonce, sizeof m.nonce);
	for (unsigned int ms = 0; ms < 60000; ms++) {
		w.now_us += MS_US;
		while ((len = relay_leg_next(&a.leg, w.now_us, p)) > 0) {
			enum relay_type type = p[0];

			sent++;
			m.type = type == RELAY_HELLO ? RELAY_COOKIE : RELAY_REFUSED;
			m.reason = type == RELAY_HELLO ? 0 : RELAY_STALE;
			len = relay_put(&m, p);
			relay_leg_receive(&a.leg, w.now_us, &w.at, p, len, &payload, &payload_len);
		}
	}
	cr_assert_gt(sent, 4);
	cr_assert_lt(sent, 40);
	relayed_end(&w);
}

static enum relay_leg_got hears(const struct address *from, const struct relay_message *m)
{
	const uint8_t *payload;
	size_t payload_len;
	uint8_t p[RELAY_CONTROL_BYTES];

	return relay_leg_receive(&a.leg, w.now_us, from, p, relay_put(m, p), &payload,
				 &payload_len);
}

TEST(relay_leg, believes_its_relay_and_its_nonce_only)
{
	struct relay_message m = { .type = RELAY_REFUSED, .reason = RELAY_FULL };
	struct address other = address_at("198.51.100.1:3479");

	begin_bound();
	memcpy(m.session, a.leg.session, sizeof m.session);
	memcpy(m.nonce, b.leg.nonce, sizeof m.nonce);
	cr_assert_eq(hears(&w.at, &m), RELAY_GOT_NOTHING, "the other leg's nonce");
	memcpy(m.nonce, a.leg.nonce, sizeof m.nonce);
	cr_assert_eq(hears(&other, &m), RELAY_GOT_NOTHING, "another address");
	m.session[0] ^= 1;
	cr_assert_eq(hears(&w.at, &m), RELAY_GOT_NOTHING, "another session");
	m.session[0] ^= 1;
	cr_assert_eq(a.leg.state, RELAY_LEG_BOUND);
	cr_assert_eq(hears(&w.at, &m), RELAY_GOT_CONTROL);
	cr_assert_eq(a.leg.error, -ENOSPC);
	cr_assert_eq(relay_leg_deadline(&a.leg), UINT64_MAX, "it does not try by itself");
	relayed_end(&w);
}

TEST(relay_leg, hands_on_data_of_its_session_only)
{
	const uint8_t *payload = NULL;
	uint8_t p[RELAY_HEADER_BYTES + 3];
	size_t len = 0;

	begin_bound();
	relay_leg_header(&a.leg, p);
	memcpy(p + RELAY_HEADER_BYTES, "abc", 3);
	cr_assert_eq(relay_leg_receive(&a.leg, w.now_us, &w.at, p, sizeof p, &payload, &len),
		     RELAY_GOT_DATA);
	cr_assert_eq(payload, p + RELAY_HEADER_BYTES);
	cr_assert_eq(len, 3);
	relay_leg_moved(&a.leg, w.now_us);
	cr_assert_eq(relay_leg_receive(&a.leg, w.now_us, &w.at, p, sizeof p, &payload, &len),
		     RELAY_GOT_DATA, "the old address may be bound still");
	p[7] ^= 1;
	cr_assert_eq(relay_leg_receive(&a.leg, w.now_us, &w.at, p, sizeof p, &payload, &len),
		     RELAY_GOT_NOTHING);
	relayed_end(&w);
}
