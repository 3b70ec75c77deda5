/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How a simulated NAT chooses external ports. For nat.c.
 */
#include "nat_state.h"

#define USUAL_LOW 1024u
#define USUAL_HIGH 65535u

/* Random choices before the free ones are looked for in order. */
#define TRIES 16u
/* As nf_nat_core.c gives up. */
#define LINUX_TRIES 128u

/* Ports low, low + stride, ... up to high. */
struct range {
	uint32_t low, high, stride;
};

/* Whether external (with its port) may serve a new mapping to this remote. */
static bool is_free(const struct sim_nat *nat, const struct address *external, uint8_t index,
		    const struct address *remote)
{
	if (nat->config.overload)
		return !sim_nat_flow_find(nat, external, remote);
	return !sim_port_taken(nat->taken[index], external->port);
}

static uint16_t any_of(struct sim_nat *nat, const struct range *r)
{
	uint32_t count = (r->high - r->low) / r->stride + 1;

	return (uint16_t)(r->low + r->stride * sim_rng_below(&nat->rng, count));
}

/* The first free port from..to, all of the same parity where the stride is 2; 0: none. */
static uint32_t first_free(const uint64_t *taken, uint32_t from, uint32_t to, uint32_t stride)
{
	uint64_t word = stride == 1 ? UINT64_MAX : UINT64_C(0x5555555555555555) << from % 2;

	for (uint32_t port = from; port <= to; port += stride) {
		if (!sim_port_taken(taken, port))
			return port;
		if (port % 64 < stride && (taken[port / 64] & word) == word)
			port += 64 - stride;
	}
	return 0;
}

static bool take_any(struct sim_nat *nat, const struct range *r, const struct address *remote,
		     struct address *external, uint8_t index)
{
	uint32_t tries = nat->config.overload ? LINUX_TRIES : TRIES, port;
	uint16_t start;

	for (uint32_t i = 0; i < tries; i++) {
		external->port = any_of(nat, r);
		if (is_free(nat, external, index, remote))
			return true;
	}
	if (nat->config.overload)
		return false;
	start = external->port;
	port = first_free(nat->taken[index], start, r->high, r->stride);
	if (port == 0)
		port = first_free(nat->taken[index], r->low, start, r->stride);
	external->port = (uint16_t)port;
	return port != 0;
}

static uint16_t step_from(const struct sim_nat *nat, uint16_t port)
{
	int32_t span = (int32_t)(USUAL_HIGH - USUAL_LOW + 1);
	int32_t at = (port - (int32_t)USUAL_LOW + nat->config.step) % span;

	return (uint16_t)((at < 0 ? at + span : at) + (int32_t)USUAL_LOW);
}

static bool take_next(struct sim_nat *nat, uint64_t now_us, struct address *external,
		      uint8_t index)
{
	double rate = nat->config.foreign_rate;

	if (nat->foreign_us == 0 && rate > 0)
		nat->foreign_us = now_us + sim_rng_arrival(&nat->rng, rate);
	while (rate > 0 && nat->foreign_us <= now_us) {
		nat->next = step_from(nat, nat->next);
		nat->foreign_us += sim_rng_arrival(&nat->rng, rate);
	}
	for (uint32_t i = 0; i <= USUAL_HIGH; i++) {
		external->port = nat->next;
		nat->next = step_from(nat, nat->next);
		if (!sim_port_taken(nat->taken[index], external->port))
			return true;
	}
	return false;
}

static struct range linux_class(uint16_t port)
{
	if (port < 512)
		return (struct range){ 1, 511, 1 };
	if (port < 1024)
		return (struct range){ 600, 1023, 1 };
	return (struct range){ USUAL_LOW, USUAL_HIGH, 1 };
}

static bool take_linux(struct sim_nat *nat, const struct address *inside,
		       const struct address *remote, struct address *external)
{
	struct sim_node *node = sim_table_find(&nat->sources, inside, NULL);
	struct range class = linux_class(inside->port);
	const struct sim_mapping *last;

	if (node) {
		last = LIST_FIRST(&sim_container(node, struct sim_source, node)->mappings);
		external->port = last->outside.key.a.port;
		if (is_free(nat, external, 0, remote))
			return true;
	}
	external->port = inside->port;
	return is_free(nat, external, 0, remote) || take_any(nat, &class, remote, external, 0);
}

static bool take_block(struct sim_nat *nat, const struct sim_host_state *host,
		       const struct address *remote, struct address *external, uint8_t index)
{
	uint32_t low = nat->config.low + (uint32_t)host->index * nat->config.size;
	struct range block = { low, low + nat->config.size - 1, 1 };

	return block.high <= USUAL_HIGH && take_any(nat, &block, remote, external, index);
}

bool sim_nat_allocate(struct sim_nat *nat, uint64_t now_us, struct sim_host_state *host,
		      const struct address *inside, const struct address *remote,
		      struct address *ret_external, uint8_t *ret_index)
{
	const struct sim_nat_config *c = &nat->config;
	uint32_t which = c->arbitrary ? sim_rng_below(&nat->rng, (uint32_t)c->externals) :
					host->index % (uint32_t)c->externals;
	uint8_t index = *ret_index = (uint8_t)which;
	struct range usual = { USUAL_LOW, USUAL_HIGH, 1 };

	*ret_external = c->external[index];
	switch (c->ports) {
	case SIM_PORTS_PRESERVING:
		ret_external->port = inside->port;
		if (is_free(nat, ret_external, index, remote))
			return true;
		break;
	case SIM_PORTS_SEQUENTIAL:
		return take_next(nat, now_us, ret_external, index);
	case SIM_PORTS_BLOCK:
		return take_block(nat, host, remote, ret_external, index);
	case SIM_PORTS_PARITY:
		usual = (struct range){ USUAL_LOW + inside->port % 2,
					USUAL_HIGH - 1 + inside->port % 2, 2 };
		break;
	case SIM_PORTS_LINUX:
		return take_linux(nat, inside, remote, ret_external);
	case SIM_PORTS_LINUX_RANDOM:
		usual = linux_class(inside->port);
		break;
	case SIM_PORTS_RANDOM:
		break;
	}
	return take_any(nat, &usual, remote, ret_external, index);
}
