/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The common kinds of NAT, by name: for scenarios and for the lab's command line.
 */
#include <string.h>

#include "nat.h"

#define EIM NAT_MAPPING_ENDPOINT_INDEPENDENT
#define ADM NAT_MAPPING_ADDRESS_DEPENDENT
#define APDM NAT_MAPPING_ADDRESS_PORT_DEPENDENT
#define EIF NAT_FILTERING_ENDPOINT_INDEPENDENT
#define ADF NAT_FILTERING_ADDRESS_DEPENDENT
#define APDF NAT_FILTERING_ADDRESS_PORT_DEPENDENT

#define KIND(m, f, p) .mapping = m, .filtering = f, .ports = SIM_PORTS_##p
#define SECOND_US 1000000u

const struct sim_nat_name sim_nat_names[] = {
	{ "linux", "plain masquerade, unsolicited packets dropped",
	  { KIND(APDM, APDF, LINUX), .overload = true } },
	{ "linux-accept", "plain masquerade on a router that accepts them",
	  { KIND(APDM, APDF, LINUX), .overload = true, .input_accepts = true } },
	{ "linux-random", "masquerade fully-random",
	  { KIND(APDM, APDF, LINUX_RANDOM), .overload = true } },
	{ "linux-random-accept", "masquerade fully-random on a router that accepts",
	  { KIND(APDM, APDF, LINUX_RANDOM), .overload = true, .input_accepts = true } },
	{ "cone", "endpoint-independent mapping and filtering",
	  { KIND(EIM, EIF, PRESERVING), .hairpin = true } },
	{ "restricted", "endpoint-independent mapping, address-dependent filtering",
	  { KIND(EIM, ADF, PRESERVING), .hairpin = true } },
	{ "easy", "endpoint-independent mapping, filters by address and port",
	  { KIND(EIM, APDF, PRESERVING), .hairpin = true } },
	{ "easy-random", "the same, at random ports",
	  { KIND(EIM, APDF, RANDOM), .hairpin = true } },
	{ "address", "address-dependent mapping, random ports",
	  { KIND(ADM, APDF, RANDOM) } },
	{ "hard", "address-and-port-dependent mapping and filtering, random ports",
	  { KIND(APDM, APDF, RANDOM) } },
	{ "block", "hard, out of 512 ports",
	  { KIND(APDM, APDF, BLOCK), .low = 20480, .size = 512 } },
	{ "parity", "hard, the port's parity is kept",
	  { KIND(APDM, APDF, PARITY) } },
	{ "sequential", "hard, each port is the last one plus 1",
	  { KIND(APDM, APDF, SEQUENTIAL), .step = 1 } },
	{ "busy", "sequential, 20 ports a second are taken by others",
	  { KIND(APDM, APDF, SEQUENTIAL), .step = 1, .foreign_rate = 20 } },
	{ "down", "sequential, each port is the last one minus 3",
	  { KIND(APDM, APDF, SEQUENTIAL), .step = -3 } },
	{ "limited", "hard, 128 flows per host",
	  { KIND(APDM, APDF, RANDOM), .host_flows = 128 } },
	{ "evicting", "the same, but the longest unused flow goes",
	  { KIND(APDM, APDF, RANDOM), .host_flows = 128, .full = SIM_FULL_EVICT } },
	{ "guarded", "hard, more than 200 new flows a second silence all new ones for 1 s",
	  { KIND(APDM, APDF, RANDOM), .guard_rate = 200, .guard = SIM_GUARD_NEW,
	  .guard_us = SECOND_US } },
	{ "silencing", "the same, but silences the whole host",
	  { KIND(APDM, APDF, RANDOM), .guard_rate = 200, .guard = SIM_GUARD_ALL,
	  .guard_us = SECOND_US } },
	{ "carrier", "hard, four external addresses paired with hosts, with hairpin",
	  { KIND(APDM, APDF, RANDOM), .hairpin = true, .externals = SIM_NAT_EXTERNALS } },
	{ .name = NULL },
};

bool sim_nat_named(const char *name, const struct address *external, uint64_t seed,
		   struct sim_nat_config *ret)
{
	struct sim_nat_config c;

	for (const struct sim_nat_name *n = sim_nat_names; n->name; n++) {
		if (strcmp(name, n->name) != 0)
			continue;
		c = n->config;
		c.seed = seed;
		if (c.externals == 0)
			c.externals = 1;
		/* The addresses that follow the first one. */
		for (size_t k = 0; k < c.externals; k++) {
			c.external[k] = *external;
			c.external[k].port = 0;
			c.external[k].ip[address_ip_bytes(external) - 1] += (uint8_t)k;
		}
		*ret = c;
		return true;
	}
	return false;
}
