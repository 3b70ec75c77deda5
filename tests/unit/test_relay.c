/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The relay's two halves against each other: binding, moving, forwarding, ending.
 */
#include <errno.h>
#include <malloc.h>
#include <string.h>

#include "harness.h"
#include "relayed.h"

#define SECOND_US 1000000u
#define ONE "203.0.113.1:1001"
#define TWO "203.0.113.2:1002"
#define THREE "203.0.113.3:1003"
#define FOUR "203.0.113.4:1004"

static struct relayed w;
static struct party a, b, c;

/* a and b are bound to one session. */
static void begin_pair(const struct relay_config *config)
{
	relayed_begin(&w, config);
	party_bind(&w, &a, ONE, 1);
	party_bind(&w, &b, TWO, 1);
	cr_assert_eq(a.leg.state, RELAY_LEG_BOUND);
	cr_assert_eq(b.leg.state, RELAY_LEG_BOUND);
}

static struct relay_counters count(void)
{
	struct relay_counters counters;

	relay_count(w.relay, &counters);
	return counters;
}

TEST(relay, forwards_between_two_bound_legs)
{
	begin_pair(&(struct relay_config){ .quota = { 1 << 20, 5000, 30, 3600 } });
	cr_assert(party_say(&w, &a, 5));
	cr_assert_eq(b.datas, 1);
	cr_assert_eq(b.got_len, 5);
	cr_assert_arr_eq(b.got, "xxxxx", 5);
	cr_assert(party_say(&w, &b, 0), "an empty payload is one, too");
	cr_assert_eq(a.datas, 1);
	cr_assert_eq(count().forwarded, 2);
	cr_assert_eq(count().bytes, 5);
	relayed_end(&w);
}

TEST(relay, tells_quota_and_addresses_to_both)
{
	static const struct relay_quota quota = { 1 << 20, 5000, 30, 3600 };

	begin_pair(&(struct relay_config){ .quota = quota });
	for (unsigned int i = 0; i < 2; i++) {
		struct party *me = i ? &b : &a, *other = i ? &a : &b;

		cr_assert_eq(me->leg.quota.bytes, quota.bytes);
		cr_assert_eq(me->leg.quota.packets_s, quota.packets_s);
		cr_assert_eq(me->leg.quota.idle_s, quota.idle_s);
		cr_assert_eq(me->leg.quota.lasts_s, quota.lasts_s);
		cr_assert(address_equal(&me->leg.observed, &me->at));
		cr_assert(address_equal(&me->leg.peer, &other->at));
	}
	relayed_end(&w);
}

TEST(relay, forwards_nothing_for_one_leg_or_a_stranger)
{
	relayed_begin(&w, &(struct relay_config){ 0 });
	party_bind(&w, &a, ONE, 1);
	cr_assert_eq(a.leg.peer.family, 0);
	cr_assert_not(party_say(&w, &a, 5), "the other leg is not there");
	party_bind(&w, &b, TWO, 1);
	party_begin(&w, &c, THREE);
	memcpy(c.leg.session, a.leg.session, sizeof c.leg.session);
	cr_assert_not(party_say(&w, &c, 5), "an address that is not bound");
	c.at = address_at("203.0.113.1:1002");
	cr_assert_not(party_say(&w, &c, 5), "a leg's IP, another port");
	a.leg.session[6] ^= 1;
	cr_assert_not(party_say(&w, &a, 5), "no such session");
	cr_assert_eq(a.datas + b.datas, 0);
	cr_assert_eq(count().strange, 4);
	relayed_end(&w);
}

TEST(relay, refuses_a_third_leg)
{
	begin_pair(&(struct relay_config){ 0 });
	party_bind(&w, &c, THREE, 1);
	cr_assert_eq(c.leg.state, RELAY_LEG_REFUSED);
	cr_assert_eq(c.leg.error, -EADDRINUSE);
	cr_assert_gt(c.leg.retry_after_s, 0);
	cr_assert_not(party_say(&w, &c, 5));
	cr_assert(party_say(&w, &a, 5));
	cr_assert_eq(b.datas, 1);
	cr_assert_eq(c.datas, 0);
	relayed_end(&w);
}

/* ---- cookies ---- */

