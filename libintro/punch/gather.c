/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The engine's gathering: what STUN servers see of its main sockets, and the candidates that
 * come of it. Begun at the start, and for each generation's fresh sockets.
 */
#include <string.h>

#include "inner.h"

/* A server 100 ms away still answers the first request; loss costs one more. */
#define FIRST_RTO_US 120000u
#define TRIES 5u
/* Gathering ends with what there is: an unreachable server must not keep a LAN peer waiting. */
#define LIMIT_US 600000u
/* A sequential port is stale after this: others have taken two, at 20 a second. */
#define FRESH_US 100000u
#define SECOND_WAIT_US 60000u	/* for the other server, once one has answered */

static unsigned int family_of(const struct punch *p, uint16_t socket)
{
	return p->sockets.list[socket].family == 6 ? V6 : V4;
}

static void ask_send(struct punch *p, struct ask *ask, uint64_t now)
{
	uint8_t packet[STUN_HEADER_BYTES + 8];
	struct stun_writer w;
	int len;

	stun_begin(&w, packet, sizeof packet, STUN_BINDING_REQUEST, ask->id);
	stun_put_fingerprint(&w);
	len = stun_finish(&w);
	if (len > 0)
		send_bytes(p, ask->socket, &p->config.servers[ask->server], 0, packet,
			   (size_t)len);
	ask->due_us = now + ((uint64_t)FIRST_RTO_US << ask->tries);
	ask->tries++;
}

void gather_ask(struct punch *p, uint64_t now, uint16_t socket, unsigned int server)
{
	const struct address *to = &p->config.servers[server];

	if (to->family == 0 || !socket_is_open(p, socket) ||
	    p->sockets.list[socket].family != to->family)
		return;
	for (size_t i = 0; i < ASKS_MAX; i++) {
		struct ask *ask = &p->gather.asks[i];

		if (ask->active)
			continue;
		*ask = (struct ask){
			.active = true,
			.socket = socket,
			.server = (uint8_t)server,
			.first_us = now,
		};
		random_bytes(&p->random, ask->id, sizeof ask->id);
		ask_send(p, ask, now);
		return;
	}
}

bool gather_resample(struct punch *p, uint64_t now)
{
	if (p->nat.ports != NAT_PORTS_SEQUENTIAL || nat_easy(&p->nat) ||
	    p->main[V4] == NO_SOCKET || now - p->gather.sampled_us < FRESH_US ||
	    p->gather.probe != NO_SOCKET)
		return false;
	/* only a new flow shows the next port */
	p->gather.probe = socket_want(p, 4, OUTPUT_BIND_ANY);
	return p->gather.probe != NO_SOCKET;
}

static void probe_end(struct punch *p, uint64_t now)
{
	socket_close(p, p->gather.probe);
	p->gather.probe = NO_SOCKET;
	talk_sampled(p, now);
}

void gather_probe_opened(struct punch *p, uint64_t now)
{
	if (socket_is_open(p, p->gather.probe))
		gather_ask(p, now, p->gather.probe, 0);
	else
		probe_end(p, now);
}

/* The furthest port on is the newest, whatever came back first. */
static void learn_last(struct punch *p, uint64_t now, uint16_t port)
{
	int on = (int16_t)(uint16_t)(port - p->nat.last);

	p->gather.sampled_us = now;
	if (p->nat.last == 0 || on * p->nat.step > 0)
		p->nat.last = port;
}

static bool asking(const struct punch *p, bool first_only)
{
	for (size_t i = 0; i < ASKS_MAX; i++) {
		const struct ask *ask = &p->gather.asks[i];

		if (ask->active && !(first_only && ask->server > 0))
			return true;
	}
	return false;
}

static bool opening(const struct punch *p)
{
	for (unsigned int family = V4; family < FAMILIES; family++) {
		if (p->main[family] != NO_SOCKET &&
		    p->sockets.list[p->main[family]].state == SOCKET_WANTED)
			return true;
	}
	return false;
}

void gather_candidates(struct punch *p)
{
	uint16_t port[FAMILIES] = { 0 };

	memset(&p->mine, 0, sizeof p->mine);
	if (p->config.relay_only)
		return;
	for (unsigned int family = V4; family < FAMILIES; family++) {
		if (p->main[family] != NO_SOCKET && socket_is_open(p, p->main[family]))
			port[family] = p->sockets.list[p->main[family]].port;
	}
	candidates_add(&p->mine, CANDIDATE_REFLEXIVE, &p->gather.reflexive[V4]);
	candidates_add(&p->mine, CANDIDATE_REFLEXIVE, &p->gather.reflexive[V6]);
	/* the router's port leads to the first socket only */
	if (p->main[V4] == 0)
		candidates_add(&p->mine, CANDIDATE_MAPPED, &p->config.mapped);
	candidates_add_hosts(&p->mine, p->locals, p->locals_n, port);
}

static void gather_done(struct punch *p, uint64_t now)
{
	struct punch_event event = { .kind = PUNCH_GATHERED };
	unsigned int main = p->main[V4] != NO_SOCKET ? V4 : V6;

	p->gather.going = false;
	gather_candidates(p);
	event.candidates = (unsigned int)p->mine.n;
	event.reflexive = p->gather.reflexive[main];
	if (p->generation == 0)
		say(p, now, &event);
	talk_gathered(p, now);
}

