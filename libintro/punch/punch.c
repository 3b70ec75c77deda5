/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The engine's entrance: making and ending a struct punch, its sockets, whom a datagram is for,
 * and the deadlines of all its parts. What a driver calls is here and in punch.h.
 */
#include "punch.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "inner.h"

#define SENT_FIRST 256u

static void copy_locals(struct punch *p, const struct punch_local *locals, size_t n)
{
	p->locals_n = n < PUNCH_LOCALS_MAX ? n : PUNCH_LOCALS_MAX;
	if (p->locals_n > 0)
		memcpy(p->locals, locals, p->locals_n * sizeof *locals);
	p->config.locals = p->locals;
	p->config.locals_n = p->locals_n;
}

/* The family of socket 0. */
static unsigned int main_family(const struct punch *p)
{
	if (p->config.servers[0].family)
		return p->config.servers[0].family;
	if (p->config.relay.family)
		return p->config.relay.family;
	return p->locals_n > 0 && p->locals[0].address.family ? p->locals[0].address.family : 4;
}

static bool has_family(const struct punch *p, unsigned int family)
{
	for (size_t i = 0; i < p->locals_n; i++) {
		if (p->locals[i].address.family == family)
			return true;
	}
	return false;
}

static int open_mains(struct punch *p)
{
	unsigned int family = main_family(p), other = family == 4 ? 6 : 4;
	uint16_t number = socket_want(p, family, OUTPUT_BIND_ANY);

	if (number == NO_SOCKET)
		return -ENOMEM;
	/* number 0 is open: the driver's own */
	output_free(&p->out);
	p->sockets.list[number].state = SOCKET_OPEN;
	for (size_t i = 0; i < p->locals_n; i++) {
		if (p->locals[i].address.family == family)
			p->sockets.list[number].port = p->locals[i].address.port;
	}
	p->main[V4] = p->main[V6] = NO_SOCKET;
	p->main[family == 6] = number;
	if (has_family(p, other) && !p->config.relay_only)
		p->main[other == 6] = socket_want(p, other, OUTPUT_BIND_ANY);
	return 0;
}

static void make_keys(struct punch *p)
{
	uint8_t seed[KEY_BYTES];

	random_bytes(&p->random, seed, sizeof seed);
	key_pair_make(&p->pair_key, seed);
	key_of_offer(p->offer_key, p->config.secret);
	if (is_offerer(p)) {
		random_bytes(&p->random, p->tag, sizeof p->tag);
		random_bytes(&p->random, p->leg.session, sizeof p->leg.session);
	}
}

int punch_new(struct punch **ret, const struct punch_config *config, uint64_t now_us)
{
	struct punch *p = calloc(1, sizeof *p);

	if (!p)
		return -ENOMEM;
	p->config = *config;
	copy_locals(p, config->locals, config->locals_n);
	random_init(&p->random, config->seed);
	p->nat = config->nat;
	p->now_us = now_us;
	p->retry_us = p->refresh_us = p->campaign.due_us = NEVER;
	p->keep.spare = p->gather.probe = NO_SOCKET;
	p->rung = "checks";
	if (open_mains(p) < 0 || !sent_reserve(p, SENT_FIRST)) {
		punch_free(p);
		return -ENOMEM;
	}
	if (config->relay.family) {
		p->has_leg = true;
		p->leg_socket = p->main[config->relay.family == 6];
		relay_leg_init(&p->leg, &config->relay, &p->random, now_us);
	}
	make_keys(p);
	gather_begin(p, now_us, false);
	*ret = p;
	return 0;
}

void punch_free(struct punch *p)
{
	if (!p)
		return;
	if (host_of(p)->spraying == p)
		host_of(p)->spraying = NULL;
	output_free(&p->out);
	free(p->sockets.list);
	free(p->sent);
	explicit_bzero(p, sizeof *p);
	free(p);
}

/* ---- events ---- */

void say(struct punch *p, uint64_t now, struct punch_event *event)
{
	struct output o = {
		.kind = OUTPUT_EVENT,
		.bytes = (const uint8_t *)event,
		.len = sizeof *event,
	};

	event->took_us = p->known_us ? now - p->known_us : 0;
	event->packets = p->packets;
	event->ports = p->ports_tried;
	event->flows = (uint32_t)p->sockets.n;
	strncpy(event->rung, p->rung, sizeof event->rung - 1);
	output_put(&p->out, &o);
}

void trying(struct punch *p, uint64_t now, const char *rung)
{
	struct punch_event event = { .kind = PUNCH_TRYING };

	p->rung = rung;
	say(p, now, &event);
}

void fail(struct punch *p, uint64_t now, enum punch_reason reason)
{
	struct punch_event event = { .kind = PUNCH_FAILED, .reason = reason };

	if (p->over)
		return;
	campaign_end(p, now, NO_SOCKET);
	p->over = true;
	say(p, now, &event);
}

/* ---- datagrams ---- */

static struct pair *relayed_pair(struct punch *p)
{
	return pair_find(p, p->leg_socket, &p->leg.relay);
}

/* The engine's own: 16 to 63 (RFC 7983 leaves them to us). */
static bool is_control(const uint8_t *bytes, size_t len)
{
	return len > 0 && bytes[0] >= 16 && bytes[0] < 64;
}