/* What the relay answers to a BIND with this cookie from there. */
static enum relay_type bind_with(const uint8_t *cookie, const uint8_t *nonce,
				 const struct address *from)
{
	struct relay_message m = { .type = RELAY_BIND, .session = { 9 } };
	uint8_t bytes[RELAY_CONTROL_BYTES];
	struct relay_out out;

	memcpy(m.nonce, nonce, sizeof m.nonce);
	memcpy(m.cookie, cookie, sizeof m.cookie);
	relayed_receive(&w, from, bytes, relay_put(&m, bytes), &out);
	cr_assert_eq(out.sends_n, 1);
	cr_assert(address_equal(&out.sends[0].to, from));
	cr_assert_eq(relay_parse(out.sends[0].bytes, out.sends[0].len, &m), 0);
	if (m.type == RELAY_REFUSED)
		cr_assert_eq(m.reason, RELAY_STALE);
	return m.type;
}

TEST(relay, takes_a_cookie_only_as_it_was_made)
{
	uint8_t cookie[RELAY_COOKIE_BYTES], nonce[RELAY_NONCE_BYTES];
	struct address other = address_at("203.0.113.1:1002");

	relayed_begin(&w, &(struct relay_config){ 0 });
	party_begin(&w, &a, ONE);
	relayed_settle(&w);
	cr_assert_eq(a.leg.state, RELAY_LEG_READY);
	memcpy(nonce, a.leg.nonce, sizeof nonce);
	for (unsigned int bit = 0; bit < sizeof cookie * 8; bit++) {
		memcpy(cookie, a.leg.cookie, sizeof cookie);
		cookie[bit / 8] ^= (uint8_t)(1 << bit % 8);
		cr_assert_eq(bind_with(cookie, nonce, &a.at), RELAY_REFUSED, "bit %u", bit);
	}
	memcpy(cookie, a.leg.cookie, sizeof cookie);
	cr_assert_eq(bind_with(cookie, nonce, &other), RELAY_REFUSED, "another address");
	nonce[0] ^= 1;
	cr_assert_eq(bind_with(cookie, nonce, &a.at), RELAY_REFUSED, "another nonce");
	nonce[0] ^= 1;
	cr_assert_eq(count().sessions, 0);
	cr_assert_eq(bind_with(cookie, nonce, &a.at), RELAY_BOUND);
	relayed_end(&w);
}

TEST(relay, forgets_cookies_after_two_slots)
{
	relayed_begin(&w, &(struct relay_config){ .quota.idle_s = 1 });
	party_begin(&w, &a, ONE);
	relayed_settle(&w);
	w.now_us += 120u * SECOND_US;
	cr_assert_eq(bind_with(a.leg.cookie, a.leg.nonce, &a.at), RELAY_BOUND, "the slot before");
	w.now_us += 120u * SECOND_US;
	cr_assert_eq(bind_with(a.leg.cookie, a.leg.nonce, &a.at), RELAY_REFUSED);
	relayed_end(&w);
}

TEST(relay, forgets_cookies_during_a_pause)
{
	relayed_begin(&w, &(struct relay_config){ 0 });
	party_begin(&w, &a, ONE);
	relayed_settle(&w);
	w.now_us += 100000ull * SECOND_US;
	cr_assert_eq(bind_with(a.leg.cookie, a.leg.nonce, &a.at), RELAY_REFUSED);
	relayed_end(&w);
}

/* ---- moving and leaving ---- */

TEST(relay, follows_a_leg_that_moves)
{
	begin_pair(&(struct relay_config){ 0 });
	a.at = address_at(FOUR);
	cr_assert_not(party_say(&w, &a, 5), "not before it has proved the new address");
	relay_leg_moved(&a.leg, w.now_us);
	relayed_settle(&w);
	cr_assert_eq(a.leg.state, RELAY_LEG_BOUND);
	cr_assert(address_equal(&a.leg.observed, &a.at));
	cr_assert(address_equal(&b.leg.peer, &a.at), "the other leg is told");
	cr_assert(party_say(&w, &a, 5));
	cr_assert(party_say(&w, &b, 5));
	cr_assert_eq(a.datas, 1);
	a.at = address_at(ONE);
	cr_assert_not(party_say(&w, &a, 5), "the old address is not bound any more");
	relayed_end(&w);
}

TEST(relay, does_not_move_a_leg_by_another_address_cookie)
{
	struct address thief = address_at(THREE);
	struct relay_message m = { .type = RELAY_BIND };
	uint8_t bytes[RELAY_CONTROL_BYTES];
	struct relay_out out;

	begin_pair(&(struct relay_config){ 0 });
	memcpy(m.session, a.leg.session, sizeof m.session);
	memcpy(m.nonce, a.leg.nonce, sizeof m.nonce);
	memcpy(m.cookie, a.leg.cookie, sizeof m.cookie);
	relayed_receive(&w, &thief, bytes, relay_put(&m, bytes), &out);
	cr_assert_eq(out.sends_n, 1);
	cr_assert_eq(out.sends[0].bytes[0], RELAY_REFUSED);
	cr_assert(party_say(&w, &b, 5));
	cr_assert_eq(a.datas, 1);
	relayed_end(&w);
}

