/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A small internet in network namespaces: two hosts, each behind a home router that is a real
 * NAT of the Linux kernel's (and a carrier's, where wanted), a core between them, and public
 * hosts for a STUN server with two addresses and for a relay. For the tests of tests/net and for
 * the program that does many trials. Nothing of it has a name outside: all ends with its holder.
 *
 *	host - router - [carrier -] core - [carrier -] router - host
 *	                             |
 *	                        stun, relay
 *
 * The core is the kernel's and takes no time, or it is the box (box.h), which has delays and
 * losses, and NATs that the kernel has not.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "box.h"
#include "rules.h"
#include "space.h"

enum lab_node {
	LAB_CORE,
	LAB_HOST_A,
	LAB_HOST_B,
	LAB_THIRD_A,		/* another host of a LAN */
	LAB_THIRD_B,
	LAB_ROUTER_A,
	LAB_ROUTER_B,
	LAB_CARRIER_A,
	LAB_CARRIER_B,
	LAB_STUN,
	LAB_RELAY,
	LAB_NODES,
};

enum lab_end {
	LAB_A,
	LAB_B,
};

#define LAB_STUN_1 "192.0.2.1"
#define LAB_STUN_2 "192.0.2.2"
#define LAB_RELAY_IP "192.0.2.10"
#define LAB_PUBLIC_A "198.51.100.1"
#define LAB_PUBLIC_B "203.0.113.1"

struct lab_side {
	enum lab_nat nat;		/* the home router */
	enum lab_nat carrier;		/* LAB_NAT_NONE: there is no carrier */
	bool input_accept;		/* the outermost NAT takes packets for itself */
	unsigned int flows_max;		/* of a host, at the outermost NAT; 0: not limited */
	unsigned int timeout_s;		/* of a flow without an answer; 0: the kernel's 30 */
	unsigned int stream_timeout_s;	/* 0: the kernel's 120 */
	bool third;			/* its LAN has another host */
	/* A NAT of the box's (sim_nat_names) instead of the outermost one: the carrier's, or the
	 * home's if nat is NONE. The five values above are not for it. NULL: none. */
	const char *user_nat;
};

/* The box as the core; zeroed: the kernel. */
struct lab_core {
	bool box;
	struct sim_link_config link;	/* each attachment's, both ways: twice on a way */
	unsigned int hops;		/* routers on it, beside the NATs */
	bool expired;			/* they say so when a TTL ends */
};

struct lab_config {
	struct lab_side side[2];
	bool same_lan;			/* host B is in A's LAN; side[LAB_B] is not looked at */
	bool same_carrier;		/* B's home is behind A's user_nat, with a router */
	bool ipv6;			/* without translation, behind the routers' firewalls */
	struct lab_core core;
};

#define LAB_CHILDREN_MAX 32u

struct lab {
	struct lab_config config;
	struct space space[LAB_NODES];	/* net -1: that node is not there */
	char ip[LAB_NODES][16];		/* IPv4 addresses: of routers and carriers the outer */
	bool rebound[2];
	struct box box;
	int tuns[BOX_PORTS_MAX];	/* the box's ports; -1: none */
	pid_t children[LAB_CHILDREN_MAX];
	uint64_t up_us;			/* how long lab_up() took */
	char why[160];			/* what failed, for people */
};

/* Build it. 0 or a negative errno (-EPERM: this system gives us no namespaces), with nothing
 * left behind. ret->why tells more either way, lab_down() is needed after success only. */
int lab_up(struct lab *ret, const struct lab_config *config);
void lab_down(struct lab *lab);

/* The IPv4 address that the world sees of a host of that side. */
const char *lab_public(const struct lab *lab, enum lab_end end);

/* A program on a node: space_spawn(), but it also ends with the lab. */
pid_t lab_spawn(struct lab *lab, enum lab_node node, const struct space_program *program);
/* End it now, or wait for its end: space_wait(). */
void lab_stop(struct lab *lab, pid_t pid);
int lab_wait(struct lab *lab, pid_t pid, int timeout_ms);

/* Run one on a node to its end: its exit status or -errno; its output and errors NUL-terminated,
 * cut at size. */
int lab_run(struct lab *lab, enum lab_node node, const char *const *argv, char *out,
	    size_t size);

/* A UDP socket of a node's, bound to its address and port (0: any); the caller's. Or -errno. */
int lab_socket(const struct lab *lab, enum lab_node node, uint16_t port);

/* A STUN server with two addresses on the STUN node, ready when this returns: `punch stun` by the
 * program's path, or coturn for NULL. Its pid or -errno. */
pid_t lab_stun(struct lab *lab, const char *punch);

/* ---- what happens to people (lab_change.c) ---- */

/* The outermost NAT of that side forgets all its flows, and gives out other ports hence (but for
 * FULL_CONE and RESTRICTED, which keep the internal port), as if it had been switched off and
 * on. 0 or -errno. */
int lab_rebind(struct lab *lab, enum lab_end end);

/* The host gets another address of its LAN, and forgets its old one. 0 or -errno. */
int lab_change_address(struct lab *lab, enum lab_end end);
