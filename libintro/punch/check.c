/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The engine's pairs and the CHECKs that try them: when each goes, what a REPLY proves, and what
 * a CHECK of the other end's makes us do.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

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
/* Without a calibrated TTL: the first generation stays close to home, later ones go further. */
#define TTL_NEAR 4u
#define TTL_FAR 7u

/* ---- what was sent ---- */

bool sent_reserve(struct punch *p, uint32_t n)
{
	uint32_t size = p->sent_size ? p->sent_size : 64;
	struct sent *sent;

	while (size < n)
		size *= 2;
	if (size == p->sent_size)
		return true;
	sent = calloc(size, sizeof *sent);
	if (!sent)
		return false;
	for (uint32_t i = 0; i < p->sent_size; i++)
		sent[p->sent[i].number % size] = p->sent[i];
	free(p->sent);
	p->sent = sent;
	p->sent_size = size;
	return true;
}

/* Numbers the CHECK and remembers it. */
static void sent_note(struct punch *p, uint64_t now, uint16_t socket, const struct address *to,
		      struct probe *probe)
{
	struct sent *sent;

	probe->number = ++p->number;
	random_bytes(&p->random, probe->echo, sizeof probe->echo);
	sent = &p->sent[probe->number % p->sent_size];
	*sent = (struct sent){
		.number = probe->number,
		.socket = socket,
		.padded = probe->len == PROBE_PADDED_BYTES,
		.use = probe->flags & PROBE_USE,
		.to = *to,
		.at_us = now,
	};
	memcpy(sent->echo, probe->echo, sizeof sent->echo);
}

/* The CHECK that a REPLY answers, which came back from where it went; NULL: none. Numbers can be
 * guessed by a peer that would answer for another address. */
static struct sent *sent_find(struct punch *p, const struct probe *reply, uint16_t socket,
			      const struct address *from)
{
	struct sent *sent = &p->sent[reply->answers % p->sent_size];

	return reply->answers != 0 && sent->number == reply->answers &&
	       sent->socket == socket && address_equal(&sent->to, from) &&
	       memcmp(sent->echo, reply->echo, sizeof sent->echo) == 0 ? sent : NULL;
}

/* ---- sending ---- */

static void probe_send(struct punch *p, uint16_t socket, const struct address *to,
		       struct probe *probe)
{
	uint8_t bytes[RELAY_HEADER_BYTES + PROBE_PADDED_BYTES];
	bool relayed = p->has_leg && address_equal(to, &p->leg.relay);

	memcpy(probe->tag, p->tag, sizeof probe->tag);
	probe->generation = p->generation;
	if (relayed)
		probe->flags |= PROBE_RELAYED;
	probe_write(probe, p->keys.probe_out, bytes + RELAY_HEADER_BYTES);
	if (relayed) {
		relay_leg_header(&p->leg, bytes);
		send_bytes(p, socket, to, 0, bytes, RELAY_HEADER_BYTES + probe->len);
	} else {
		send_bytes(p, socket, to, 0, bytes + RELAY_HEADER_BYTES, probe->len);
	}
}

void check_send(struct punch *p, uint64_t now, uint16_t socket, const struct address *to)
{
	struct probe probe = { .type = PROBE_CHECK, .len = PROBE_BYTES };

	sent_note(p, now, socket, to, &probe);
	probe_send(p, socket, to, &probe);
}

void pair_check(struct punch *p, uint64_t now, struct pair *pair, bool padded)
{
	bool use = is_offerer(p) && pair == p->chosen;
	struct probe probe = {
		.type = PROBE_CHECK,
		.flags = use ? PROBE_USE : 0,
		.len = padded ? PROBE_PADDED_BYTES : PROBE_BYTES,
	};

	if (!pair->answered && pair->kind != PUNCH_PATH_RELAYED &&
	    pair->asked++ >= ETIQUETTE_CHECKS_EVER)
		return;
	sent_note(p, now, pair->socket, &pair->remote, &probe);
	probe_send(p, pair->socket, &pair->remote, &probe);
}

void opener_send(struct punch *p, uint16_t socket, const struct address *to)
{
	uint8_t bytes[PROBE_OPENER_BYTES], ttl = p->nat.ttl;

	random_bytes(&p->random, bytes, sizeof bytes);
	bytes[0] = PROBE_OPENER;
	if (ttl == 0)
		ttl = p->generation == 0 ? TTL_NEAR : TTL_FAR;
	send_bytes(p, socket, to, ttl, bytes, sizeof bytes);
}

/* ---- pairs ---- */

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
		.generation = p->generation,
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

