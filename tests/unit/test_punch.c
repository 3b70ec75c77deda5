/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the punching engine does by itself, without NATs: trying anew, choosing, keeping a path,
 * leaving it.
 */
#include <string.h>

#include "../../libintro/punch/probe.h"
#include "../../libintro/punch/signal.h"
#include "duel.h"
#include "harness.h"
#include "villain.h"

#define SECOND_US 1000000u
#define SIGNAL_FIRST 0x10u	/* a signal's first byte is its kind and this */

static const uint8_t data[1000] = { 0x40 };

static bool between_ends(const struct duel_item *item)
{
	return !item->signal && item->from_end < 2 && item->to_end < 2;
}

static unsigned int signals_of(const struct duel *d, unsigned int end, enum signal_kind kind)
{
	unsigned int n = 0;

	for (size_t i = 0; i < d->sent_n; i++)
		n += d->sent[i].end == end && d->sent[i].signal &&
		     d->sent[i].first == (SIGNAL_FIRST | kind);
	return n;
}

/* Nothing comes through to the first sockets. */
static void first_sockets_fail(struct duel *d, struct duel_item *item)
{
	(void)d;
	item->drop = item->drop || (between_ends(item) && item->to.port == 4000);
}

TEST(punch, a_failed_generation_is_followed_by_fresh_sockets_and_swapped_roles)
{
	struct duel_config c;
	struct duel d;

	duel_default(&c, 1);
	c.hook = first_sockets_fail;
	duel_begin(&d, &c);
	cr_assert(duel_meet(&d, 10 * SECOND_US));
	/* the answerer invites now, once it is told that nothing came of the first try */
	cr_assert_eq(signals_of(&d, 0, SIGNAL_OFFER), 1);
	cr_assert_eq(signals_of(&d, 0, SIGNAL_START), 1);
	cr_assert_eq(signals_of(&d, 1, SIGNAL_INVITE), 1);
	cr_assert_eq(signals_of(&d, 0, SIGNAL_ACCEPT), 1);
	for (unsigned int i = 0; i < 2; i++)
		cr_assert_neq(punch_path(d.ends[i].punch)->socket, 0);
	duel_end(&d);
}

/* ---- two paths ---- */

/* A second network joins both ends, where their addresses end in 100 more. */
static bool is_other(const struct address *a)
{
	return a->ip[3] >= 100 && a->ip[0] == 198;
}

struct two_paths {
	struct random random;
	uint32_t jitter_us, slower_us;	/* slower: the second */
};

static void join_twice(struct duel *d, struct duel_item *item)
{
	struct two_paths *t = d->arg;

	if (item->signal || item->drop)
		return;
	if (is_other(&item->to)) {
		item->to.ip[3] = (uint8_t)(item->to.ip[3] - 100);
		item->from.ip[3] = (uint8_t)(item->from.ip[3] + 100);
		item->to_end = 1 - item->from_end;
		item->at_us += t->slower_us;
	}
	item->at_us += random_below(&t->random, t->jitter_us);
}

static void two_paths(struct duel *d, struct two_paths *t, uint32_t slower_us)
{
	struct duel_config c;

	memset(t, 0, sizeof *t);
	random_init(&t->random, (const uint8_t[RANDOM_SEED_BYTES]){ 4 });
	t->jitter_us = 8000;
	t->slower_us = slower_us;
	duel_default(&c, 2);
	for (unsigned int i = 0; i < 2; i++) {
		c.ends[i].mapped = c.locals[i][0].address;
		c.ends[i].mapped.ip[3] = (uint8_t)(c.ends[i].mapped.ip[3] + 100);
	}
	c.hook = join_twice;
	c.arg = t;
	duel_begin(d, &c);
	cr_assert(duel_meet(d, SECOND_US));
}

TEST(punch, there_is_no_flapping_between_paths_of_like_quality)
{
	struct two_paths t;
	struct duel d;

	two_paths(&d, &t, 0);
	/* two hours, in which each beat measures anew */
	for (unsigned int i = 0; i < 7200; i++) {
		duel_run(&d, (1 + (uint64_t)i) * SECOND_US);
		duel_say(&d, i % 2, data, sizeof data);
	}
	cr_assert_gt(d.ends[0].datas, 3500u);
	cr_assert_leq(d.ends[0].moved, 1u, "%u moves", d.ends[0].moved);
	cr_assert_leq(d.ends[1].moved, 2u, "%u moves", d.ends[1].moved);
	cr_assert(address_same_ip(&d.ends[0].data_from, &punch_path(d.ends[0].punch)->to),
		  "both use one path");
	duel_end(&d);
}

/* ---- keeping ---- */

