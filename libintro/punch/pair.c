/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The engine's pairs, a socket of ours and an address of theirs each: which are made of the other
 * end's candidates, and when their CHECKs go.
 */
#include "inner.h"

#define MS 1000u

/* Milliseconds after a pair's beginning: dense while first round trips may still come back, so
 * that one lost packet costs 20 ms and not a timeout. */
static const uint16_t schedule[ETIQUETTE_CHECKS] = {
	0, 20, 40, 60, 80, 120, 200, 360, 680, 1320, 2600, 5000,
};
/* Before the other end is known to have opened: one of them arrives soon after it has. */
static const uint16_t early_schedule[ETIQUETTE_CHECKS] = {
	0, 10, 20, 30, 40, 60, 90, 140, 220, 350, 550, 900,
};
/* A CHECK of theirs is answered by one of ours, not oftener than this. */
#define TRIGGER_APART_US (10 * MS)

struct pair *pair_find(struct punch *p, uint16_t socket, const struct address *remote)
{
	for (size_t i = 0; i < p->pairs_n; i++) {
		struct pair *pair = &p->pairs[i];

		if (pair->socket == socket && address_equal(&pair->remote, remote))
			return pair;
	}
	return NULL;
}

struct pair *pair_add(struct punch *p, uint16_t socket, const struct address *remote,
		      enum punch_path_kind kind)
{
	struct pair *pair = pair_find(p, socket, remote);
	unsigned int asked = pair && !pair->answered ? pair->asked : 0;

	if (pair && pair->state != PAIR_DEAD)
		return pair;
	for (size_t i = 0; !pair && p->pairs_n == PAIRS_MAX && i < PAIRS_MAX; i++) {
		if (p->pairs[i].state == PAIR_DEAD && &p->pairs[i] != p->chosen)
			pair = &p->pairs[i];
	}
	if (!pair && p->pairs_n == PAIRS_MAX)
		return NULL;
	if (!pair)
		pair = &p->pairs[p->pairs_n++];
	*pair = (struct pair){
		.state = PAIR_CHECKING,
		.kind = kind,
		.socket = socket,
		.remote = *remote,
		.asked = asked,
		.due_us = NEVER,
	};
	return pair;
}

static void pair_start(struct pair *pair, uint64_t now)
{
	if (pair->state == PAIR_HELD)
		pair->state = PAIR_CHECKING;
	pair->checks = 0;
	pair->begun_us = now;
	pair->due_us = now;
}

/* Whether a full packet of ours that comes before theirs could harm the other end's NAT. */
static bool harmless(const struct punch *p, const struct candidate *c, enum punch_path_kind kind)
{
	return kind == PUNCH_PATH_LAN || c->address.family == 6 || c->kind == CANDIDATE_MAPPED ||
	       p->peer_nat.poisoned == NAT_NO || p->peer_nat.mapping == NAT_MAPPING_NONE;
}

/* Whether both ends are behind one NAT. Who only says so could look about in our networks. */
static bool same_external(const struct punch *p, const struct address *a)
{
	const struct address *ours = &p->gather.reflexive[a->family == 6];

	return ours->family && address_same_ip(&p->observed, ours);
}

bool pair_allowed(const struct punch *p, const struct address *a)
{
	return candidate_allowed(a, p->locals, p->locals_n, same_external(p, a));
}

enum punch_path_kind pair_kind(const struct punch *p, const struct address *remote)
{
	if (p->has_leg && address_equal(remote, &p->leg.relay))
		return PUNCH_PATH_RELAYED;
	return address_scope(remote) != SCOPE_GLOBAL ||
	       candidate_is_lan(remote, p->locals, p->locals_n) ? PUNCH_PATH_LAN :
								  PUNCH_PATH_DIRECT;
}

static void pair_make(struct punch *p, uint64_t now, const struct candidate *c)
{
	uint16_t socket = p->main[c->address.family == 6];
	enum punch_path_kind kind = pair_kind(p, &c->address);
	struct pair *pair;

	/* whom we send to sees our address */
	if (p->config.relay_only)
		return;
	if (socket == NO_SOCKET || !socket_is_open(p, socket) || !pair_allowed(p, &c->address))
		return;
	/* what a server sees of a hard NAT is not what we would meet */
	if (c->kind == CANDIDATE_REFLEXIVE && c->address.family == 4 &&
	    p->peer_nat.mapping > NAT_MAPPING_ENDPOINT_INDEPENDENT)
		return;
	/* one port that a full packet of ours spoils is enough to move their whole mapping */
	if (p->plan.first == PLAN_WE_FIRST && !harmless(p, c, kind))
		return;
	pair = pair_add(p, socket, &c->address, kind);
	if (!pair || pair->state == PAIR_VALID)
		return;
	p->ports_tried++;
	pair_start(pair, now);
	if (is_inviter(p) || p->peer_open)
		return;
	if (harmless(p, c, kind)) {
		pair->early = true;
		return;
	}
	pair->state = PAIR_HELD;
	pair->due_us = NEVER;
	opener_send(p, socket, &c->address);
}

void pairs_make(struct punch *p, uint64_t now)
{
	struct pair *relayed;

	trying(p, now, "checks");
	for (size_t i = 0; i < p->theirs.n; i++)
		pair_make(p, now, &p->theirs.list[i]);
	if (p->has_leg) {
		relayed = pair_add(p, p->leg_socket, &p->leg.relay, PUNCH_PATH_RELAYED);
		if (relayed && relayed->state != PAIR_VALID)
			pair_start(relayed, now);
	}
	pairs_timer(p, now);
}

void pairs_release(struct punch *p, uint64_t now)
{
	for (size_t i = 0; i < p->pairs_n; i++) {
		struct pair *pair = &p->pairs[i];

		if (pair->state == PAIR_HELD || (pair->state == PAIR_CHECKING && pair->early)) {
			pair->early = false;
			pair_start(pair, now);
		}
	}
	pairs_timer(p, now);
}

static void pair_timer(struct punch *p, uint64_t now, struct pair *pair)
{
	const uint16_t *times = pair->early ? early_schedule : schedule;

	pair_check(p, now, pair, false);
	pair->checks++;
	pair->due_us = pair->checks == ETIQUETTE_CHECKS ?
			       NEVER : pair->begun_us + times[pair->checks] * MS;
}

void pair_trigger(struct punch *p, uint64_t now, struct pair *pair)
{
	if (pair->triggered_us != 0 && now - pair->triggered_us < TRIGGER_APART_US)
		return;
	pair->triggered_us = now;
	pair->early = false;
	pair_start(pair, now);
	pair_timer(p, now, pair);
}

void pairs_timer(struct punch *p, uint64_t now)
{
	for (size_t i = 0; i < p->pairs_n && p->keyed; i++) {
		struct pair *pair = &p->pairs[i];

		if (pair->state == PAIR_CHECKING && pair->due_us <= now)
			pair_timer(p, now, pair);
	}
}

uint64_t pairs_deadline(const struct punch *p)
{
	uint64_t deadline = NEVER;

	for (size_t i = 0; i < p->pairs_n && p->keyed; i++) {
		if (p->pairs[i].state == PAIR_CHECKING)
			earlier(&deadline, p->pairs[i].due_us);
	}
	return deadline;
}