static void pair_make(struct punch *p, uint64_t now, const struct candidate *c)
{
	uint16_t socket = p->main[c->address.family == 6];
	enum punch_path_kind kind = PUNCH_PATH_DIRECT;
	struct pair *pair;

	/* whom we send to sees our address */
	if (p->config.relay_only)
		return;
	if (socket == NO_SOCKET || !socket_is_open(p, socket) ||
	    !candidate_allowed(&c->address, p->locals, p->locals_n, same_external(p, &c->address)))
		return;
	/* what a server sees of a hard NAT is not what we would meet */
	if (c->kind == CANDIDATE_REFLEXIVE && c->address.family == 4 &&
	    p->peer_nat.mapping > NAT_MAPPING_ENDPOINT_INDEPENDENT)
		return;
	if (address_scope(&c->address) != SCOPE_GLOBAL ||
	    candidate_is_lan(&c->address, p->locals, p->locals_n))
		kind = PUNCH_PATH_LAN;
	/* one port that a full packet of ours spoils is enough to move their whole mapping */
	if (p->plan.first == PLAN_WE_FIRST && !harmless(p, c, kind))
		return;
	pair = pair_add(p, socket, &c->address, kind);
	if (!pair || pair->state == PAIR_VALID)
		return;
	pair->generation = p->generation;
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
		relayed = pair_add(p, p->leg_socket, &p->leg.relay,
				   PUNCH_PATH_RELAYED);
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

/* ---- receiving ---- */

static enum punch_path_kind kind_of(const struct punch *p, const struct address *from,
				    bool relayed)
{
	if (relayed)
		return PUNCH_PATH_RELAYED;
	return address_scope(from) != SCOPE_GLOBAL ||
	       candidate_is_lan(from, p->locals, p->locals_n) ? PUNCH_PATH_LAN : PUNCH_PATH_DIRECT;
}

static void reply(struct punch *p, uint16_t socket, const struct address *to,
		  const struct probe *check)
{
	struct probe probe = {
		.type = PROBE_REPLY,
		.number = ++p->number,
		.answers = check->number,
		.seen = *to,
		.len = check->len,
	};

	memcpy(probe.echo, check->echo, sizeof probe.echo);
	probe_send(p, socket, to, &probe);
}

static void on_check(struct punch *p, uint64_t now, uint16_t socket, const struct address *from,
		     bool relayed, const struct probe *check)
{
	struct pair *pair = pair_find(p, socket, from);

	/* a forged source must not turn our answers inwards */
	if (!relayed && (p->config.relay_only || (!pair &&
	    !candidate_allowed(from, p->locals, p->locals_n, same_external(p, from))))) {
		p->count.strange++;
		return;
	}
	reply(p, socket, from, check);
	if (!pair || pair->state == PAIR_DEAD)
		pair = pair_add(p, socket, from, kind_of(p, from, relayed));
	if (!pair)
		return;
	if (check->flags & PROBE_USE && check->number > pair->use_number)
		pair->use_number = check->number;
	if (pair->state == PAIR_VALID) {
		keep_heard(p, now, pair);
	} else if (now - pair->triggered_us >= TRIGGER_APART_US || pair->triggered_us == 0) {
		pair->triggered_us = now;
		pair->early = false;
		pair_start(pair, now);
		pair_timer(p, now, pair);
	}
	/* theirs came through: they have opened, on this path at least */
	if (!relayed && !p->peer_open) {
		p->peer_open = true;
		pairs_release(p, now);
	}
	choose(p, now);
}

static void rtt_note(struct pair *pair, uint32_t rtt)
{
	/* RFC 6298's smoothing */
	pair->rtt_us = pair->rtt_us == 0 ? rtt : pair->rtt_us - pair->rtt_us / 8 + rtt / 8;
	pair->rtts++;
}

static void on_reply(struct punch *p, uint64_t now, uint16_t socket, const struct address *from,
		     bool relayed, const struct probe *probe)
{
	struct sent *sent = sent_find(p, probe, socket, from);
	struct pair *pair = pair_find(p, socket, from);

	if (!sent || (!pair && !campaign_covers(p, from))) {
		p->count.strange++;
		return;
	}
	if (!pair || pair->state == PAIR_DEAD)
		pair = pair_add(p, socket, from, kind_of(p, from, relayed));
	if (!pair)
		return;
	pair->state = PAIR_VALID;
	pair->answered = true;
	pair->due_us = NEVER;
	rtt_note(pair, (uint32_t)(now - sent->at_us));
	if (sent->padded) {
		pair->padded_right = true;
		pair->padded_failed = false;
		pair->padded_tries = 0;
	}
	if (sent->use)
		pair->used = true;
	sent->number = 0;
	keep_heard(p, now, pair);
	choose(p, now);
}

void check_receive(struct punch *p, uint64_t now, uint16_t socket, const struct address *from,
		   bool relayed, const void *packet, size_t len)
{
	const uint8_t *bytes = packet;
	struct probe probe;
	int r;

	if (!p->keyed || !p->known_us || bytes[0] == PROBE_OPENER) {
		p->count.strange++;
		return;
	}
	r = probe_read(packet, len, p->keys.probe_in, &probe);
	if (r < 0) {
		if (r == -EBADMSG)
			p->count.forged++;
		else
			p->count.strange++;
		return;
	}
	/* a relay must not pass for a direct path by sending on what goes by it */
	if (memcmp(probe.tag, p->tag, sizeof p->tag) != 0 ||
	    (probe.flags & PROBE_RELAYED ? !relayed : relayed)) {
		p->count.strange++;
		return;
	}
	if (!replay_take(&p->replay, probe.number)) {
		p->count.replayed++;
		return;
	}
	if (probe.type == PROBE_CHECK)
		on_check(p, now, socket, from, relayed, &probe);
	else
		on_reply(p, now, socket, from, relayed, &probe);
}