static void narrow(struct duel *d, struct duel_item *item)
{
	(void)d;
	item->drop = item->drop || (between_ends(item) && item->len >= PROBE_PADDED_BYTES);
}

TEST(punch, a_path_that_is_too_narrow_for_data_is_left)
{
	struct duel_config c;
	struct duel d;

	duel_default(&c, 3);
	c.relay = true;
	c.hook = narrow;
	duel_begin(&d, &c);
	cr_assert(duel_meet(&d, SECOND_US));
	duel_run(&d, 10 * SECOND_US);
	for (unsigned int i = 0; i < 2; i++)
		cr_assert_eq(punch_path(d.ends[i].punch)->kind, PUNCH_PATH_RELAYED, "end %u", i);
	duel_end(&d);
}

static unsigned int checks_since(const struct duel *d, unsigned int end, uint64_t since_us)
{
	unsigned int n = 0;

	for (size_t i = 0; i < d->sent_n; i++)
		n += d->sent[i].end == end && !d->sent[i].signal &&
		     d->sent[i].first == PROBE_CHECK && d->sent[i].at_us >= since_us;
	return n;
}

TEST(punch, an_idle_path_costs_one_check_each_15_seconds)
{
	struct duel_config c;
	struct duel d;
	uint64_t since;

	duel_default(&c, 4);
	duel_begin(&d, &c);
	duel_run(&d, 10 * SECOND_US);
	since = d.now_us;
	duel_run(&d, 160 * SECOND_US);
	for (unsigned int i = 0; i < 2; i++) {
		cr_assert_geq(checks_since(&d, i, since), 9u);
		cr_assert_leq(checks_since(&d, i, since), 11u);
		cr_assert_eq(d.ends[i].connected + d.ends[i].moved, 1);
	}
	duel_end(&d);
}

/* ---- telling no address ---- */

static void no_address(struct duel *d, struct duel_item *item)
{
	struct signal s;

	(void)d;
	if (!item->signal)
		return;
	cr_assert_eq(signal_read(item->bytes, item->len, &s), 0);
	cr_assert_eq(s.candidates.n, 0, "an address is told");
	cr_assert_eq(s.nat.external.family, 0);
}

TEST(punch, relay_only_tells_no_address_and_uses_none)
{
	struct duel_config c;
	struct address relay;
	struct duel d;

	duel_default(&c, 5);
	c.stun = c.relay = true;
	c.ends[0].relay_only = c.ends[1].relay_only = true;
	c.hook = no_address;
	duel_begin(&d, &c);
	relay = d.relay_at;
	duel_run(&d, 20 * SECOND_US);
	for (unsigned int i = 0; i < 2; i++) {
		cr_assert_eq(punch_path(d.ends[i].punch)->kind, PUNCH_PATH_RELAYED);
		for (size_t n = 0; n < d.sent_n; n++)
			cr_assert(d.sent[n].signal || address_equal(&d.sent[n].to, &relay));
	}
	duel_end(&d);
}

/* One end alone hides: the other's candidates are of no use to it, and it answers none. */
TEST(punch, one_end_that_hides_is_not_seen)
{
	struct duel_config c;
	struct duel d;

	for (unsigned int hidden = 0; hidden < 2; hidden++) {
		duel_default(&c, 6);
		c.relay = true;
		c.ends[hidden].relay_only = true;
		duel_begin(&d, &c);
		duel_run(&d, 20 * SECOND_US);
		cr_assert_eq(duel_sent_to(&d, hidden, &d.ends[1 - hidden].host), 0,
			     "end %u shows itself", hidden);
		for (unsigned int i = 0; i < 2; i++)
			cr_assert_eq(punch_path(d.ends[i].punch)->kind, PUNCH_PATH_RELAYED);
		duel_end(&d);
	}
}

TEST(punch, bye_ends_it)
{
	for (unsigned int victim = 0; victim < 2; victim++) {
		struct signal s = { .opened = true };
		struct duel_config c;
		struct address own;
		struct villain v;
		struct duel d;
		size_t sent;

		duel_default(&c, 7);
		villain_config(&v, &c, victim);
		own = c.locals[1 - victim][0].address;
		candidates_add(&s.candidates, CANDIDATE_HOST, &own);
		villain_begin(&v, &d, &c, &s);
		cr_assert_eq(d.ends[victim].failed, 0);
		villain_say(&v, SIGNAL_BYE, &s);
		cr_assert_eq(d.ends[victim].failed, 1);
		cr_assert_eq(d.ends[victim].events[d.ends[victim].events_n - 1].reason,
			     PUNCH_REASON_CLOSED);
		sent = d.sent_n;
		villain_wait(&v, 60 * SECOND_US);
		cr_assert_eq(d.sent_n, sent, "something was sent after the end");
		duel_end(&d);
	}
}
