/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The engine's half of the talk with the other end: OFFER and ANSWER, who opens first, and when
 * a generation is given up for the next one.
 */
#include <string.h>

#include "inner.h"

/* The other end's person may have to be asked; a program has long given up by then. */
#define ANSWER_LIMIT_US 30000000u
/* The answerer does not count generations: when nothing came of all of them. */
#define ANSWERER_LIMIT_US 30000000u
/* Checks at 0 to 680 ms have had their chance. */
#define CHECKS_LIMIT_US 750000u
/* A prediction is right at once or not at all; two signals and a round trip. */
#define PREDICTION_LIMIT_US 120000u
/* While an answer is waited for, a sequential NAT's last port is told anew so often, for so long:
 * 20 new flows at most. */
#define REFRESH_APART_US 150000u
#define REFRESH_FOR_US 3000000u
/* After so many there is nothing left to learn; a spray has its own pause between two. */
#define GENERATIONS_MAX 6u
#define SPRAYS_MAX 2u
/* Where only the relay is left, things may yet change: another network, another router. */
#define UPGRADE_APART_US 300000000u
/* What worked once is given up only after this. */
#define LOST_LIMIT_US 60000000u
/* A peer that begins generations without end costs sockets and requests: no more of them. */
#define GENERATIONS_EVER 200u

void talk_send(struct punch *p, enum signal_kind kind)
{
	uint8_t bytes[SIGNAL_BYTES_MAX];
	struct output o = { .kind = OUTPUT_SIGNAL, .bytes = bytes };
	struct signal s;

	memset(&s, 0, sizeof s);
	s.kind = kind;
	s.opened = !p->campaign.on || p->campaign.opened ||
		   p->campaign.plan.first == PLAN_THEY_FIRST;
	s.low_ports = p->config.low_ports;
	s.generation = p->generation;
	s.number = ++p->signal_number;
	memcpy(s.tag, p->tag, sizeof s.tag);
	if (kind == SIGNAL_OFFER || kind == SIGNAL_ANSWER)
		memcpy(s.public, p->pair_key.public, sizeof s.public);
	if (kind == SIGNAL_OFFER && p->has_leg) {
		s.has_session = true;
		memcpy(s.session, p->leg.session, sizeof s.session);
	}
	s.nat = p->nat;
	if (!p->config.relay_only)
		s.candidates = p->mine;
	o.len = signal_write(&s, kind == SIGNAL_OFFER ? p->offer_key : p->keys.signal_out, bytes);
	output_put(&p->out, &o);
}

static uint64_t limit_of(const struct punch *p)
{
	switch (p->campaign.on ? p->campaign.plan.kind : PLAN_CHECKS) {
	case PLAN_FAN:
		if (p->campaign.plan.first == PLAN_BY_ROLE)
			return PREDICTION_LIMIT_US + 3 * (uint64_t)p->gather.rtt_us;
		return ETIQUETTE_TUPLE_REST_US;
	case PLAN_SWEEP:
	case PLAN_GRID:
		return ETIQUETTE_TUPLE_REST_US;
	case PLAN_WINDOW:
		return PREDICTION_LIMIT_US + 3 * (uint64_t)p->gather.rtt_us;
	default:
		return p->plan.kind == PLAN_RELAY && p->has_leg ? UPGRADE_APART_US :
								    CHECKS_LIMIT_US;
	}
}

/* Both ends' candidates are known now: everything that can be tried begins. */
static void known(struct punch *p, uint64_t now)
{
	if (!p->known_us)
		p->known_us = now;
	if (is_offerer(p))
		p->retry_us = now + limit_of(p);
	else if (p->generation == 0)
		p->retry_us = now + ANSWERER_LIMIT_US;
	campaign_plan(p);
	pairs_make(p, now);
	choose_relay(p, now);
	campaign_begin(p, now);
	if (is_offerer(p))
		p->retry_us = now + limit_of(p);
}

static void answer(struct punch *p, uint64_t now)
{
	if (!p->invited || p->accepted || p->gather.going || p->gather.probe != NO_SOCKET ||
	    gather_resample(p, now))
		return;
	p->accepted = true;
	known(p, now);
	talk_send(p, p->generation == 0 ? SIGNAL_ANSWER : SIGNAL_ACCEPT);
	p->answered = true;
}

