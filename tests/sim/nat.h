/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A simulated NAT for UDP: RFC 4787's behaviours and the ways of real ones, among them Linux's
 * connection tracking as it was measured. Pure: fed with moments and packets, it translates them
 * in place and says what becomes of them; no clock, no randomness but its seed's. State expires
 * as later packets come, so that it needs no timer.
 *
 * For the simulator's world (virtual time) and the kernel lab's box (real time).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../../libintro/punch/nat.h"
#include "packet.h"

#define SIM_NAT_EXTERNALS 4u

/* How a new mapping's external port is chosen; each of 1024-65535 unless said otherwise. */
enum sim_ports {
	SIM_PORTS_PRESERVING,	/* the internal port; if it is taken, any */
	SIM_PORTS_SEQUENTIAL,	/* the last one plus .step, from .start */
	SIM_PORTS_BLOCK,	/* any of .size ports from .low; the next host has the next block */
	SIM_PORTS_PARITY,	/* any of the internal port's parity */
	SIM_PORTS_RANDOM,
	/* Linux's, which overload (below). Where the port must change, 1-511 remain there,
	 * 512-1023 become 600-1023, and others 1024-65535. */
	SIM_PORTS_LINUX,	/* masquerade: the port that the internal one has already, else the
				 * internal port, if the tuple is free; else any of its class */
	SIM_PORTS_LINUX_RANDOM,	/* masquerade fully-random: any of its class */
};

enum sim_full {
	SIM_FULL_DROP,		/* no new flow */
	SIM_FULL_EVICT,		/* instead of the one without traffic for the longest time */
};

enum sim_guard {
	SIM_GUARD_NEW,		/* drops new flows */
	SIM_GUARD_ALL,		/* drops whatever the host sends or is sent */
};

/* Zero means off, or what is said. */
struct sim_nat_config {
	enum nat_mapping mapping;	/* one of the three that are NATs */
	enum nat_filtering filtering;
	enum sim_ports ports;
	/* One external port serves several mappings, which their remotes tell apart. With
	 * ADDRESS_PORT_DEPENDENT mapping and filtering only. */
	bool overload;
	int16_t step;
	uint16_t start;			/* 0: any */
	uint16_t low, size;
	struct address external[SIM_NAT_EXTERNALS];	/* ports 0; of one family */
	size_t externals;		/* at least 1 */
	bool arbitrary;			/* an external address per mapping, not per host */
	bool hairpin;
	/* The router itself accepts what no mapping takes, and remembers it as a flow, whose
	 * tuple is then not free. With overload only. */
	bool input_accepts;
	bool outbound_refresh;		/* only outbound packets keep a flow alive */
	uint32_t unreplied_us;		/* 0: 30 s */
	uint32_t stream_us;		/* 0: 120 s, for flows with traffic both ways ... */
	uint32_t stream_after_us;	/* 0: 2 s ... that still flows so long after its start */
	uint32_t host_flows;		/* flows of one host */
	enum sim_full full;
	uint32_t guard_rate;		/* new flows of one host in one second; more of them ... */
	enum sim_guard guard;
	uint32_t guard_us;		/* ... have this for so long after the last such second */
	double foreign_rate;		/* SEQUENTIAL: ports per second that others take */
	uint64_t seed;
};

struct sim_nat;

/* A common kind of NAT by its name (sim_nat_names), with one external address: false: there is
 * none. */
bool sim_nat_named(const char *name, const struct address *external, uint64_t seed,
		   struct sim_nat_config *ret);
/* Their names and what they are, ended by a NULL name. */
struct sim_nat_name {
	const char *name, *what;
	struct sim_nat_config config;	/* without addresses and seed */
};
extern const struct sim_nat_name sim_nat_names[];

/* Never NULL. Its owner sees to it that the configuration makes sense. */
struct sim_nat *sim_nat_new(const struct sim_nat_config *config);
void sim_nat_free(struct sim_nat *nat);

/* A packet from inside, and one from outside to one of the external addresses. SIM_FORWARD: it is
 * translated and to be sent on to the other side. SIM_HAIRPIN: translated and to be sent inside.
 * Anything else: gone. Moments never go back. */
enum sim_verdict sim_nat_out(struct sim_nat *nat, uint64_t now_us, struct sim_packet *packet);
enum sim_verdict sim_nat_in(struct sim_nat *nat, uint64_t now_us, struct sim_packet *packet);

/* Forgets all of its state; external may be NULL: the same addresses, else the only one. */
void sim_nat_reboot(struct sim_nat *nat, const struct address *external);

const struct sim_nat_config *sim_nat_config(const struct sim_nat *nat);
bool sim_nat_owns(const struct sim_nat *nat, const struct address *address);
/* SEQUENTIAL: the port that the next mapping would get, if nobody takes it before. */
uint16_t sim_nat_next(const struct sim_nat *nat);
/* Flows that it remembered when the last packet came, poison included. */
size_t sim_nat_flows(const struct sim_nat *nat);
