/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of pairs.
 */
#include <string.h>

#include "scenario.h"

#define DIRECT .wanted = SIM_DIRECT

const struct sim_pair sim_pairs[] = {
	{ "easy-easy", "two Linux NATs that drop", { "linux", "linux" }, DIRECT },
	{ "easy-easy-loss", "the same with 10 % loss", { "linux", "linux" }, DIRECT, .loss = 0.1 },
	{ "easy-easy-accept", "two that accept, one told 100-300 ms late",
	  { "linux-accept", "linux-accept" }, DIRECT, .late_us = { 100000, 300000 } },
	{ "cone-restricted", "RFC 4787's easiest", { "cone", "restricted" }, DIRECT },
	{ "easy-hard", "random ports", { "linux", "hard" }, DIRECT },
	{ "easy-hard-accept", "the easy one accepts", { "linux-accept", "hard" }, DIRECT },
	{ "easy-hard-block", "512 ports", { "linux", "block" }, DIRECT },
	{ "easy-hard-low", "fully-random, low ports allowed", { "linux", "linux-random" }, DIRECT,
	  .low_ports = true },
	{ "easy-hard-parity", "random of the same parity", { "linux", "parity" }, DIRECT },
	{ "easy-hard-limit", "128 flows per host", { "linux", "limited" }, DIRECT,
	  .limit_us = 60000000 },
	{ "easy-hard-guard", "above 200 new flows/s none for 1 s", { "linux", "guarded" }, DIRECT,
	  .limit_us = 60000000 },
	{ "easy-hard-evict", "of 128 flows the oldest goes", { "linux", "evicting" }, DIRECT,
	  .limit_us = 60000000 },
	{ "easy-hard-silence", "above 200 new flows/s nothing for 1 s", { "linux", "silencing" },
	  DIRECT, .limit_us = 60000000 },
	{ "easy-down", "each port 3 below the last", { "linux", "down" }, DIRECT },
	{ "easy-sequential", "20 foreign ports/s", { "linux", "busy" }, DIRECT },
	{ "sequential-sequential", "20 foreign ports/s", { "busy", "busy" }, DIRECT },
	{ "cgnat-easy", "an easy home and a hard carrier", { "easy+hard", "linux" }, DIRECT },
	{ "cgnat-hard", "the same, against random ports", { "easy+hard", "hard" },
	  .wanted = SIM_RELAYED },
	{ "same-lan", "one network", { "linux", "linux" }, SIM_ONE_LAN,
	  .wanted = SIM_LAN | SIM_DIRECT },
	{ "same-carrier", "one carrier without hairpin", { "hard", "hard" }, SIM_ONE_CARRIER,
	  .wanted = SIM_LAN | SIM_DIRECT },
	{ "hard-hard", "random ports: relay", { "hard", "hard" }, .wanted = SIM_RELAYED },
	{ "hard-hard-low", "fully-random both, low ports allowed",
	  { "linux-random", "linux-random" }, DIRECT, .low_ports = true },
	{ "rebind", "the NAT forgets, other ports", { "easy-random", "linux" },
	  .change = SIM_CHANGE_REBIND, DIRECT },
	{ "address", "another network", { "linux", "linux" }, .change = SIM_CHANGE_ADDRESS, DIRECT },
	{ "relay", "first path of a relayed one", { "linux", "linux" }, .wanted = SIM_RELAYED,
	  .relay_only = true },
	{ .name = NULL },
};

const struct sim_pair *sim_pair_find(const char *name)
{
	for (const struct sim_pair *pair = sim_pairs; pair->name; pair++) {
		if (strcmp(pair->name, name) == 0)
			return pair;
	}
	return NULL;
}
