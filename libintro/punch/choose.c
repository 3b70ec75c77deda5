/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which of the paths that were proved is used. The offerer chooses and says so in its CHECKs;
 * the answerer follows, and chooses for itself only while it has been told nothing.
 */
#include <string.h>

#include "inner.h"

/* Between two of one kind a path must be better by this, and by a fifth, or it stays. */
#define BETTER_US 5000u
#define BETTER_RTTS 3u		/* measurements, before a round trip time is believed */
/* IPv6 has no NAT on the way whose mapping could be lost. */
#define V6_BONUS_US 3000u

/* A direct path that has fallen silent gives way to any other, but to the relay only when it is
 * given up; one that is too narrow for data is worth less than that. */
enum { CLASS_NARROW, CLASS_RELAYED, CLASS_SILENT, CLASS_DIRECT, CLASS_LAN };

static int class_of(const struct pair *pair)
{
	if (pair->padded_failed)
		return CLASS_NARROW;
	if (pair->kind == PUNCH_PATH_RELAYED)
		return CLASS_RELAYED;
	if (pair->silent)
		return CLASS_SILENT;
	return pair->kind == PUNCH_PATH_LAN ? CLASS_LAN : CLASS_DIRECT;
}

static uint32_t cost_of(const struct pair *pair)
{
	uint32_t bonus = pair->remote.family == 6 ? V6_BONUS_US : 0;

	return pair->rtt_us > bonus ? pair->rtt_us - bonus : 0;
}

static bool better(const struct pair *a, const struct pair *than)
{
	if (class_of(a) != class_of(than))
		return class_of(a) > class_of(than);
	if (a->rtts < BETTER_RTTS || than->rtts < BETTER_RTTS)
		return false;
	return cost_of(a) + BETTER_US < cost_of(than) &&
	       cost_of(a) + cost_of(than) / 5 < cost_of(than);
}

static struct pair *best_of(struct punch *p)
{
	struct pair *best = p->chosen && p->chosen->state == PAIR_VALID ? p->chosen : NULL;
	struct pair *told = NULL;

	for (size_t i = 0; i < p->pairs_n; i++) {
		struct pair *pair = &p->pairs[i];

		if (pair->state != PAIR_VALID)
			continue;
		if (!best || better(pair, best))
			best = pair;
		if (!is_offerer(p) && pair->use_number > (told ? told->use_number : 0))
			told = pair;
	}
	return told ? told : best;
}

static void path_set(struct punch *p, const struct pair *pair)
{
	struct punch_path *path = &p->path;

	memset(path, 0, sizeof *path);
	if (!pair)
		return;
	path->kind = pair->kind;
	path->socket = pair->socket;
	path->to = pair->remote;
	path->rtt_us = pair->rtt_us;
	if (pair->kind == PUNCH_PATH_RELAYED) {
		relay_leg_header(&p->leg, path->header);
		path->header_bytes = RELAY_HEADER_BYTES;
	}
}

/* What is not better than this needs no more checks. */
static void rest_end(struct punch *p, const struct pair *chosen)
{
	for (size_t i = 0; i < p->pairs_n; i++) {
		struct pair *pair = &p->pairs[i];

		if (pair != chosen && pair->state < PAIR_VALID &&
		    class_of(pair) <= class_of(chosen))
			pair->state = PAIR_DEAD;
	}
}

static const char *found_by(const struct punch *p, const struct pair *pair)
{
	if (pair->kind == PUNCH_PATH_RELAYED)
		return "relay";
	if (pair->kind == PUNCH_PATH_DIRECT && campaign_covers(p, &pair->remote))
		return p->campaign.plan.word;
	return p->keep.lost_us ? "repair" : "checks";
}

void choose(struct punch *p, uint64_t now)
{
	struct pair *best = best_of(p);
	struct punch_event event = { .kind = p->connected ? PUNCH_MOVED : PUNCH_CONNECTED };

	if (!best || best == p->chosen || !p->known_us)
		return;
	p->chosen = best;
	p->connected = true;
	p->rung = found_by(p, best);
	path_set(p, best);
	keep_chosen(p, now);
	event.path = p->path;
	if (best->kind == PUNCH_PATH_RELAYED) {
		say(p, now, &event);
		return;
	}
	p->retry_us = NEVER;
	p->tries = 0;
	campaign_won(p, now);
	rest_end(p, best);
	say(p, now, &event);
}

void choose_none(struct punch *p, uint64_t now)
{
	struct punch_event event = { .kind = PUNCH_LOST };

	p->chosen = NULL;
	choose(p, now);
	if (p->chosen)
		return;
	path_set(p, NULL);
	say(p, now, &event);
}

void choose_relay(struct punch *p, uint64_t now)
{
	struct pair *pair;

	if (!p->has_leg)
		return;
	pair = pair_find(p, p->leg_socket, &p->leg.relay);
	if (p->leg.state == RELAY_LEG_REFUSED && pair) {
		pair->state = PAIR_DEAD;
		return;
	}
	if (p->leg.state != RELAY_LEG_BOUND || p->leg.peer.family == 0)
		return;
	if (!address_same_ip(&p->leg.peer, &p->observed) && p->observed.family == 0)
		punch_observed(p, now, &p->leg.peer);
	/* the relay has both legs: bytes can go before a REPLY has come back that way */
	if (pair && p->keyed && pair->state < PAIR_VALID) {
		pair->state = PAIR_VALID;
		choose(p, now);
	}
}
