/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keeping a path: the NATs' mappings alive, its death noticed while it matters, its repair when
 * an address or a mapping has changed. Silence means something only after the application has
 * sent: an idle session costs one CHECK each BEAT_US.
 */
#include "inner.h"

/* Linux forgets an unreplied flow after 30 s; other NATs too, and few sooner (RFC 4787, REQ-5,
 * forbids less than two minutes, and is not heeded). */
#define BEAT_US 15000000u
/* No answer for a round trip and a quarter, and not for less than this. */
#define WAIT_MIN_US 50000u
#define APART_US 50000u
#define MISSES_MAX 3u
/* An address that changed is asked for so often while nothing comes in, and all pairs are tried
 * anew: ever rarer, as a part of the time that has gone by. */
#define ASK_APART_US 50000u
#define ASK_PART 16u
#define REPAIR_US 700000u
#define REPAIR_PART 4u
#define ANSWERER_REPAIR_US 60000000u	/* it leaves the next tries to the offerer */
#define RARELY_US 30000000u
#define USE_APART_US 40000u
#define USE_APART_MAX_US 1000000u
#define PADDED_APART_US 300000u
#define PADDED_TRIES 4u

static uint64_t rarer(uint64_t at_least, uint64_t part)
{
	if (part < at_least)
		return at_least;
	return part < RARELY_US ? part : RARELY_US;
}

static void set_beat(struct punch *p, uint64_t now)
{
	p->keep.beat_us = now + BEAT_US;
}

void keep_chosen(struct punch *p, uint64_t now)
{
	struct keep *k = &p->keep;

	k->await_us = 0;
	k->due_us = NEVER;
	k->misses = 0;
	k->lost_us = 0;
	set_beat(p, now);
	k->use_us = is_offerer(p) ? now : NEVER;
	k->use_apart_us = USE_APART_US;
	k->padded_us = p->chosen->kind == PUNCH_PATH_RELAYED ? NEVER : now + USE_APART_US;
	p->chosen->used = false;
	keep_timer(p, now);
}

static void spare_close(struct punch *p)
{
	if (p->keep.spare != NO_SOCKET)
		socket_close(p, p->keep.spare);
	p->keep.spare = NO_SOCKET;
	p->keep.spare_seen.family = 0;
}

void keep_heard(struct punch *p, struct pair *pair)
{
	pair->silent = false;
	if (pair != p->chosen)
		return;
	if (!p->keep.moved)
		spare_close(p);
	p->keep.await_us = 0;
	p->keep.due_us = NEVER;
	p->keep.misses = 0;
	p->path.rtt_us = pair->rtt_us;
}

void punch_sent(struct punch *p, uint64_t now_us)
{
	struct keep *k = &p->keep;
	uint64_t wait;

	if (!p->chosen || k->await_us)
		return;
	wait = p->chosen->rtt_us + p->chosen->rtt_us / 4;
	k->await_us = now_us;
	k->due_us = now_us + (wait > WAIT_MIN_US ? wait : WAIT_MIN_US);
}

static bool spoilable(const struct punch *p)
{
	return p->peer_nat.poisoned != NAT_NO && p->peer_nat.mapping != NAT_MAPPING_NONE &&
	       p->main[V4] != NO_SOCKET;
}

/* Our own address may have changed: the quickest witness is a STUN server. */
static void ask_where(struct punch *p, uint64_t now)
{
	struct keep *k = &p->keep;
	uint64_t since = k->lost_us ? now - k->lost_us : 0;

	if (now < k->ask_us || p->config.relay_only)
		return;
	k->ask_us = now + rarer(ASK_APART_US, since / ASK_PART);
	for (unsigned int family = V4; family < FAMILIES; family++) {
		if (p->main[family] != NO_SOCKET)
			gather_ask(p, now, p->main[family], 0);
	}
	if (spoilable(p) && k->spare == NO_SOCKET)
		k->spare = socket_want(p, 4, OUTPUT_BIND_ANY);
}

static void pairs_again(struct punch *p, uint64_t now)
{
	for (size_t i = 0; i < p->pairs_n; i++) {
		struct pair *pair = &p->pairs[i];

		if (pair->state == PAIR_DEAD || pair->state == PAIR_VALID)
			continue;
		pair->state = PAIR_CHECKING;
		pair->early = false;
		pair->checks = 0;
		pair->begun_us = pair->due_us = now;
	}
	pairs_timer(p, now);
}

static void lost(struct punch *p, uint64_t now)
{
	struct pair *pair = p->chosen;

	p->rung = "repair";
	pair->state = PAIR_CHECKING;
	pair->use_number = 0;
	pair->rtts = 0;
	p->keep.lost_us = now;
	p->keep.due_us = NEVER;
	p->keep.await_us = 0;
	choose_none(p, now);
	p->keep.lost_us = now;
	p->retry_us = now + (is_offerer(p) ? REPAIR_US : ANSWERER_REPAIR_US);
	if (p->has_leg)
		relay_leg_moved(&p->leg, now);
	p->keep.again_us = now;
	keep_timer(p, now);
}

