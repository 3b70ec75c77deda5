/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The engine's campaigns: a plan's flows, opened or checked at the pace that etiquette.h
 * allows. Only at an address that the rendezvous itself has seen, and one spray of a host at a
 * time.
 */
#include "inner.h"

/* Below ETIQUETTE_RATE, with room for the pairs' checks beside it. */
#define PROBE_APART_US 1050u
#define PROBES_AT_ONCE 2u
/* So many openers may go in bursts; beyond, the rate holds over the first second too. */
#define BURST_TOTAL 768u
/* A window or a meeting is sent whole, so often, so far apart: loss, and the other's lateness. */
#define ROUNDS 4u
#define ROUND_APART_US 20000u
#define EARLY_ROUNDS 7u
#define EARLY_APART_US 10000u
/* A port that was sampled after the flow lies ahead of it; by how few is not known. */
#define AIM_AHEAD 2
/* The last probes' answers are waited for. */
#define LINGER_US 1500000u
/* A fan stays open for as long as the longest sweep lasts. */
#define FAN_LASTS_US 5000000u
/* The sockets that lost stay until the other end has chosen too. */
#define CHOSEN_LASTS_US 1000000u

static bool by_rounds(const struct campaign *c)
{
	return c->plan.kind == PLAN_WINDOW ||
	       (c->plan.kind == PLAN_FAN && c->plan.first == PLAN_BY_ROLE);
}

static uint32_t flows_of(const struct campaign *c)
{
	return (c->sockets_n ? c->sockets_n : 1) * c->plan.targets;
}

static bool opens(const struct punch *p)
{
	const struct plan *plan = &p->campaign.plan;

	return plan->first == PLAN_WE_FIRST || (plan->first == PLAN_BY_ROLE && !is_inviter(p));
}

/* The i-th port that a socket sends to. */
static uint16_t port_of(const struct campaign *c, uint32_t i)
{
	const struct nat_ports_set *set = &c->plan.set;
	uint32_t size = nat_set_size(set);

	switch (c->plan.kind) {
	case PLAN_WINDOW:
		return (uint16_t)(c->plan.from + (int32_t)(i + 1) * c->plan.step);
	case PLAN_SWEEP:
	case PLAN_GRID:
		return (uint16_t)(set->low +
				  (c->start + (uint64_t)i * c->step) % size * set->stride);
	default:
		return c->target.port;
	}
}

static uint32_t gcd(uint32_t a, uint32_t b)
{
	while (b != 0) {
		uint32_t rest = a % b;

		a = b;
		b = rest;
	}
	return a;
}

/* A walk that meets each port of the set once before any of them again. */
static void walk_make(struct punch *p, struct campaign *c)
{
	uint32_t size = nat_set_size(&c->plan.set);

	if (size < 2) {
		c->start = 0;
		c->step = 1;
		return;
	}
	c->start = random_below(&p->random, size);
	do
		c->step = 1 + random_below(&p->random, size - 1);
	while (gcd(c->step, size) != 1);
}

static void flow_send(struct punch *p, uint64_t now, uint32_t i)
{
	struct campaign *c = &p->campaign;
	uint32_t sockets = c->sockets_n ? c->sockets_n : 1;
	uint16_t socket = p->main[V4];
	struct address to = c->target;

	if (c->sockets_n > 0)
		socket = (uint16_t)(c->first_socket + i % sockets);

	/* each socket of a grid walks on where the one before it has stopped */
	to.port = port_of(c, c->plan.kind == PLAN_GRID ? i : i / sockets);
	/* a GO, told again and again, begins rounds anew */
	if (to.port == 0 || (c->full && c->probes == ETIQUETTE_PROBES))
		return;
	c->probes += c->full;
	if (c->full)
		check_send(p, now, socket, &to);
	else
		opener_send(p, socket, &to);
	p->ports_tried++;
}

static bool pacer_ready(struct punch *p, uint64_t now)
{
	struct punch_host *host = host_of(p);

	if (host->spraying && host->spraying != p)
		return false;
	return host->sprayed_us == 0 || now - host->sprayed_us >= ETIQUETTE_SPRAY_APART_US;
}

