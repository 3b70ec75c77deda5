/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The simulated NAT of nat.h: what becomes of a packet.
 */
#include "nat.h"

#include <stdlib.h>

#include "nat_state.h"

#define SECOND_US 1000000u

struct sim_nat *sim_nat_new(const struct sim_nat_config *config)
{
	struct sim_nat *nat = sim_alloc(1, sizeof *nat);
	struct sim_nat_config *c = &nat->config;

	*c = *config;
	if (c->unreplied_us == 0)
		c->unreplied_us = 30 * SECOND_US;
	if (c->stream_us == 0)
		c->stream_us = 120 * SECOND_US;
	if (c->stream_after_us == 0)
		c->stream_after_us = 2 * SECOND_US;
	sim_rng_init(&nat->rng, c->seed);
	sim_nat_reboot(nat, NULL);
	return nat;
}

void sim_nat_free(struct sim_nat *nat)
{
	if (!nat)
		return;
	sim_nat_clear(nat);
	free(nat);
}

void sim_nat_reboot(struct sim_nat *nat, const struct address *external)
{
	sim_nat_clear(nat);
	if (external) {
		nat->config.external[0] = *external;
		nat->config.externals = 1;
	}
	sim_nat_begin(nat);
	nat->next = nat->config.start ? nat->config.start :
			(uint16_t)(1024 + sim_rng_below(&nat->rng, 64512));
}

const struct sim_nat_config *sim_nat_config(const struct sim_nat *nat)
{
	return &nat->config;
}

bool sim_nat_owns(const struct sim_nat *nat, const struct address *address)
{
	for (size_t i = 0; i < nat->config.externals; i++) {
		if (address_same_ip(&nat->config.external[i], address))
			return true;
	}
	return false;
}

uint16_t sim_nat_next(const struct sim_nat *nat)
{
	return nat->next;
}

size_t sim_nat_flows(const struct sim_nat *nat)
{
	return nat->flows.used;
}

/* One more new flow of the host's: is it one too many of this second? */
static bool is_flood(const struct sim_nat *nat, uint64_t now_us, struct sim_host_state *host)
{
	if (nat->config.guard_rate == 0)
		return false;
	if (now_us - host->second_us >= SECOND_US) {
		host->second_us = now_us;
		host->second_flows = 0;
	}
	if (++host->second_flows > nat->config.guard_rate)
		host->punished_us = now_us + nat->config.guard_us;
	return host->punished_us > now_us;
}

static bool is_punished(const struct sim_nat *nat, uint64_t now_us,
			const struct sim_host_state *host)
{
	return nat->config.guard == SIM_GUARD_ALL && host->punished_us > now_us;
}

/* Room for a new flow of the host's. */
static bool make_room(struct sim_nat *nat, struct sim_host_state *host)
{
	if (nat->config.host_flows == 0 || host->flows < nat->config.host_flows)
		return true;
	if (nat->config.full == SIM_FULL_DROP)
		return false;
	sim_nat_flow_remove(nat, TAILQ_FIRST(&host->by_use));
	return true;
}

/* The flow of a packet from inside, new if need be. */
static enum sim_verdict open_flow(struct sim_nat *nat, uint64_t now_us,
				  const struct sim_packet *p, struct sim_flow **ret)
{
	struct sim_host_state *host = sim_nat_host(nat, &p->src);
	struct sim_mapping *m = sim_nat_mapping_find(nat, &p->src, &p->dst);
	struct sim_flow *f = m ? sim_nat_flow_find(nat, &m->outside.key.a, &p->dst) : NULL;
	struct address external;
	uint8_t index;

	if (!f && is_flood(nat, now_us, host))
		return SIM_DROP_FLOOD;
	if (is_punished(nat, now_us, host))
		return SIM_DROP_FLOOD;
	if (f) {
		*ret = f;
		return SIM_FORWARD;
	}
	if (!make_room(nat, host))
		return SIM_DROP_LIMIT;
	m = sim_nat_mapping_find(nat, &p->src, &p->dst);
	if (!m) {
		if (!sim_nat_allocate(nat, now_us, host, &p->src, &p->dst, &external, &index))
			return SIM_DROP_PORTS;
		m = sim_nat_mapping_add(nat, host, &p->src, &p->dst, &external, index);
	}
	*ret = sim_nat_flow_add(nat, now_us, m, &m->outside.key.a, &p->dst);
	return SIM_FORWARD;
}

enum sim_verdict sim_nat_out(struct sim_nat *nat, uint64_t now_us, struct sim_packet *p)
{
	bool own = sim_nat_owns(nat, &p->dst);
	enum sim_verdict verdict;
	struct sim_flow *f;

	sim_nat_expire(nat, now_us);
	if (own && !nat->config.hairpin)
		return SIM_DROP_HAIRPIN;
	/* A router looks at the TTL before it translates: what ends here opens nothing. */
	if (p->ttl <= 1)
		return SIM_DROP_TTL;
	verdict = open_flow(nat, now_us, p, &f);
	if (verdict != SIM_FORWARD)
		return verdict;
	sim_nat_flow_refresh(nat, now_us, f, false);
	p->src = f->node.key.a;
	if (!own) {
		p->ttl--;
		return SIM_FORWARD;
	}
	verdict = sim_nat_in(nat, now_us, p);
	return verdict == SIM_FORWARD ? SIM_HAIRPIN : verdict;
}

static enum sim_verdict refuse(struct sim_nat *nat, uint64_t now_us, const struct sim_packet *p)
{
	if (!nat->config.input_accepts || !nat->config.overload)
		return SIM_DROP_UNSOLICITED;
	sim_nat_flow_add(nat, now_us, NULL, &p->dst, &p->src);
	return SIM_DROP_POISON;
}

/* Whether a mapping lets in what comes from p->src, with which it has no flow. */
static bool lets_in(const struct sim_nat *nat, const struct sim_packet *p)
{
	struct address ip = p->src;

	ip.port = 0;
	return nat->config.filtering == NAT_FILTERING_ENDPOINT_INDEPENDENT ||
	       (nat->config.filtering == NAT_FILTERING_ADDRESS_DEPENDENT &&
		sim_table_find(&nat->permissions, &p->dst, &ip));
}

enum sim_verdict sim_nat_in(struct sim_nat *nat, uint64_t now_us, struct sim_packet *p)
{
	struct sim_flow *f;
	struct sim_mapping *m;
	struct sim_node *node;

	sim_nat_expire(nat, now_us);
	f = sim_nat_flow_find(nat, &p->dst, &p->src);
	if (f && !f->mapping) {
		sim_nat_flow_refresh(nat, now_us, f, false);
		return SIM_DROP_POISON;
	}
	if (!f) {
		node = sim_table_find(&nat->outside, &p->dst, NULL);
		if (!node)
			return refuse(nat, now_us, p);
		m = sim_container(node, struct sim_mapping, outside);
		if (!lets_in(nat, p))
			return SIM_DROP_FILTERED;
	} else {
		m = f->mapping;
	}
	if (is_punished(nat, now_us, m->host))
		return SIM_DROP_FLOOD;
	/* Who is let in is a flow too, and keeps the mapping alive, unless only we may. */
	if (!f && !nat->config.outbound_refresh &&
	    (nat->config.host_flows == 0 || m->host->flows < nat->config.host_flows))
		f = sim_nat_flow_add(nat, now_us, m, &p->dst, &p->src);
	if (f)
		sim_nat_flow_refresh(nat, now_us, f, true);
	if (p->ttl <= 1)
		return SIM_DROP_TTL;
	p->ttl--;
	p->dst = m->inside.key.a;
	return SIM_FORWARD;
}
