/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Claim 9, of introductions between hosts: a datagram or a signal that was recorded and is sent
 * again, to whom it was for, back to its sender or to the ends of another introduction, from
 * where it came or from elsewhere, at once or later, changes nothing but counters.
 *
 * The same duel is played again for each item and way, with one more item in it, and must come
 * out as before: the same events, the same paths, the same datagrams at the same moments.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "duel.h"
#include "harness.h"

#define LASTS_US 4000000u
#define ITEMS_MAX 256u

/* Every item of a duel, as it was sent. */
struct record {
	struct duel_item items[ITEMS_MAX];
	size_t n;
};

enum way { AGAIN, ELSEWHERE, LATER, LATER_ELSEWHERE, CONNECTED, REFLECTED, WAYS };

/* What is to be sent again in a duel that is being played. */
struct replay_plan {
	const struct duel_item *item;
	size_t wait;		/* items of the duel before it goes */
	enum way way;
	unsigned int to_end;
	size_t answered;	/* bytes that went to the attacker's address */
};

static const struct address attacker = { .family = 4, .port = 666, .ip = { 198, 51, 100, 66 } };

static void note_item(struct duel *d, struct duel_item *item)
{
	struct record *r = d->arg;

	cr_assert_lt(r->n, ITEMS_MAX);
	r->items[r->n++] = *item;
}

static uint64_t moment(enum way way, const struct duel *d)
{
	switch (way) {
	case LATER:
	case LATER_ELSEWHERE:
		return d->delay_us + 300000;
	case CONNECTED:
		return d->delay_us + 2500000;
	default:
		return d->delay_us + 1;
	}
}

static void replay_item(struct duel *d, const struct replay_plan *plan)
{
	const struct duel_item *item = plan->item;
	bool elsewhere = plan->way == ELSEWHERE || plan->way == LATER_ELSEWHERE;
	struct duel_item copy = *item;

	if (item->signal) {
		duel_signal(d, plan->to_end, item->bytes, item->len, moment(plan->way, d));
		return;
	}
	copy.from = elsewhere ? attacker : plan->way == REFLECTED ? item->to : item->from;
	duel_inject(d, plan->to_end,
		    (uint16_t)((plan->way == REFLECTED ? item->from.port : item->to.port) - 4000),
		    &copy.from, item->bytes, item->len, moment(plan->way, d));
}

static void on_item(struct duel *d, struct duel_item *item)
{
	struct replay_plan *plan = d->arg;

	if (!item->signal && address_same_ip(&item->to, &attacker))
		plan->answered += item->len;
	if (plan->item && plan->wait-- == 0) {
		replay_item(d, plan);
		plan->item = NULL;
	}
}

static void play(struct duel *d, struct duel_config *c,
		 void (*hook)(struct duel *d, struct duel_item *item), void *arg)
{
	static const uint8_t hello[] = { 0x40, 'h', 'i' };

	c->hook = hook;
	c->arg = arg;
	duel_begin(d, c);
	cr_assert(duel_meet(d, 1000000));
	duel_run(d, 1000000);
	duel_say(d, 0, hello, sizeof hello);
	duel_say(d, 1, hello, sizeof hello);
	duel_run(d, LASTS_US);
}

static bool same_event(const struct punch_event *a, const struct punch_event *b)
{
	return a->kind == b->kind && a->reason == b->reason && a->took_us == b->took_us &&
	       a->packets == b->packets && address_equal(&a->path.to, &b->path.to) &&
	       strcmp(a->rung, b->rung) == 0;
}

static void expect_same(const struct duel *d, const struct duel *as, const char *what)
{
	for (unsigned int i = 0; i < 2; i++) {
		const struct duel_end *e = &d->ends[i], *was = &as->ends[i];

		cr_assert_eq(e->events_n, was->events_n, "%s: events of end %u", what, i);
		for (size_t n = 0; n < e->events_n; n++)
			cr_assert(same_event(&e->events[n], &was->events[n]), "%s: event", what);
		cr_assert(address_equal(&punch_path(e->punch)->to, &punch_path(was->punch)->to),
			  "%s: path of end %u", what, i);
	}
	cr_assert_eq(d->sent_n, as->sent_n, "%s: %zu datagrams, not %zu", what, d->sent_n,
		     as->sent_n);
	for (size_t i = 0; i < d->sent_n; i++)
		cr_assert(d->sent[i].at_us == as->sent[i].at_us &&
				  address_equal(&d->sent[i].to, &as->sent[i].to) &&
				  d->sent[i].len == as->sent[i].len,
			  "%s: datagram %zu", what, i);
}