void talk_sampled(struct punch *p, uint64_t now)
{
	if (!is_inviter(p) && !p->answered)
		answer(p, now);
	else if (p->known_us)
		talk_send(p, SIGNAL_GO);
	else if (is_offerer(p) && p->generation == 0 && !p->gather.going)
		talk_send(p, SIGNAL_OFFER);
}

static void refresh(struct punch *p, uint64_t now)
{
	if (p->refresh_us > now)
		return;
	gather_resample(p, now);
	p->refresh_us = now < p->refresh_end_us ? now + REFRESH_APART_US : NEVER;
}

void talk_gathered(struct punch *p, uint64_t now)
{
	if (!is_inviter(p)) {
		answer(p, now);
		return;
	}
	if (p->generation > 0) {
		talk_send(p, SIGNAL_INVITE);
		return;
	}
	talk_send(p, SIGNAL_OFFER);
	p->retry_us = now + ANSWER_LIMIT_US;
	p->refresh_us = now + REFRESH_APART_US;
	p->refresh_end_us = now + REFRESH_FOR_US;
	if (p->has_leg)
		relay_leg_bind(&p->leg, p->leg.session, now);
}

/* ---- generations ---- */

static void generation_begin(struct punch *p, uint64_t now)
{
	p->generation++;
	p->tries++;
	campaign_end(p, now, NO_SOCKET);
	p->invited = p->accepted = p->answered = p->peer_open = false;
	for (size_t i = 0; i < p->pairs_n; i++) {
		struct pair *pair = &p->pairs[i];

		if (pair->state < PAIR_VALID && pair->kind != PUNCH_PATH_RELAYED)
			pair->state = PAIR_DEAD;
	}
	gather_begin(p, now, true);
}

/* Give this generation up and begin the next one. */
static void talk_retry(struct punch *p, uint64_t now)
{
	generation_begin(p, now);
	p->retry_us = now + CHECKS_LIMIT_US + 3 * (uint64_t)p->gather.rtt_us;
	trying(p, now, "fresh sockets");
	if (!is_inviter(p))
		talk_send(p, SIGNAL_START);
}

static bool tries_left(const struct punch *p)
{
	bool sprays = p->plan.first != PLAN_BY_ROLE;

	return is_offerer(p) && !p->config.relay_only &&
	       p->tries < (sprays ? SPRAYS_MAX : GENERATIONS_MAX);
}

/* Nothing is left to be tried now: the end, or a pause where it worked once or the relay does. */
static void give_up(struct punch *p, uint64_t now)
{
	bool lasting = p->connected && (p->chosen || now - p->keep.lost_us < LOST_LIMIT_US);

	if (!lasting) {
		fail(p, now, p->has_leg && p->leg.state == RELAY_LEG_REFUSED ?
				     PUNCH_REASON_REFUSED : PUNCH_REASON_TIMEOUT);
		return;
	}
	p->tries = 0;
	p->retry_us = now + (p->chosen ? UPGRADE_APART_US : ETIQUETTE_TUPLE_REST_US);
}

void talk_timer(struct punch *p, uint64_t now)
{
	refresh(p, now);
	if (p->retry_us > now)
		return;
	p->retry_us = NEVER;
	if (p->chosen && p->chosen->kind != PUNCH_PATH_RELAYED)
		return;
	if (!p->known_us)
		fail(p, now, PUNCH_REASON_SIGNAL);
	else if (tries_left(p))
		talk_retry(p, now);
	else
		give_up(p, now);
}

/* ---- what comes in ---- */

static void take_theirs(struct punch *p, const struct signal *s)
{
	p->theirs = s->candidates;
	p->peer_nat = s->nat;
	p->peer_low_ports = s->low_ports;
}

