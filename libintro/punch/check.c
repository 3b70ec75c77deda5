/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The engine's CHECKs and REPLYs: what each proves, and what one of the other end's makes us do.
 * When a pair's CHECKs go is pair.c's.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "inner.h"

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

/* Whether one more may go to an address that has never answered. Pairs come and go; all of them
 * together have a budget, too. */
static bool unanswered_take(struct punch *p, uint64_t now, struct pair *pair)
{
	const uint64_t ahead = (uint64_t)ETIQUETTE_UNANSWERED * ETIQUETTE_UNANSWERED_US;

	if (pair->asked == ETIQUETTE_CHECKS_EVER)
		return false;
	if (p->unanswered_us < now)
		p->unanswered_us = now;
	if (p->unanswered_us - now > ahead)
		return false;
	p->unanswered_us += ETIQUETTE_UNANSWERED_US;
	pair->asked++;
	return true;
}

void pair_check(struct punch *p, uint64_t now, struct pair *pair, bool padded)
{
	bool use = is_offerer(p) && pair == p->chosen;
	struct probe probe = {
		.type = PROBE_CHECK,
		.flags = use ? PROBE_USE : 0,
		.len = padded ? PROBE_PADDED_BYTES : PROBE_BYTES,
	};

	if (!pair->answered && pair->kind != PUNCH_PATH_RELAYED && !unanswered_take(p, now, pair))
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

/* ---- receiving ---- */

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
	if (!relayed && (p->config.relay_only || (!pair && !pair_allowed(p, from)))) {
		p->count.strange++;
		return;
	}
	reply(p, socket, from, check);
	if (!pair || pair->state == PAIR_DEAD)
		pair = pair_add(p, socket, from, pair_kind(p, from));
	if (!pair)
		return;
	if (check->flags & PROBE_USE && check->number > pair->use_number)
		pair->use_number = check->number;
	if (pair->state == PAIR_VALID)
		keep_heard(p, pair);
	else
		pair_trigger(p, now, pair);
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
		     const struct probe *probe)
{
	struct sent *sent = sent_find(p, probe, socket, from);
	struct pair *pair = pair_find(p, socket, from);

	if (!sent || (!pair && !campaign_covers(p, from))) {
		p->count.strange++;
		return;
	}
	if (!pair || pair->state == PAIR_DEAD)
		pair = pair_add(p, socket, from, pair_kind(p, from));
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
	keep_heard(p, pair);
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
		on_reply(p, now, socket, from, &probe);
}