static void gather_look(struct punch *p, uint64_t now)
{
	if (!p->gather.going || opening(p))
		return;
	if (!asking(p, false) || now >= p->gather.limit_us)
		gather_done(p, now);
	else if (!asking(p, true))
		earlier(&p->gather.limit_us, now + SECOND_WAIT_US);
}

static void ask_all(struct punch *p, uint64_t now)
{
	for (unsigned int family = V4; family < FAMILIES; family++) {
		for (unsigned int server = 0; server < 2; server++) {
			if (p->main[family] != NO_SOCKET)
				gather_ask(p, now, p->main[family], server);
		}
	}
}

void gather_begin(struct punch *p, uint64_t now, bool fresh)
{
	struct gather *g = &p->gather;

	memset(g->asks, 0, sizeof g->asks);
	memset(g->reflexive, 0, sizeof g->reflexive);
	g->going = true;
	g->limit_us = now + LIMIT_US;
	if (fresh) {
		for (unsigned int family = V4; family < FAMILIES; family++) {
			if (p->main[family] != NO_SOCKET)
				p->main[family] = socket_want(p, family == V4 ? 4 : 6,
							      OUTPUT_BIND_ANY);
		}
		return;
	}
	if (!p->config.relay_only)
		ask_all(p, now);
	gather_look(p, now);
}

void gather_opened(struct punch *p, uint64_t now)
{
	for (unsigned int family = V4; family < FAMILIES; family++) {
		uint16_t socket = p->main[family];

		if (socket != NO_SOCKET && p->sockets.list[socket].state == SOCKET_CLOSED)
			p->main[family] = NO_SOCKET;
	}
	if (opening(p))
		return;
	if (p->generation > 0)
		ask_all(p, now);
	gather_look(p, now);
}

void gather_timer(struct punch *p, uint64_t now)
{
	for (size_t i = 0; i < ASKS_MAX; i++) {
		struct ask *ask = &p->gather.asks[i];

		if (!ask->active || ask->due_us > now)
			continue;
		if (ask->tries < TRIES && socket_is_open(p, ask->socket)) {
			ask_send(p, ask, now);
			continue;
		}
		ask->active = false;
		if (ask->socket == p->gather.probe)
			probe_end(p, now);
	}
	gather_look(p, now);
}

uint64_t gather_deadline(const struct punch *p)
{
	uint64_t deadline = p->gather.going && !opening(p) ? p->gather.limit_us : NEVER;

	for (size_t i = 0; i < ASKS_MAX; i++) {
		if (p->gather.asks[i].active)
			earlier(&deadline, p->gather.asks[i].due_us);
	}
	return deadline;
}

/* One socket, two servers, two ports: without a survey this is all that is known. */
static void learn(struct punch *p)
{
	const struct address *first = &p->gather.reflexive[V4];

	p->nat.external = *first;
	if (p->nat.mapping != NAT_MAPPING_UNKNOWN || p->gather.second.family == 0 ||
	    first->family == 0)
		return;
	p->nat.mapping = address_equal(first, &p->gather.second) ?
				 NAT_MAPPING_ENDPOINT_INDEPENDENT :
				 NAT_MAPPING_ADDRESS_PORT_DEPENDENT;
}

static void learn_seen(struct punch *p, uint64_t now, const struct ask *ask,
		       const struct address *seen)
{
	unsigned int family = family_of(p, ask->socket);
	uint32_t rtt = (uint32_t)(now - ask->first_us);

	if (ask->tries == 1 && (p->gather.rtt_us == 0 || rtt < p->gather.rtt_us))
		p->gather.rtt_us = rtt;
	if (p->nat.ports == NAT_PORTS_SEQUENTIAL &&
	    (p->gather.going || ask->socket == p->gather.probe))
		learn_last(p, now, seen->port);
	if (ask->socket == p->gather.probe)
		probe_end(p, now);
	else if (ask->server == 0 && ask->socket == p->main[family]) {
		struct address was = p->gather.reflexive[family];

		p->gather.reflexive[family] = *seen;
		keep_seen(p, now, family, &was);
	} else if (ask->socket == p->keep.spare) {
		keep_spare_seen(p, now, seen);
	} else if (ask->socket == p->main[V4]) {
		p->gather.second = *seen;
	}
	learn(p);
}

bool gather_answer(struct punch *p, uint64_t now, uint16_t socket, const struct address *from,
		   const void *packet, size_t len)
{
	struct stun_message m;

	if (stun_parse(packet, len, &m) < 0 || m.type != STUN_BINDING_SUCCESS ||
	    m.mapped.family == 0)
		return false;
	for (size_t i = 0; i < ASKS_MAX; i++) {
		struct ask *ask = &p->gather.asks[i];

		if (!ask->active || ask->socket != socket ||
		    memcmp(ask->id, m.id, sizeof m.id) != 0 ||
		    !address_equal(from, &p->config.servers[ask->server]))
			continue;
		ask->active = false;
		learn_seen(p, now, ask, &m.mapped);
		gather_look(p, now);
		return true;
	}
	return false;
}