static void sockets_open(struct punch *p)
{
	struct campaign *c = &p->campaign;
	unsigned int wanted = c->plan.sockets;

	c->first_socket = (uint16_t)p->sockets.n;
	c->sockets_n = c->sockets_open = 0;
	while (c->sockets_n < wanted && socket_want(p, 4, c->plan.bind) != NO_SOCKET)
		c->sockets_n++;
}

/* Begin to send; sockets are there. */
static void start(struct punch *p, uint64_t now)
{
	struct campaign *c = &p->campaign;
	bool early = by_rounds(c) && opens(p) &&
		     (p->peer_nat.poisoned == NAT_NO || p->peer_nat.mapping == NAT_MAPPING_NONE);

	c->next = 0;
	c->early = early;
	c->full = !opens(p) || early;
	c->rounds = early ? EARLY_ROUNDS : c->full ? ROUNDS : 1;
	c->due_us = c->begun_us = now;
	campaign_timer(p, now);
}

static const struct candidate *target_of(const struct punch *p)
{
	const struct candidate *c = candidates_find(&p->theirs, CANDIDATE_REFLEXIVE, 4);

	if (!c || !address_same_ip(&c->address, &p->observed) || p->main[V4] == NO_SOCKET)
		return NULL;
	return candidate_allowed(&c->address, p->locals, p->locals_n, false) ? c : NULL;
}

void campaign_plan(struct punch *p)
{
	struct plan_end we = { &p->nat, p->config.low_ports };
	struct plan_end they = { &p->peer_nat, p->peer_low_ports };

	plan_make(&p->plan, &we, &they);
}

/* The sample that was just told was taken right after the flow that is sought was opened. */
void campaign_aim(struct punch *p)
{
	struct plan *plan = &p->campaign.plan;

	campaign_plan(p);
	if (!p->campaign.on || plan->kind != PLAN_WINDOW || p->plan.kind != PLAN_WINDOW)
		return;
	*plan = p->plan;
	plan->from += AIM_AHEAD * plan->step;
	plan->step = -plan->step;
}

void campaign_begin(struct punch *p, uint64_t now)
{
	struct campaign *c = &p->campaign;
	struct plan plan = p->plan;
	const struct candidate *target = target_of(p);

	if (plan.kind == PLAN_RELAY)
		trying(p, now, "relay");
	if (plan.kind == PLAN_CHECKS || plan.kind == PLAN_RELAY || !target || p->config.relay_only ||
	    (p->chosen && p->chosen->kind != PUNCH_PATH_RELAYED))
		return;
	*c = (struct campaign){ .plan = plan, .on = true, .due_us = NEVER, .over_us = NEVER };
	c->target = target->address;
	if (plan.port)
		c->target.port = plan.port;
	c->spraying = !by_rounds(c);
	if (c->spraying && !pacer_ready(p, now)) {
		c->waiting = true;
		c->due_us = host_of(p)->spraying ? now + ETIQUETTE_SPRAY_APART_US :
						   host_of(p)->sprayed_us + ETIQUETTE_SPRAY_APART_US;
		return;
	}
	if (c->spraying)
		host_of(p)->spraying = p;
	if (!sent_reserve(p, plan.targets * (plan.sockets ? plan.sockets : 1) > 64 ? 4096 : 512)) {
		campaign_end(p, now, NO_SOCKET);
		return;
	}
	trying(p, now, plan.word);
	walk_make(p, c);
	sockets_open(p);
	if (c->sockets_n == 0 && plan.sockets > 0)
		campaign_end(p, now, NO_SOCKET);
	else if (c->sockets_n == 0 && (opens(p) || p->peer_open))
		start(p, now);
}

void campaign_socket(struct punch *p, uint64_t now, uint16_t socket)
{
	struct campaign *c = &p->campaign;

	if (!c->on || socket < c->first_socket || socket >= c->first_socket + c->sockets_n)
		return;
	c->sockets_open++;
	if (c->sockets_open == c->sockets_n && (opens(p) || p->peer_open))
		start(p, now);
}

