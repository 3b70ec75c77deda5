/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The engine's sockets by their numbers, and what leaves by them: no more in a second than
 * etiquette.h allows.
 */
#include <stdlib.h>

#include "inner.h"

uint16_t socket_want(struct punch *p, unsigned int family, enum output_bind bind)
{
	struct sockets *s = &p->sockets;
	struct output o = { .kind = OUTPUT_OPEN, .family = (uint8_t)family, .bind = bind };

	if (s->n == NO_SOCKET)
		return NO_SOCKET;
	if (s->n == s->size) {
		size_t size = s->size ? s->size * 2 : 4;
		struct local_socket *list = realloc(s->list, size * sizeof *list);

		if (!list)
			return NO_SOCKET;
		s->list = list;
		s->size = size;
	}
	s->list[s->n] = (struct local_socket){ .state = SOCKET_WANTED, .family = o.family };
	o.socket = (uint16_t)s->n++;
	output_put(&p->out, &o);
	return o.socket;
}

void socket_close(struct punch *p, uint16_t socket)
{
	struct output o = { .kind = OUTPUT_CLOSE, .socket = socket };

	if (socket >= p->sockets.n || p->sockets.list[socket].state == SOCKET_CLOSED)
		return;
	p->sockets.list[socket].state = SOCKET_CLOSED;
	output_put(&p->out, &o);
}

bool socket_is_open(const struct punch *p, uint16_t socket)
{
	return socket < p->sockets.n && p->sockets.list[socket].state == SOCKET_OPEN;
}

void punch_opened(struct punch *p, uint64_t now_us, uint16_t socket, const struct address *local,
		  int error)
{
	p->now_us = now_us;
	if (socket >= p->sockets.n || p->sockets.list[socket].state != SOCKET_WANTED)
		return;
	p->sockets.list[socket].state = error < 0 ? SOCKET_CLOSED : SOCKET_OPEN;
	p->sockets.list[socket].port = error < 0 ? 0 : local->port;
	if (socket == p->main[V4] || socket == p->main[V6])
		gather_opened(p, now_us);
	else if (socket == p->gather.probe)
		gather_probe_opened(p, now_us);
	else if (socket == p->keep.spare)
		keep_spare_open(p, now_us);
	else
		campaign_socket(p, now_us, socket);
}

/* Whether one more may go: fewer than ETIQUETTE_RATE have in the second before. */
static bool rate_take(struct punch *p)
{
	uint64_t *oldest = &p->sent_us[p->sent_n % ETIQUETTE_RATE];

	if (p->sent_n >= ETIQUETTE_RATE && p->now_us - *oldest < 1000000)
		return false;
	*oldest = p->now_us;
	if (++p->sent_n == 2 * ETIQUETTE_RATE)
		p->sent_n = ETIQUETTE_RATE;
	return true;
}

void send_bytes(struct punch *p, uint16_t socket, const struct address *to, uint8_t ttl,
		const void *bytes, size_t len)
{
	struct output o = {
		.kind = OUTPUT_SEND,
		.socket = socket,
		.ttl = ttl,
		.to = *to,
		.bytes = bytes,
		.len = len,
	};

	if (!socket_is_open(p, socket) || !rate_take(p))
		return;
	output_put(&p->out, &o);
	p->packets++;
	p->count.sent++;
}
