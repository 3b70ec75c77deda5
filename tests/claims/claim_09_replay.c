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
