/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The simulated world from inside. For world.c, net.c and socket.c only.
 */
#pragma once

#include <sys/queue.h>

#include "memory.h"
#include "world.h"

#define SIM_BOX_PLUGS 4u

struct sim_plug_address {
	struct sim_node node;		/* in the network's table */
	struct sim_plug *plug;
};

struct sim_plug {
	struct sim_box *box;
	struct sim_net *net;
	struct sim_plug_address addresses[SIM_PLUG_ADDRESSES];
	size_t n;
	bool delayed[2];	/* by out, by in: else it is there at once */
	struct sim_link out, in;
};

struct sim_net {
	struct sim_world *world;
	SLIST_ENTRY(sim_net) of_world;
	unsigned int hops;
	struct sim_table addresses;	/* plugs by IP */
	struct sim_plug *gateway;	/* or NULL */
};

struct sim_box {
	struct sim_world *world;
	SLIST_ENTRY(sim_box) of_world;
	struct sim_nat *nat;		/* NULL: a host */
	struct sim_plug *plugs[SIM_BOX_PLUGS];
	size_t plugs_n;
	bool low_ports;
	struct sim_table sockets;	/* by local address */
};

struct sim_socket {
	struct sim_node node;		/* its local address */
	struct sim_box *host;
	sim_receive *receive;
	void *arg;
};

struct sim_event {
	uint64_t at_us, number;
	void (*fn)(void *arg);		/* NULL: the packet arrives at the plug's net or box */
	void *arg;
	struct sim_plug *plug;
	struct sim_packet *packet;
	bool at_box;
};

struct sim_world {
	uint64_t now_us, digest, events, packets;
	struct sim_rng rng;
	struct sim_event *heap;
	size_t heap_n, heap_size;
	struct sim_pool small, large;	/* packets */
	struct sim_pool plugs, sockets;
	SLIST_HEAD(sim_nets, sim_net) nets;
	SLIST_HEAD(sim_boxes, sim_box) boxes;
	void (*watch)(void *arg, const struct sim_step *step);
	void *watch_arg;
};

/* ---- world.c */
struct sim_packet *sim_packet_new(struct sim_world *world, size_t len);
void sim_packet_free(struct sim_world *world, struct sim_packet *packet);
void sim_world_push(struct sim_world *world, const struct sim_event *event);
void sim_world_trace(struct sim_world *world, const struct sim_step *step);

/* ---- net.c: a packet on its way, which they take over */
void sim_plug_send(struct sim_plug *plug, struct sim_packet *packet);
/* At the plug's box, or in its network. */
void sim_plug_arrive(struct sim_plug *plug, struct sim_packet *packet, bool at_box);
void sim_packet_end(struct sim_world *world, const struct sim_box *box, struct sim_packet *packet,
		    enum sim_verdict verdict);

/* ---- socket.c */
void sim_host_receive(struct sim_box *host, struct sim_packet *packet);
