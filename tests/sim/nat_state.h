/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a simulated NAT remembers. For nat*.c only.
 *
 * A mapping joins an internal address and port (and as much of a remote as the kind of mapping
 * depends on) with an external one. A flow is a mapping's traffic with one remote; a mapping
 * lives as long as it has flows. A permission counts the flows of an external port with one IP,
 * for address-dependent filtering.
 */
#pragma once

#include <sys/queue.h>

#include "memory.h"
#include "nat.h"
#include "rng.h"

struct sim_host_state {
	struct sim_node node;		/* its IP */
	uint16_t index;			/* in the order of appearance */
	uint32_t flows;
	TAILQ_HEAD(sim_host_flows, sim_flow) by_use;	/* the longest unused first */
	uint64_t second_us;		/* when the second began in which new flows are counted */
	uint32_t second_flows;
	uint64_t punished_us;		/* until then */
};

/* Of an internal address and port: Linux gives it the port again that it had last. */
struct sim_source {
	struct sim_node node;
	LIST_HEAD(sim_source_mappings, sim_mapping) mappings;	/* the newest first */
};

struct sim_mapping {
	struct sim_node inside;		/* internal address; remote, as far as it matters */
	struct sim_node outside;	/* external address; in the table without overload only */
	struct sim_host_state *host;
	struct sim_source *source;	/* or NULL */
	LIST_ENTRY(sim_mapping) of_source;
	uint8_t external;		/* index */
	uint32_t flows;
};

struct sim_permission {
	struct sim_node node;		/* external address; remote IP */
	uint32_t flows;
};

struct sim_flow {
	struct sim_node node;		/* external address; remote address */
	struct sim_mapping *mapping;	/* NULL: poison */
	struct sim_permission *permission;	/* or NULL */
	uint64_t born_us, until_us;
	bool replied;
	uint8_t age;			/* which of .ages it is in */
	TAILQ_ENTRY(sim_flow) by_age;
	TAILQ_ENTRY(sim_flow) by_use;
};

enum { SIM_AGE_UNREPLIED, SIM_AGE_STREAM, SIM_AGES };
TAILQ_HEAD(sim_flows, sim_flow);

#define SIM_PORT_WORDS (65536u / 64u)

struct sim_nat {
	struct sim_nat_config config;
	struct sim_rng rng;
	struct sim_table hosts, sources, inside, outside, permissions, flows;
	struct sim_pool host_pool, source_pool, mapping_pool, permission_pool, flow_pool;
	/* Flows of one age were refreshed by the same timeout: they end in the order in which they
	 * stand. */
	struct sim_flows ages[SIM_AGES];
	uint16_t hosts_n;
	uint16_t next;			/* SEQUENTIAL */
	uint64_t foreign_us;		/* when somebody else takes the next port */
	uint64_t (*taken)[SIM_PORT_WORDS];	/* per external address; NULL: overload */
};

/* ---- nat_state.c */
void sim_nat_begin(struct sim_nat *nat);
void sim_nat_clear(struct sim_nat *nat);
void sim_nat_expire(struct sim_nat *nat, uint64_t now_us);
struct sim_host_state *sim_nat_host(struct sim_nat *nat, const struct address *inside);
struct sim_mapping *sim_nat_mapping_find(const struct sim_nat *nat, const struct address *inside,
					 const struct address *remote);
struct sim_mapping *sim_nat_mapping_add(struct sim_nat *nat, struct sim_host_state *host,
					const struct address *inside, const struct address *remote,
					const struct address *external, uint8_t index);
/* mapping NULL: poison. */
struct sim_flow *sim_nat_flow_add(struct sim_nat *nat, uint64_t now_us,
				  struct sim_mapping *mapping, const struct address *external,
				  const struct address *remote);
void sim_nat_flow_remove(struct sim_nat *nat, struct sim_flow *flow);
struct sim_flow *sim_nat_flow_find(const struct sim_nat *nat, const struct address *external,
				   const struct address *remote);
void sim_nat_flow_refresh(struct sim_nat *nat, uint64_t now_us, struct sim_flow *flow, bool reply);

/* ---- nat_ports.c */
/* An external address for a new mapping; false: none is free. */
bool sim_nat_allocate(struct sim_nat *nat, uint64_t now_us, struct sim_host_state *host,
		      const struct address *inside, const struct address *remote,
		      struct address *ret_external, uint8_t *ret_index);

static inline bool sim_port_taken(const uint64_t *words, uint32_t port)
{
	return words[port / 64] >> port % 64 & 1;
}