static void on_offer(struct punch *p, uint64_t now, const struct signal *s)
{
	if (p->keyed && !is_offerer(p) && !p->answered && p->generation == 0 &&
	    s->number > p->signal_seen && memcmp(s->tag, p->tag, sizeof s->tag) == 0) {
		p->signal_seen = s->number;
		take_theirs(p, s);
		return;
	}
	if (is_offerer(p) || p->keyed ||
	    keys_agree(&p->keys, &p->pair_key, s->public, p->config.secret, s->tag, false) < 0) {
		p->count.bad_signals++;
		return;
	}
	p->keyed = true;
	memcpy(p->tag, s->tag, sizeof p->tag);
	p->signal_seen = s->number;
	take_theirs(p, s);
	if (p->has_leg && s->has_session)
		relay_leg_bind(&p->leg, s->session, now);
	p->invited = true;
	answer(p, now);
}

static void on_answer(struct punch *p, uint64_t now, const struct signal *s)
{
	if (!is_inviter(p) || s->generation != p->generation || p->invited || p->gather.going)
		return;
	p->invited = true;
	p->refresh_us = NEVER;
	take_theirs(p, s);
	p->peer_open = s->opened;
	known(p, now);
	pairs_release(p, now);
	if (p->peer_open)
		campaign_released(p, now);
	if (!p->campaign.on || p->campaign.opened || p->campaign.plan.first != PLAN_WE_FIRST)
		talk_send(p, SIGNAL_GO);
	gather_resample(p, now);
}

static void on_invite(struct punch *p, uint64_t now, const struct signal *s)
{
	if (s->generation == (uint16_t)(p->generation + 1) && p->generation < GENERATIONS_EVER)
		generation_begin(p, now);
	if (s->generation != p->generation || is_inviter(p) || p->invited)
		return;
	take_theirs(p, s);
	p->invited = true;
	answer(p, now);
}

static void on_start(struct punch *p, uint64_t now, const struct signal *s)
{
	if (is_offerer(p) || s->generation != (uint16_t)(p->generation + 1) ||
	    p->generation >= GENERATIONS_EVER)
		return;
	generation_begin(p, now);
}

static void on_go(struct punch *p, uint64_t now, const struct signal *s)
{
	if (s->generation != p->generation || !p->known_us)
		return;
	p->peer_open = true;
	if (p->peer_nat.last != s->nat.last) {
		p->peer_nat.last = s->nat.last;
		campaign_aim(p);
	}
	pairs_release(p, now);
	campaign_released(p, now);
}

/* The first ANSWER brings the key that it is to be judged by. */
static bool believe(struct punch *p, const struct signal *s, const void *bytes, size_t len)
{
	struct keys keys;

	if (memcmp(s->tag, p->tag, sizeof s->tag) != 0)
		return false;
	if (!p->keyed) {
		if (s->kind != SIGNAL_ANSWER || !is_offerer(p) ||
		    keys_agree(&keys, &p->pair_key, s->public, p->config.secret, s->tag, true) < 0 ||
		    !signal_right(bytes, len, keys.signal_in))
			return false;
		p->keys = keys;
		p->keyed = true;
	} else if (!signal_right(bytes, len, p->keys.signal_in)) {
		return false;
	}
	if (s->number <= p->signal_seen)
		return false;
	p->signal_seen = s->number;
	return true;
}

void talk_signal(struct punch *p, uint64_t now, const void *bytes, size_t len)
{
	struct signal s;

	if (signal_read(bytes, len, &s) < 0) {
		p->count.bad_signals++;
		return;
	}
	if (s.kind == SIGNAL_OFFER) {
		if (signal_right(bytes, len, p->offer_key))
			on_offer(p, now, &s);
		else
			p->count.bad_signals++;
		return;
	}
	if (!believe(p, &s, bytes, len)) {
		p->count.bad_signals++;
		return;
	}
	switch (s.kind) {
	case SIGNAL_ANSWER:
	case SIGNAL_ACCEPT:
		on_answer(p, now, &s);
		break;
	case SIGNAL_INVITE:
		on_invite(p, now, &s);
		break;
	case SIGNAL_START:
		on_start(p, now, &s);
		break;
	case SIGNAL_GO:
		on_go(p, now, &s);
		break;
	case SIGNAL_MOVE:
		take_theirs(p, &s);
		keep_moved(p, now);
		break;
	case SIGNAL_BYE:
		fail(p, now, PUNCH_REASON_CLOSED);
		break;
	default:
		break;
	}
}