void campaign_released(struct punch *p, uint64_t now)
{
	struct campaign *c = &p->campaign;

	if (!c->on || c->waiting || c->sockets_open < c->sockets_n)
		return;
	/* a sweep goes on where it is */
	if (c->full && !by_rounds(c))
		return;
	/* a fan's openers have done their part: what is hit answers */
	if (c->plan.first == PLAN_WE_FIRST || (c->plan.kind == PLAN_GRID && opens(p)))
		return;
	c->next = 0;
	c->early = false;
	c->full = true;
	c->rounds = ROUNDS;
	c->due_us = c->begun_us = now;
	campaign_timer(p, now);
}

/* A round, or a whole sweep, is through. */
static void round_end(struct punch *p, uint64_t now)
{
	struct campaign *c = &p->campaign;

	c->rounds--;
	c->next = 0;
	c->due_us = NEVER;
	if (by_rounds(c) && c->rounds > 0)
		c->due_us = now + (c->early ? EARLY_APART_US : ROUND_APART_US);
	else if (!by_rounds(c))
		c->over_us = now + (c->full ? LINGER_US : FAN_LASTS_US);
}

/* The other end may begin: its first packets arrive a one-way delay later, when what is left of
 * a fan's burst has gone. A grid's openers take longer, and each of them counts. */
static void say_open(struct punch *p)
{
	struct campaign *c = &p->campaign;

	if (c->opened || !opens(p) || (c->plan.kind == PLAN_GRID && c->next < flows_of(c)))
		return;
	c->opened = true;
	if (is_inviter(p) || p->answered)
		talk_send(p, SIGNAL_GO);
}

/* When flow i may go. */
static uint64_t moment_of(const struct campaign *c, uint32_t i)
{
	if (by_rounds(c))
		return c->begun_us;
	if (!c->full && i < BURST_TOTAL)
		return c->begun_us + i / ETIQUETTE_BURST * ETIQUETTE_BURST_US;
	return c->begun_us + (uint64_t)(i / PROBES_AT_ONCE * PROBES_AT_ONCE) * PROBE_APART_US;
}

void campaign_timer(struct punch *p, uint64_t now)
{
	struct campaign *c = &p->campaign;

	if (!c->on)
		return;
	if (c->over_us <= now) {
		campaign_end(p, now, p->chosen ? p->chosen->socket : NO_SOCKET);
		return;
	}
	if (c->due_us > now)
		return;
	if (c->waiting) {
		campaign_begin(p, now);
		return;
	}
	if (p->chosen && p->chosen->kind != PUNCH_PATH_RELAYED) {
		c->due_us = NEVER;
		return;
	}
	while (c->next < flows_of(c) && moment_of(c, c->next) <= now)
		flow_send(p, now, c->next++);
	say_open(p);
	if (c->next >= flows_of(c))
		round_end(p, now);
	else
		c->due_us = moment_of(c, c->next);
}

uint64_t campaign_deadline(const struct punch *p)
{
	uint64_t deadline = NEVER;

	if (p->campaign.on) {
		earlier(&deadline, p->campaign.due_us);
		earlier(&deadline, p->campaign.over_us);
	}
	return deadline;
}

void campaign_won(struct punch *p, uint64_t now)
{
	if (!p->campaign.on)
		return;
	p->campaign.due_us = NEVER;
	p->campaign.over_us = now + CHOSEN_LASTS_US;
}

void campaign_end(struct punch *p, uint64_t now, uint16_t keep)
{
	struct campaign *c = &p->campaign;

	if (!c->on)
		return;
	c->on = false;
	for (unsigned int i = 0; i < c->sockets_n; i++) {
		uint16_t socket = (uint16_t)(c->first_socket + i);

		if (socket != keep)
			socket_close(p, socket);
	}
	for (size_t i = 0; i < p->pairs_n; i++) {
		if (!socket_is_open(p, p->pairs[i].socket))
			p->pairs[i].state = PAIR_DEAD;
	}
	if (c->spraying && host_of(p)->spraying == p) {
		host_of(p)->spraying = NULL;
		host_of(p)->sprayed_us = now;
	}
}

bool campaign_covers(const struct punch *p, const struct address *a)
{
	return p->campaign.on && address_same_ip(a, &p->campaign.target);
}