TEST(relay, keeps_two_legs_apart)
{
	begin_pair(&(struct relay_config){ 0 });
	memcpy(b.leg.nonce, a.leg.nonce, sizeof b.leg.nonce);
	relay_leg_moved(&b.leg, w.now_us);
	relayed_settle(&w);
	cr_assert_eq(b.leg.state, RELAY_LEG_REFUSED, "one's nonce at the other's address");
	cr_assert(party_say(&w, &a, 5));
	relayed_end(&w);
}

TEST(relay, knows_a_leg_that_was_born_again)
{
	begin_pair(&(struct relay_config){ 0 });
	party_bind(&w, &c, ONE, 1);
	cr_assert_eq(c.leg.state, RELAY_LEG_BOUND, "another nonce, at a bound address");
	cr_assert(party_say(&w, &b, 5));
	cr_assert_eq(c.datas, 1);
	relayed_end(&w);
}

TEST(relay, ends_a_session_for_both_by_close)
{
	uint8_t bytes[RELAY_CONTROL_BYTES];
	struct relay_out out;
	size_t len;

	begin_pair(&(struct relay_config){ 0 });
	len = relay_leg_close(&a.leg, bytes);
	cr_assert_eq(len, RELAY_CONTROL_BYTES);
	cr_assert_eq(a.leg.state, RELAY_LEG_IDLE);
	bytes[8] ^= 1;
	relayed_receive(&w, &a.at, bytes, len, &out);
	cr_assert_eq(count().sessions, 1, "not its nonce");
	bytes[8] ^= 1;
	relayed_receive(&w, &b.at, bytes, len, &out);
	cr_assert_eq(count().sessions, 1, "not its address");
	relayed_receive(&w, &a.at, bytes, len, &out);
	cr_assert_eq(count().sessions, 0);
	cr_assert_eq(b.leg.state, RELAY_LEG_REFUSED);
	cr_assert_eq(b.leg.error, -ECONNRESET);
	relayed_end(&w);
}

/* ---- what a session may use ---- */

TEST(relay, ends_a_session_whose_bytes_are_used_up)
{
	begin_pair(&(struct relay_config){ .quota.bytes = 1000 });
	cr_assert(party_say(&w, &a, 600));
	cr_assert(party_say(&w, &b, 400));
	cr_assert_not(party_say(&w, &a, 1));
	cr_assert_eq(a.leg.error, -EDQUOT);
	cr_assert_eq(b.leg.error, -EDQUOT);
	cr_assert_eq(a.leg.retry_after_s, 60);
	cr_assert_not(party_say(&w, &b, 0), "over is over");
	relay_leg_bind(&a.leg, a.leg.session, w.now_us);
	relayed_settle(&w);
	cr_assert_eq(a.leg.error, -EDQUOT, "binding anew does not fill it up");
	w.now_us += 62u * SECOND_US;
	relay_leg_bind(&a.leg, a.leg.session, w.now_us);
	relayed_settle(&w);
	cr_assert_eq(a.leg.state, RELAY_LEG_BOUND, "what retry_after_s promised");
	relayed_end(&w);
}

TEST(relay, ends_a_session_after_its_lifetime)
{
	begin_pair(&(struct relay_config){ .quota = { .idle_s = 1000, .lasts_s = 100 } });
	w.now_us += 99u * SECOND_US;
	cr_assert(party_say(&w, &a, 1));
	w.now_us += SECOND_US;
	cr_assert_not(party_say(&w, &a, 1));
	cr_assert_eq(a.leg.error, -EDQUOT);
	cr_assert_eq(b.leg.error, -EDQUOT);
	relayed_end(&w);
}

static unsigned int say_many(struct party *p, unsigned int n)
{
	unsigned int passed = 0;

	while (n-- > 0)
		passed += party_say(&w, p, 10);
	return passed;
}