static uint64_t counted(const struct duel *d, unsigned int end)
{
	struct punch_counters c;

	punch_count(d->ends[end].punch, &c);
	return c.strange + c.forged + c.replayed + c.bad_signals;
}

static bool is_data(const struct duel_item *item)
{
	return !item->signal && item->bytes[0] >= 0x40;
}

/* One item, one way, in a duel that is otherwise the one that was. */
static void play_with(struct duel_config *c, const struct duel *was,
		      const struct duel_item *item, size_t wait, enum way way, unsigned int to_end)
{
	struct replay_plan plan = { .item = item, .wait = wait, .way = way, .to_end = to_end };
	struct duel d;
	char what[96];

	snprintf(what, sizeof what, "item %zu (%s, %#x), way %u, to end %u", wait,
		 item->signal ? "signal" : "datagram", item->bytes[0], (unsigned int)way, to_end);
	play(&d, c, on_item, &plan);
	expect_same(&d, was, what);
	cr_assert_eq(plan.answered, 0, "%s: the attacker was answered", what);
	/* data's own protection is the application's; from elsewhere there is none to protect */
	if (!is_data(item) || way == ELSEWHERE || way == LATER_ELSEWHERE) {
		cr_assert_eq(d.ends[to_end].datas, was->ends[to_end].datas, "%s: data", what);
		cr_assert_gt(counted(&d, to_end), counted(was, to_end), "%s: counters", what);
	}
	duel_end(&d);
}

static void config_of(struct duel_config *c, uint8_t seed, bool relay)
{
	duel_default(c, seed);
	c->stun = true;
	c->relay = relay;
}

TEST(claim_09_replay, to_the_same_end_and_back)
{
	struct duel_config c;
	static struct record r;
	struct duel was;

	config_of(&c, 1, false);
	r.n = 0;
	play(&was, &c, note_item, &r);
	cr_assert_gt(r.n, 20u);
	for (size_t i = 0; i < r.n; i++) {
		for (enum way way = AGAIN; way < WAYS; way++) {
			unsigned int to = way == REFLECTED ? r.items[i].from_end :
							     r.items[i].to_end;

			if (to < 2)
				play_with(&c, &was, &r.items[i], i, way, to);
		}
	}
	duel_end(&was);
}

/* ---- with a relay: BOUND and COOKIE said again move deadlines, and nothing else ---- */

static void expect_no_more(const struct duel *d, const struct duel *as, size_t len,
			   const char *what)
{
	for (unsigned int i = 0; i < 2; i++) {
		const struct duel_end *e = &d->ends[i], *was = &as->ends[i];

		cr_assert_eq(e->events_n, was->events_n, "%s: events of end %u", what, i);
		for (size_t n = 0; n < e->events_n; n++)
			cr_assert_eq(e->events[n].kind, was->events[n].kind, "%s: event", what);
		cr_assert(address_equal(&punch_path(e->punch)->to, &punch_path(was->punch)->to),
			  "%s: path of end %u", what, i);
		cr_assert_leq(duel_bytes(d, i), duel_bytes(as, i) + len, "%s: bytes", what);
	}
}

TEST(claim_09_replay, with_a_relay)
{
	struct duel_config c;
	static struct record r;
	struct duel was, d;
	char what[64];

	config_of(&c, 2, true);
	r.n = 0;
	play(&was, &c, note_item, &r);
	for (size_t i = 0; i < r.n; i++) {
		for (enum way way = AGAIN; way < WAYS; way++) {
			struct replay_plan plan = { .item = &r.items[i], .wait = i, .way = way };

			plan.to_end = way == REFLECTED ? r.items[i].from_end : r.items[i].to_end;
			if (plan.to_end >= 2)
				continue;
			snprintf(what, sizeof what, "item %zu (%#x), way %u", i,
				 r.items[i].bytes[0], (unsigned int)way);
			play(&d, &c, on_item, &plan);
			expect_no_more(&d, &was, r.items[i].len, what);
			cr_assert_eq(plan.answered, 0, "%s: the attacker was answered", what);
			duel_end(&d);
		}
	}
	duel_end(&was);
}

