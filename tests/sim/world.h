/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The simulated world: hosts and NATs on networks, in virtual time. A world is a function of its
 * seed and of what is done with it: the same again gives the same trace, byte by byte, which
 * sim_world_digest() tells.
 *
 * A box is a host or a NAT; a plug joins it to a network by two links. A network delivers to
 * whose plug has the address, else to its gateway. Nothing is real: no descriptors, no threads;
 * worlds are independent of each other. All objects live until sim_world_free().
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../../libintro/punch/output.h"
#include "link.h"
#include "nat.h"
#include "rng.h"

struct sim_world;
struct sim_net;
struct sim_box;
struct sim_plug;
struct sim_socket;

struct sim_world *sim_world_new(uint64_t seed);
void sim_world_free(struct sim_world *world);
uint64_t sim_world_now(const struct sim_world *world);	/* µs */
struct sim_rng *sim_world_rng(struct sim_world *world);
/* Of every packet's every step so far. */
uint64_t sim_world_digest(const struct sim_world *world);

/* Calls fn(arg) at a moment that is not past. */
void sim_world_at(struct sim_world *world, uint64_t at_us, void (*fn)(void *arg), void *arg);
/* Goes on until nothing is to happen until the moment, or done(arg) is true after an event. done
 * may be NULL. Returns whether done was true. */
bool sim_world_run(struct sim_world *world, uint64_t until_us, bool (*done)(void *arg), void *arg);

/* One step of a packet. */
struct sim_step {
	uint64_t now_us;
	const struct sim_box *box;	/* where; NULL: in a network */
	bool sent;			/* by the box, which is a host */
	enum sim_verdict verdict;	/* where it did not begin */
	const struct sim_packet *packet;	/* as it leaves, or as it came where it ends */
	const char *note;		/* instead of a packet: what happened in the box */
};
void sim_world_watch(struct sim_world *world, void (*fn)(void *arg, const struct sim_step *step),
		     void *arg);

void sim_world_note(struct sim_world *world, const struct sim_box *box, const char *note);

/* hops: routers on the way from one plug to another, each of which takes one off the TTL. */
struct sim_net *sim_net_add(struct sim_world *world, unsigned int hops);
struct sim_box *sim_host_add(struct sim_world *world);
/* Its first plug is to be the inside, whose network it becomes the gateway of; its second one
 * the outside, which has its external addresses. */
struct sim_box *sim_nat_add(struct sim_world *world, const struct sim_nat_config *config);
struct sim_nat *sim_box_nat(struct sim_box *box);

#define SIM_PLUG_ADDRESSES 4u
/* out and in are the links from and to the box; NULL: at once. The world seeds them. */
struct sim_plug *sim_plug_add(struct sim_box *box, struct sim_net *net,
			      const struct address *addresses, size_t n,
			      const struct sim_link_config *out, const struct sim_link_config *in);
/* Other addresses; none: unplugged. */
void sim_plug_readdress(struct sim_plug *plug, const struct address *addresses, size_t n);
/* All state forgotten; external NULL: the same addresses. */
void sim_box_reboot(struct sim_box *box, const struct address *external);
/* A host's addresses, port 0: their number. */
size_t sim_box_addresses(const struct sim_box *box, struct address *ret, size_t n);

typedef void sim_receive(void *arg, struct sim_socket *socket, const struct address *from,
			 const uint8_t *bytes, size_t len);
/* A UDP socket of a host. local: where it is bound, its port 0: as bind says; its IP zero: all of
 * the family's. 0, -EADDRINUSE or -EACCES (a privileged port, see sim_box_privilege()). */
int sim_socket_open(struct sim_box *host, const struct address *local, enum output_bind bind,
		    sim_receive *receive, void *arg, struct sim_socket **ret);
void sim_socket_close(struct sim_socket *socket);
/* ttl 0: SIM_TTL. */
void sim_socket_send(struct sim_socket *socket, const struct address *to, uint8_t ttl,
		     const void *bytes, size_t len);
/* Its address; the IP is that of the host's first plug where it is bound to none. */
void sim_socket_local(const struct sim_socket *socket, struct address *ret);
/* Whether a host may bind ports below 1024. */
void sim_box_privilege(struct sim_box *host, bool low_ports);
