/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a perfect survey of simulated NATs would find. It tells how good the engine is where
 * nothing is missing but luck.
 */
#include "scenario.h"

#define LIFETIME_S 30u
#define LOW 1024u
#define HIGH 65535u

/* Linux's plain masquerade keeps the port for each remote: seen from outside it is easy. */
static enum nat_mapping mapping_of(const struct sim_nat_config *c)
{
	return c->ports == SIM_PORTS_LINUX ? NAT_MAPPING_ENDPOINT_INDEPENDENT : c->mapping;
}

static void set_ports(struct nat *nat, const struct sim_nat_config *c, uint16_t next)
{
	nat->set = (struct nat_ports_set){ LOW, HIGH, 1 };
	switch (c->ports) {
	case SIM_PORTS_PRESERVING:
	case SIM_PORTS_LINUX:
		nat->ports = NAT_PORTS_PRESERVING;
		break;
	case SIM_PORTS_SEQUENTIAL:
		nat->ports = NAT_PORTS_SEQUENTIAL;
		nat->step = c->step;
		nat->last = (uint16_t)(next - c->step);
		nat->foreign = (uint16_t)c->foreign_rate;
		break;
	case SIM_PORTS_BLOCK:
		nat->ports = NAT_PORTS_BLOCK;
		nat->set = (struct nat_ports_set){ c->low, (uint16_t)(c->low + c->size - 1), 1 };
		break;
	case SIM_PORTS_PARITY:
		nat->ports = NAT_PORTS_PARITY;
		nat->set = (struct nat_ports_set){ LOW, HIGH - 1, 2 };
		break;
	case SIM_PORTS_LINUX_RANDOM:
		nat->low_ports = NAT_YES;
		nat->ports = NAT_PORTS_RANDOM;
		break;
	case SIM_PORTS_RANDOM:
		nat->ports = NAT_PORTS_RANDOM;
		break;
	}
}

void sim_oracle(struct nat *ret, struct sim_nat *const *nats, unsigned int n)
{
	struct nat nat = { .low_ports = NAT_NO, .lifetime_s = LIFETIME_S, .complete = true };

	for (unsigned int i = 0; i < n; i++) {
		const struct sim_nat_config *c = sim_nat_config(nats[i]);
		bool poisoned = c->input_accepts && c->overload;

		/* The words are in the order of how hard they are. */
		if (mapping_of(c) > nat.mapping)
			nat.mapping = mapping_of(c);
		if (c->filtering > nat.filtering)
			nat.filtering = c->filtering;
		/* Nobody outside reaches an inner one unasked. */
		if (i > 0)
			continue;
		set_ports(&nat, c, sim_nat_next(nats[i]));
		nat.poisoned = poisoned ? NAT_YES : NAT_NO;
		nat.hairpin = c->hairpin ? NAT_YES : NAT_NO;
		nat.addresses = (uint8_t)(c->arbitrary ? c->externals : 1);
		nat.external = c->external[0];
	}
	/* To leave the outermost with 1; a carrier's network has a router of its own. */
	nat.ttl = (uint8_t)(2 * n);
	*ret = nat;
}
