/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The servers of the simulated internet: a STUN server with four addresses, and a relay; the
 * real ones' code, on a simulated host. For scenarios.
 */
#pragma once

#include "../../libintro/punch/relay.h"
#include "../../libintro/punch/stun_server.h"
#include "world.h"

struct sim_stun {
	struct stun_server server;
	struct sim_socket *sockets[2][2];
};
/* On a host with the two IPs, ports STUN_PORT and the next. */
void sim_stun_open(struct sim_stun *stun, struct sim_box *box, const struct address ips[2]);

struct sim_relay {
	struct sim_world *world;
	struct relay *relay;
	struct sim_socket *socket;
	uint64_t armed_us;
};
/* at: with its port. */
void sim_relay_open(struct sim_relay *relay, struct sim_world *world, struct sim_box *box,
		    const struct address *at);
void sim_relay_free(struct sim_relay *relay);
