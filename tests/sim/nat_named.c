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

enum { NAMES = 18 };

const struct sim_nat_name sim_nat_names[NAMES] = {
	{ "linux", "plain masquerade, unsolicited packets dropped" },
	{ "linux-accept", "plain masquerade on a router that accepts them" },
	{ "linux-random", "masquerade fully-random" },
	{ "linux-random-accept", "masquerade fully-random on a router that accepts" },
	{ "cone", "endpoint-independent mapping and filtering" },
	{ "restricted", "endpoint-independent mapping, address-dependent filtering" },
	{ "easy", "endpoint-independent mapping, filters by address and port" },
	{ "easy-random", "the same, at random ports" },
	{ "address", "address-dependent mapping, random ports" },
	{ "hard", "address-and-port-dependent mapping and filtering, random ports" },
	{ "block", "hard, out of 512 ports" },
	{ "parity", "hard, the port's parity is kept" },
	{ "sequential", "hard, each port is the last one plus 1" },
	{ "busy", "sequential, 20 ports a second are taken by others" },
	{ "limited", "hard, 128 flows per host" },
	{ "guarded", "hard, more than 200 new flows a second silence all new ones for 1 s" },
	{ "carrier", "hard, four external addresses paired with hosts, with hairpin" },
	{ NULL, NULL },
};

static const struct sim_nat_config kinds[NAMES - 1] = {
	{ .mapping = APDM, .filtering = APDF, .ports = SIM_PORTS_LINUX, .overload = true },
	{ .mapping = APDM, .filtering = APDF, .ports = SIM_PORTS_LINUX, .overload = true,
	  .input_accepts = true },
	{ .mapping = APDM, .filtering = APDF, .ports = SIM_PORTS_LINUX_RANDOM, .overload = true },
	{ .mapping = APDM, .filtering = APDF, .ports = SIM_PORTS_LINUX_RANDOM, .overload = true,
	  .input_accepts = true },
	{ .mapping = EIM, .filtering = EIF, .hairpin = true },
	{ .mapping = EIM, .filtering = ADF, .hairpin = true },
	{ .mapping = EIM, .filtering = APDF, .hairpin = true },
	{ .mapping = EIM, .filtering = APDF, .ports = SIM_PORTS_RANDOM, .hairpin = true },
	{ .mapping = ADM, .filtering = APDF, .ports = SIM_PORTS_RANDOM },
	{ .mapping = APDM, .filtering = APDF, .ports = SIM_PORTS_RANDOM },
	{ .mapping = APDM, .filtering = APDF, .ports = SIM_PORTS_BLOCK, .low = 20480,
	  .size = 512 },
	{ .mapping = APDM, .filtering = APDF, .ports = SIM_PORTS_PARITY },
	{ .mapping = APDM, .filtering = APDF, .ports = SIM_PORTS_SEQUENTIAL, .step = 1 },
	{ .mapping = APDM, .filtering = APDF, .ports = SIM_PORTS_SEQUENTIAL, .step = 1,
	  .foreign_rate = 20 },
	{ .mapping = APDM, .filtering = APDF, .ports = SIM_PORTS_RANDOM, .host_flows = 128 },
	{ .mapping = APDM, .filtering = APDF, .ports = SIM_PORTS_RANDOM, .guard_rate = 200,
	  .guard = SIM_GUARD_NEW, .guard_us = 1000000 },
	{ .mapping = APDM, .filtering = APDF, .ports = SIM_PORTS_RANDOM, .hairpin = true,
	  .externals = SIM_NAT_EXTERNALS },
};

bool sim_nat_named(const char *name, const struct address *external, uint64_t seed,
		   struct sim_nat_config *ret)
{
	struct sim_nat_config c;

	for (size_t i = 0; i < NAMES - 1; i++) {
		if (strcmp(name, sim_nat_names[i].name) != 0)
			continue;
		c = kinds[i];
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
