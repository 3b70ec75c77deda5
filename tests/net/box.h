/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The box: an internet of one process. It reads real packets from the TUN devices that hosts and
 * routers of a lab use as their way out, delays, loses, doubles and reorders them as the
 * simulator's links do (sim/link.h), is as many routers as wanted on their way, and translates
 * them where a NAT is wanted that the kernel has not (sim/nat.h). For lab.c.
 *
 *	port - [NAT] - link up - hops - link down - [NAT] - port
 *
 * Only UDP passes. NATs let IPv6 pass unchanged.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "sim/link.h"
#include "sim/nat.h"

#define BOX_PORTS_MAX 8u
#define BOX_NATS_MAX 2u
#define BOX_ROUTES_MAX 24u

struct box_port {
	int tun;
	int nat;		/* the one it is behind; -1: none */
	struct sim_link_config up, down;	/* to and from the middle; of a port behind a NAT
						 * those of the NAT count */
};

struct box_nat {
	struct sim_nat_config config;
	struct sim_link_config up, down;
};

/* Packets to that network go out of that port: those of everybody, if it is behind no NAT, else
 * of who is behind the same. */
struct box_route {
	struct address net;
	unsigned int bits;
	unsigned int port;
};

struct box_config {
	struct box_port ports[BOX_PORTS_MAX];
	struct box_nat nats[BOX_NATS_MAX];
	struct box_route routes[BOX_ROUTES_MAX];
	size_t ports_n, nats_n, routes_n;
	unsigned int hops;	/* that the middle takes from a TTL */
	struct address router;	/* says so where a packet's TTL ends there; none: nobody does */
};

/* What became of packets, shared with whoever started it. */
struct box_counters {
	_Atomic uint64_t verdicts[SIM_VERDICTS];
	_Atomic uint64_t read, strange;		/* strange: no UDP, or to nowhere */
	_Atomic uint64_t late_us;		/* worst lateness of a packet */
};

struct box {
	pid_t pid;
	int control;
	struct box_counters *counters;
};

/* Start it, with the ports' descriptors, which stay the caller's. It ends with the thread that
 * started it. 0 or -errno. */
int box_start(struct box *ret, const struct box_config *config);
void box_stop(struct box *box);
/* That NAT forgets all it knew; done when this returns. 0 or -errno. */
int box_reboot(struct box *box, unsigned int nat);

/* A TUN device of this name in the calling thread's network namespace: its descriptor,
 * non-blocking, or -errno. */
int box_tun(const char *name);
