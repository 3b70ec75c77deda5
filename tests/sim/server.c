/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The simulated servers of server.h.
 */
#include "server.h"

#include <stdlib.h>

static void stun_receive(void *arg, struct sim_socket *socket, const struct address *from,
			 const uint8_t *bytes, size_t len)
{
	struct sim_stun *s = arg;
	unsigned int i = 0;
	struct stun_answer answer;

	while (s->sockets[i / 2][i % 2] != socket)
		i++;
	if (stun_server_answer(&s->server, i / 2, i % 2, from, bytes, len, &answer))
		sim_socket_send(s->sockets[answer.ip][answer.port], &answer.to, 0, answer.bytes,
				answer.len);
}

void sim_stun_open(struct sim_stun *s, struct sim_box *box, const struct address ips[2])
{
	struct address *at;

	for (unsigned int i = 0; i < 4; i++) {
		at = &s->server.at[i / 2][i % 2];
		*at = ips[i / 2];
		at->port = (uint16_t)(STUN_PORT + i % 2);
		if (sim_socket_open(box, at, OUTPUT_BIND_ANY, stun_receive, s,
				    &s->sockets[i / 2][i % 2]) < 0)
			abort();
	}
}

static void relay_tick(void *arg);

static void relay_arm(struct sim_relay *s)
{
	uint64_t at = relay_deadline(s->relay), now = sim_world_now(s->world);

	if (at <= now)
		at = now + 1;
	if (at >= s->armed_us)
		return;
	s->armed_us = at;
	sim_world_at(s->world, at, relay_tick, s);
}

static void relay_tick(void *arg)
{
	struct sim_relay *s = arg;

	if (s->armed_us != sim_world_now(s->world))
		return;
	s->armed_us = UINT64_MAX;
	relay_timer(s->relay, sim_world_now(s->world));
	relay_arm(s);
}

static void relay_got(void *arg, struct sim_socket *socket, const struct address *from,
		      const uint8_t *bytes, size_t len)
{
	struct sim_relay *s = arg;
	struct relay_out out;

	relay_receive(s->relay, sim_world_now(s->world), 0, from, bytes, len, len, &out);
	if (out.forward > 0)
		sim_socket_send(socket, &out.to, 0, bytes, out.forward);
	for (unsigned int i = 0; i < out.sends_n; i++)
		sim_socket_send(socket, &out.sends[i].to, 0, out.sends[i].bytes,
				out.sends[i].len);
	relay_arm(s);
}

void sim_relay_open(struct sim_relay *s, struct sim_world *world, struct sim_box *box,
		    const struct address *at)
{
	struct relay_config c = {
		.quota = { .idle_s = 60 },
		.sessions_max = 16,
		.own = at,
		.own_n = 1,
	};

	for (size_t i = 0; i < sizeof c.seed; i++)
		c.seed[i] = (uint8_t)sim_rng_u64(sim_world_rng(world));
	*s = (struct sim_relay){ .world = world, .armed_us = UINT64_MAX };
	if (relay_new(&s->relay, &c, sim_world_now(world)) < 0 ||
	    sim_socket_open(box, at, OUTPUT_BIND_ANY, relay_got, s, &s->socket) < 0)
		abort();
	relay_arm(s);
}

void sim_relay_free(struct sim_relay *s)
{
	relay_free(s->relay);
}