TEST(relay, limits_the_rate_of_each_way)
{
	begin_pair(&(struct relay_config){ .quota.packets_s = 1000 });
	cr_assert_eq(say_many(&a, 1000), 250, "the burst");
	cr_assert_eq(say_many(&b, 1000), 250, "the other way has its own");
	cr_assert_eq(count().limited, 1500);
	w.now_us += SECOND_US / 10;
	cr_assert_eq(say_many(&a, 1000), 100);
	w.now_us += 10u * SECOND_US;
	cr_assert_eq(say_many(&a, 1000), 250, "what is not used is not saved");
	relayed_end(&w);
}

TEST(relay, cuts_a_train_at_the_rate)
{
	uint8_t train[100 * 20] = { 0 };
	struct relay_out out;

	begin_pair(&(struct relay_config){ .quota.packets_s = 100 });
	for (unsigned int i = 0; i < 100; i++)
		relay_leg_header(&a.leg, train + i * 20);
	relay_receive(w.relay, w.now_us, 0, &a.at, train, sizeof train, 20, &out);
	cr_assert_eq(out.forward, 64 * 20);
	cr_assert_eq(count().forwarded, 64);
	cr_assert_eq(count().bytes, 64 * 12);
	cr_assert_eq(count().limited, 36);
	relayed_end(&w);
}

/* ---- trains ---- */

TEST(relay, finds_runs_of_one_session)
{
	uint8_t p[100] = { 0 };

	for (unsigned int i = 0; i < 5; i++)
		p[i * 20] = RELAY_DATA;
	cr_assert_eq(relay_run(p, 100, 20), 100);
	cr_assert_eq(relay_run(p, 89, 20), 89, "the last one is shorter");
	cr_assert_eq(relay_run(p, 88, 20), 88);
	cr_assert_eq(relay_run(p, 87, 20), 80, "too short for a header");
	p[60 + 7] = 1;
	cr_assert_eq(relay_run(p, 100, 20), 60, "another session");
	p[20] = RELAY_HELLO;
	cr_assert_eq(relay_run(p, 100, 20), 20, "another type");
	p[0] = RELAY_HELLO;
	p[20] = RELAY_HELLO;
	cr_assert_eq(relay_run(p, 100, 20), 20, "control goes alone");
	cr_assert_eq(relay_run(p, 20, 20), 20);
	cr_assert_eq(relay_run(p, 7, 3), 3, "no headers at all");
	cr_assert_eq(relay_run(p, 7, 0), 7);
}

/* ---- limits of the relay ---- */

TEST(relay, is_full_and_then_not)
{
	relayed_begin(&w, &(struct relay_config){ .sessions_max = 2, .quota.idle_s = 10 });
	party_bind(&w, &a, ONE, 1);
	party_bind(&w, &b, TWO, 2);
	party_bind(&w, &c, THREE, 3);
	cr_assert_eq(c.leg.error, -ENOSPC);
	cr_assert_gt(c.leg.retry_after_s, 0);
	w.now_us += 12u * SECOND_US;
	w.parties_n = 0;
	party_bind(&w, &c, THREE, 3);
	cr_assert_eq(c.leg.state, RELAY_LEG_BOUND, "idle ones make place");
	relayed_end(&w);
}

TEST(relay, caps_the_legs_of_one_ip)
{
	struct party more[3];

	relayed_begin(&w, &(struct relay_config){ .sessions_per_ip = 2 });
	party_bind(&w, &a, "203.0.113.1:1", 1);
	party_bind(&w, &b, "203.0.113.1:2", 1);
	party_bind(&w, &c, "203.0.113.1:3", 2);
	cr_assert_eq(c.leg.error, -EUSERS);
	cr_assert_eq(count().sessions, 1, "nothing is left of the attempt");
	party_bind(&w, &more[0], "[2001:db8::1]:1", 3);
	party_bind(&w, &more[1], "[2001:db8::2]:1", 3);
	party_bind(&w, &more[2], "[2001:db8::3:0:0:3]:1", 4);
	cr_assert_eq(more[1].leg.state, RELAY_LEG_BOUND);
	cr_assert_eq(more[2].leg.error, -EUSERS, "a /64 is one");
	a.at = address_at(TWO);
	relay_leg_moved(&a.leg, w.now_us);
	relay_leg_bind(&c.leg, c.leg.session, w.now_us);
	relayed_settle(&w);
	cr_assert_eq(a.leg.state, RELAY_LEG_BOUND);
	relay_leg_bind(&c.leg, c.leg.session, w.now_us);
	relayed_settle(&w);
	cr_assert_eq(c.leg.state, RELAY_LEG_BOUND, "who moved away makes place");
	relayed_end(&w);
}