/* The relay itself: from an address that is not bound, no answer is longer than what came. */
TEST(claim_09_replay, to_the_relay)
{
	struct duel_config c;
	static struct record r;
	struct relay_out out;
	struct duel d;
	unsigned int n = 0;

	config_of(&c, 2, true);
	r.n = 0;
	play(&d, &c, note_item, &r);
	for (size_t i = 0; i < r.n; i++) {
		struct duel_item *item = &r.items[i];
		size_t answered = 0;

		if (item->signal || !address_equal(&item->to, &d.relay_at))
			continue;
		relay_receive(d.relay, d.now_us, 0, &attacker, item->bytes, item->len, item->len,
			      &out);
		for (unsigned int s = 0; s < out.sends_n; s++)
			answered += out.sends[s].len;
		cr_assert_leq(answered, item->len);
		cr_assert_eq(out.forward, 0, "forwarded for a stranger");
		n++;
	}
	cr_assert_gt(n, 4u);
	duel_end(&d);
}

/* ---- to the ends of another introduction ---- */

struct elsewhere {
	const struct record *record;
	size_t answered;
	bool done;
};

/* All of it, once the other introduction has begun: both of its ends have keys. */
static void on_other(struct duel *d, struct duel_item *item)
{
	struct elsewhere *e = d->arg;

	if (!item->signal && address_same_ip(&item->to, &attacker))
		e->answered += item->len;
	if (e->done || item->signal || item->bytes[0] != 0x10)
		return;
	e->done = true;
	for (size_t i = 0; i < e->record->n; i++) {
		struct replay_plan plan = { .item = &e->record->items[i] };

		for (enum way way = AGAIN; way < CONNECTED; way++) {
			plan.way = way;
			for (plan.to_end = 0; plan.to_end < 2; plan.to_end++)
				replay_item(d, &plan);
		}
	}
}

TEST(claim_09_replay, to_another_introduction)
{
	static struct record r;
	struct duel_config c;
	struct duel first, was, d;

	config_of(&c, 3, false);
	r.n = 0;
	play(&first, &c, note_item, &r);
	for (unsigned int same_secret = 0; same_secret < 2; same_secret++) {
		struct elsewhere e = { .record = &r };

		config_of(&c, 4, false);
		for (unsigned int i = 0; i < 2 && !same_secret; i++)
			memset(c.ends[i].secret, 0x77, sizeof c.ends[i].secret);
		play(&was, &c, NULL, NULL);
		play(&d, &c, on_other, &e);
		cr_assert(e.done);
		expect_same(&d, &was, same_secret ? "same secret" : "other secret");
		cr_assert_eq(e.answered, 0, "the attacker was answered");
		cr_assert_gt(counted(&d, 0), r.n);
		cr_assert_gt(counted(&d, 1), r.n);
		duel_end(&was);
		duel_end(&d);
	}
	duel_end(&first);
}

/* An OFFER of the past that comes first is answered where the secret is the same; nothing comes
 * of it. */
TEST(claim_09_replay, an_old_offer_comes_first)
{
	static struct record r;
	struct duel_config c;
	struct duel first, d;

	config_of(&c, 3, false);
	r.n = 0;
	play(&first, &c, note_item, &r);
	config_of(&c, 4, false);
	c.absent[0] = true;
	c.hook = NULL;
	duel_begin(&d, &c);
	for (size_t i = 0; i < r.n; i++) {
		struct replay_plan plan = { .item = &r.items[i], .way = i % 2 };

		plan.to_end = 1;
		replay_item(&d, &plan);
	}
	duel_run(&d, 60000000);
	cr_assert_eq(d.ends[1].connected, 0);
	cr_assert_eq(d.ends[1].datas, 0);
	cr_assert_eq(d.ends[1].failed, 1);
	duel_end(&d);
	duel_end(&first);
}