static enum punch_got from_relay(struct punch *p, uint64_t now, const uint8_t *bytes, size_t len,
				 const uint8_t **payload, size_t *payload_len)
{
	struct pair *pair = relayed_pair(p);

	if (is_control(bytes, len)) {
		check_receive(p, now, p->leg_socket, &p->leg.relay, true,
			      bytes, len);
		return PUNCH_MINE;
	}
	if (len == 0 || bytes[0] < 64 || !p->keyed) {
		p->count.strange++;
		return PUNCH_MINE;
	}
	if (pair)
		keep_heard(p, pair);
	*payload = bytes;
	*payload_len = len;
	return PUNCH_DATA;
}

static enum punch_got from_peer(struct punch *p, uint64_t now, uint16_t socket,
				const struct address *from, const uint8_t *bytes, size_t len,
				const uint8_t **payload, size_t *payload_len)
{
	struct pair *pair;

	if (is_control(bytes, len)) {
		check_receive(p, now, socket, from, false, bytes, len);
		return PUNCH_MINE;
	}
	pair = pair_find(p, socket, from);
	if (len == 0 || bytes[0] < 64 || !pair || pair->state != PAIR_VALID) {
		p->count.strange++;
		return PUNCH_MINE;
	}
	keep_heard(p, pair);
	*payload = bytes;
	*payload_len = len;
	return PUNCH_DATA;
}

enum punch_got punch_datagram(struct punch *p, uint64_t now_us, uint16_t socket,
			      const struct address *from, const void *packet, size_t len,
			      const uint8_t **payload, size_t *payload_len)
{
	const uint8_t *data;
	size_t data_len;

	p->now_us = now_us;
	p->count.received++;
	if (!socket_is_open(p, socket) || p->over)
		return PUNCH_MINE;
	if (stun_looks(packet, len)) {
		if (!gather_answer(p, now_us, socket, from, packet, len))
			p->count.strange++;
		return PUNCH_MINE;
	}
	if (p->has_leg && address_equal(from, &p->leg.relay)) {
		switch (relay_leg_receive(&p->leg, now_us, from, packet, len, &data, &data_len)) {
		case RELAY_GOT_DATA:
			return from_relay(p, now_us, data, data_len, payload, payload_len);
		case RELAY_GOT_CONTROL:
			choose_relay(p, now_us);
			return PUNCH_MINE;
		case RELAY_GOT_NOTHING:
			p->count.strange++;
			return PUNCH_MINE;
		}
	}
	return from_peer(p, now_us, socket, from, packet, len, payload, payload_len);
}

void punch_signal(struct punch *p, uint64_t now_us, const void *signal, size_t len)
{
	p->now_us = now_us;
	if (!p->over)
		talk_signal(p, now_us, signal, len);
}

/* ---- moments ---- */

static void leg_timer(struct punch *p, uint64_t now)
{
	uint8_t out[RELAY_CONTROL_BYTES];
	size_t len;

	while (p->has_leg && (len = relay_leg_next(&p->leg, now, out)) > 0)
		send_bytes(p, p->leg_socket, &p->leg.relay, 0, out, len);
}

void punch_timer(struct punch *p, uint64_t now_us)
{
	p->now_us = now_us;
	if (p->over)
		return;
	leg_timer(p, now_us);
	gather_timer(p, now_us);
	campaign_timer(p, now_us);
	pairs_timer(p, now_us);
	keep_timer(p, now_us);
	talk_timer(p, now_us);
}

uint64_t punch_deadline(const struct punch *p)
{
	uint64_t deadline = NEVER;

	if (p->over)
		return NEVER;
	if (p->has_leg)
		earlier(&deadline, relay_leg_deadline(&p->leg));
	earlier(&deadline, gather_deadline(p));
	earlier(&deadline, campaign_deadline(p));
	earlier(&deadline, pairs_deadline(p));
	earlier(&deadline, keep_deadline(p));
	earlier(&deadline, p->retry_us);
	earlier(&deadline, p->refresh_us);
	return deadline;
}

bool punch_take(struct punch *p, struct output *ret)
{
	return output_take(&p->out, ret);
}

void punch_network(struct punch *p, uint64_t now_us, const struct punch_local *locals, size_t n)
{
	p->now_us = now_us;
	copy_locals(p, locals, n);
	if (p->over)
		return;
	gather_candidates(p);
	if (p->has_leg)
		relay_leg_moved(&p->leg, now_us);
	p->keep.ask_us = 0;
	p->keep.due_us = now_us;
	p->keep.await_us = p->keep.await_us ? p->keep.await_us : now_us;
	for (unsigned int family = V4; family < FAMILIES; family++) {
		if (p->main[family] != NO_SOCKET)
			gather_ask(p, now_us, p->main[family], 0);
	}
	if (p->known_us)
		talk_send(p, SIGNAL_MOVE);
	punch_timer(p, now_us);
}

void punch_observed(struct punch *p, uint64_t now_us, const struct address *peer)
{
	bool same = address_same_ip(&p->observed, peer);

	p->now_us = now_us;
	p->observed = *peer;
	if (same || p->over || !p->known_us ||
	    (p->chosen && p->chosen->kind != PUNCH_PATH_RELAYED))
		return;
	/* what was not allowed without it may be now */
	pairs_make(p, now_us);
	if (!p->campaign.on)
		campaign_begin(p, now_us);
}

const struct punch_path *punch_path(const struct punch *p)
{
	return &p->path;
}

void punch_count(const struct punch *p, struct punch_counters *ret)
{
	*ret = p->count;
}