TEST(relay, forgets_the_ips_of_ended_sessions)
{
	relayed_begin(&w, &(struct relay_config){ .sessions_max = 1, .sessions_per_ip = 1 });
	for (unsigned int i = 0; i < 20; i++) {
		w.parties_n = 0;
		party_bind(&w, &a, i % 2 ? ONE : THREE, (uint8_t)i);
		party_bind(&w, &b, i % 2 ? TWO : FOUR, (uint8_t)i);
		cr_assert_eq(a.leg.state, RELAY_LEG_BOUND, "round %u", i);
		cr_assert_eq(b.leg.state, RELAY_LEG_BOUND, "round %u", i);
		w.now_us += 62u * SECOND_US;
		relay_timer(w.relay, w.now_us);
		cr_assert_eq(count().sessions, 0);
	}
	relayed_end(&w);
}

TEST(relay, ends_idle_sessions_by_itself)
{
	begin_pair(&(struct relay_config){ .quota.idle_s = 30 });
	w.parties_n = 0;
	cr_assert_neq(relay_deadline(w.relay), UINT64_MAX);
	for (unsigned int i = 0; i < 25; i++) {
		w.now_us += SECOND_US;
		cr_assert(party_say(&w, &a, 1), "traffic keeps it");
	}
	while (w.now_us < 1000000000u + 55u * SECOND_US) {
		cr_assert_leq(relay_deadline(w.relay), w.now_us + SECOND_US);
		w.now_us += SECOND_US / 4;
		relay_timer(w.relay, w.now_us);
		cr_assert_eq(count().sessions, 1);
	}
	w.now_us += 2u * SECOND_US;
	cr_assert_not(party_say(&w, &a, 1), "gone, whether swept or not");
	relay_timer(w.relay, w.now_us);
	cr_assert_eq(count().sessions, 0);
	w.now_us += SECOND_US;
	relay_timer(w.relay, w.now_us);
	cr_assert_eq(relay_deadline(w.relay), UINT64_MAX, "nothing to sweep");
	relayed_end(&w);
}

TEST(relay, needs_little_for_an_idle_session)
{
	static const uint32_t sessions = 10000;
#if defined(__SANITIZE_ADDRESS__)
	const bool counted = false;
#else
	const bool counted = true;
#endif
	struct mallinfo2 before = mallinfo2(), after;
	uint64_t used;

	NEED(counted, "malloc's own count is wanted, which the sanitizers' allocator has not");
	relayed_begin(&w, &(struct relay_config){ .sessions_max = sessions });
	for (uint32_t i = 0; i < 2 * sessions; i++) {
		struct party p;

		w.parties_n = 0;
		party_begin(&w, &p, ONE);
		p.at.ip[1] = (uint8_t)(i >> 16);
		p.at.ip[2] = (uint8_t)(i >> 8);
		p.at.ip[3] = (uint8_t)i;
		relay_leg_bind(&p.leg, (uint8_t[RELAY_SESSION_BYTES]){ (uint8_t)(i / 2),
				       (uint8_t)(i / 2 >> 8) }, w.now_us);
		relayed_settle(&w);
		cr_assert_eq(p.leg.state, RELAY_LEG_BOUND);
	}
	cr_assert_eq(count().sessions, sessions);
	after = mallinfo2();
	used = after.uordblks + after.hblkhd - before.uordblks - before.hblkhd;
	fprintf(stderr, "relay: %.1f bytes per idle session\n", (double)used / sessions);
	cr_assert_gt(used / sessions, sizeof(struct address) * 2, "it was counted");
	cr_assert_leq(used / sessions, 1024);
	relayed_end(&w);
}

TEST(relay, wants_sensible_limits)
{
	static struct address own[RELAY_OWN_MAX + 1];
	struct relay_config config = { .quota.idle_s = 1, .sessions_max = 1 };
	struct relay *r = NULL;

	config.quota.idle_s = 0;
	cr_assert_eq(relay_new(&r, &config, 0), -EINVAL);
	config.quota.idle_s = 1;
	config.sessions_max = 0;
	cr_assert_eq(relay_new(&r, &config, 0), -EINVAL);
	config.sessions_max = (1 << 24) + 1;
	cr_assert_eq(relay_new(&r, &config, 0), -EINVAL);
	config.sessions_max = 1;
	config.own = own;
	config.own_n = RELAY_OWN_MAX + 1;
	cr_assert_eq(relay_new(&r, &config, 0), -EINVAL);
	cr_assert_null(r);
}