static void check_alive(struct punch *p, uint64_t now)
{
	struct keep *k = &p->keep;

	if (k->misses == MISSES_MAX) {
		lost(p, now);
		return;
	}
	k->misses++;
	p->chosen->silent = true;
	k->due_us = now + APART_US;
	pair_check(p, now, p->chosen, false);
	ask_where(p, now);
	if (p->chosen->kind == PUNCH_PATH_RELAYED && k->misses == 1)
		relay_leg_moved(&p->leg, now);
}

static void check_padded(struct punch *p, uint64_t now)
{
	struct pair *pair = p->chosen;

	if (pair->padded_right) {
		p->keep.padded_us = NEVER;
		return;
	}
	if (pair->padded_tries == PADDED_TRIES) {
		pair->padded_failed = true;
		p->keep.padded_us = NEVER;
		choose(p, now);
		return;
	}
	pair->padded_tries++;
	p->keep.padded_us = now + PADDED_APART_US;
	pair_check(p, now, pair, true);
}

/* While no direct path works: everything anew, again and again. */
static void repair(struct punch *p, uint64_t now)
{
	struct keep *k = &p->keep;

	ask_where(p, now);
	if (now >= k->again_us) {
		k->again_us = now + rarer(REPAIR_US, (now - k->lost_us) / REPAIR_PART);
		pairs_again(p, now);
	}
}

static bool repairing(const struct punch *p)
{
	return p->keep.lost_us != 0 && (!p->chosen || p->chosen->kind == PUNCH_PATH_RELAYED);
}

void keep_timer(struct punch *p, uint64_t now)
{
	struct keep *k = &p->keep;

	if (repairing(p))
		repair(p, now);
	if (p->chosen && k->due_us <= now)
		check_alive(p, now);
	if (p->chosen && k->use_us <= now) {
		k->use_us = p->chosen->used ? NEVER : now + k->use_apart_us;
		k->use_apart_us = k->use_apart_us * 2 < USE_APART_MAX_US ? k->use_apart_us * 2 :
									     USE_APART_MAX_US;
		if (!p->chosen->used)
			pair_check(p, now, p->chosen, false);
	}
	if (p->chosen && k->padded_us <= now)
		check_padded(p, now);
	if (p->chosen && k->beat_us <= now) {
		set_beat(p, now);
		pair_check(p, now, p->chosen, false);
		punch_sent(p, now);
	}
}

uint64_t keep_deadline(const struct punch *p)
{
	const struct keep *k = &p->keep;
	uint64_t deadline = NEVER;

	if (repairing(p)) {
		earlier(&deadline, k->ask_us);
		earlier(&deadline, k->again_us);
	}
	if (p->chosen) {
		earlier(&deadline, k->due_us);
		earlier(&deadline, k->use_us);
		earlier(&deadline, k->padded_us);
		earlier(&deadline, k->beat_us);
	}
	return deadline;
}

static void tell_moved(struct punch *p, uint64_t now)
{
	p->keep.moved = false;
	gather_candidates(p);
	talk_send(p, SIGNAL_MOVE);
	if (p->chosen)
		pair_check(p, now, p->chosen, false);
	pairs_again(p, now);
}

static void spare_use(struct punch *p, uint64_t now)
{
	struct keep *k = &p->keep;

	if (!k->moved || k->spare == NO_SOCKET || k->spare_seen.family == 0)
		return;
	p->main[V4] = k->spare;
	p->gather.reflexive[V4] = k->spare_seen;
	k->spare = NO_SOCKET;
	k->spare_seen.family = 0;
	for (size_t i = 0; i < p->theirs.n; i++) {
		if (p->theirs.list[i].kind == CANDIDATE_REFLEXIVE &&
		    p->theirs.list[i].address.family == 4)
			opener_send(p, p->main[V4], &p->theirs.list[i].address);
	}
	tell_moved(p, now);
}

void keep_seen(struct punch *p, uint64_t now, unsigned int family, const struct address *was)
{
	const struct address *is = &p->gather.reflexive[family];

	if (was->family == 0 || address_equal(was, is) || !p->known_us || p->gather.going)
		return;
	p->keep.moved = true;
	if (p->has_leg)
		relay_leg_moved(&p->leg, now);
	if (family == V4 && spoilable(p)) {
		spare_use(p, now);
		return;
	}
	tell_moved(p, now);
}

void keep_spare_open(struct punch *p, uint64_t now)
{
	if (socket_is_open(p, p->keep.spare))
		gather_ask(p, now, p->keep.spare, 0);
	else
		p->keep.spare = NO_SOCKET;
}

void keep_spare_seen(struct punch *p, uint64_t now, const struct address *seen)
{
	p->keep.spare_seen = *seen;
	spare_use(p, now);
}

void keep_moved(struct punch *p, uint64_t now)
{
	if (!p->known_us)
		return;
	/* they have sent from there already: nothing is harmed by a full packet */
	p->peer_open = true;
	pairs_make(p, now);
	if (p->chosen)
		pair_check(p, now, p->chosen, false);
}
