/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The survey (libintro/punch/survey.h) behind simulated NATs of each kind, in virtual time.
 */
#include <errno.h>

#include "../../libintro/punch/stun_client.h"
#include "harness.h"
#include "survey_world.h"

#define SEEDS 50u
#define RTT_US 40000u	/* of the world to its servers */

static const struct world_nat usual = {
	.mapping = NAT_MAPPING_ENDPOINT_INDEPENDENT,
	.filtering = NAT_FILTERING_ADDRESS_PORT_DEPENDENT,
	.ports = NAT_PORTS_RANDOM,
	.one_way_us = 20000,
	.servers = 1,
	.hop = 3,
};

static struct nat survey_of(const struct world_nat *nat)
{
	struct survey_config config = { .low_ports = true };
	struct nat found;

	cr_assert_leq(world_survey(nat, &config, &found), config.limit_us);
	return found;
}

TEST(survey, tells_mapping_and_filtering)
{
	for (enum nat_mapping m = NAT_MAPPING_NONE; m <= NAT_MAPPING_ADDRESS_PORT_DEPENDENT; m++) {
		for (enum nat_filtering f = NAT_FILTERING_ENDPOINT_INDEPENDENT;
		     f <= NAT_FILTERING_ADDRESS_PORT_DEPENDENT; f++) {
			for (uint32_t seed = 0; seed < SEEDS; seed++) {
				struct world_nat nat = usual;
				struct nat found;

				nat.mapping = m;
				nat.filtering = f;
				nat.seed = seed;
				found = survey_of(&nat);
				cr_assert_eq(found.mapping, m);
				cr_assert_eq(found.filtering, f);
				cr_assert(found.complete);
				cr_assert_eq(found.addresses, 1);
				cr_assert_eq(found.external.family, 4);
			}
		}
	}
}

TEST(survey, tells_how_ports_are_allocated)
{
	for (enum nat_ports p = NAT_PORTS_PRESERVING; p <= NAT_PORTS_RANDOM; p++) {
		for (enum nat_mapping m = NAT_MAPPING_ENDPOINT_INDEPENDENT;
		     m <= NAT_MAPPING_ADDRESS_PORT_DEPENDENT; m++) {
			unsigned int misses = 0;

			/* what preserves ports of one host for all remotes is independent */
			if (p == NAT_PORTS_PRESERVING && m != NAT_MAPPING_ENDPOINT_INDEPENDENT)
				continue;
			for (uint32_t seed = 0; seed < SEEDS; seed++) {
				struct world_nat nat = usual;
				struct nat found;

				nat.mapping = m;
				nat.ports = p;
				nat.step = seed % 2 ? 3 : -1;
				nat.seed = seed;
				found = survey_of(&nat);
				misses += found.ports != p ||
					  (p == NAT_PORTS_SEQUENTIAL && found.step != nat.step);
			}
			cr_assert_leq(misses, 1u, "%s behind %s", nat_ports_word(p),
				      nat_mapping_word(m));
		}
	}
}

TEST(survey, tells_poison)
{
	for (uint32_t seed = 0; seed < SEEDS; seed++) {
		struct world_nat nat = usual;

		nat.seed = seed;
		cr_assert_eq(survey_of(&nat).poisoned, NAT_NO);
		nat.accepts = true;
		cr_assert_eq(survey_of(&nat).poisoned, NAT_YES);
		nat.filtering = NAT_FILTERING_ENDPOINT_INDEPENDENT;
		cr_assert_eq(survey_of(&nat).poisoned, NAT_NO, "it takes what comes");
		nat.mapping = NAT_MAPPING_ADDRESS_PORT_DEPENDENT;
		cr_assert_eq(survey_of(&nat).poisoned, NAT_UNSURE);
	}
}

TEST(survey, tells_the_hairpin)
{
	struct world_nat nat = usual;

	cr_assert_eq(survey_of(&nat).hairpin, NAT_NO);
	nat.hairpin = true;
	cr_assert_eq(survey_of(&nat).hairpin, NAT_YES, "even where filtering is strict");
	nat.mapping = NAT_MAPPING_NONE;
	cr_assert_eq(survey_of(&nat).hairpin, NAT_UNSURE);
}

TEST(survey, tells_low_ports)
{
	struct world_nat nat = usual;
	struct nat found = survey_of(&nat);

	cr_assert_eq(found.low_ports, NAT_NO);
	nat.low_class = true;
	cr_assert_eq(survey_of(&nat).low_ports, NAT_YES);
	nat.low_refused = true;
	found = survey_of(&nat);
	cr_assert_eq(found.low_ports, NAT_UNSURE);
	cr_assert_not(found.complete);
}

TEST(survey, tells_the_lowest_ttl)
{
	for (uint8_t hop = 1; hop <= 5; hop++) {
		struct world_nat nat = usual;

		nat.hop = hop;
		cr_assert_eq(survey_of(&nat).ttl, hop);
		nat.filtering = NAT_FILTERING_ADDRESS_DEPENDENT;
		cr_assert_eq(survey_of(&nat).ttl, hop);
		nat.filtering = NAT_FILTERING_ENDPOINT_INDEPENDENT;
		cr_assert_eq(survey_of(&nat).ttl, 0);
	}
}

TEST(survey, counts_external_addresses)
{
	struct world_nat nat = usual;

	nat.addresses = 4;
	cr_assert_geq(survey_of(&nat).addresses, 2);
}

TEST(survey, does_with_plain_servers_what_can_be_done)
{
	for (enum nat_mapping m = NAT_MAPPING_ENDPOINT_INDEPENDENT;
	     m <= NAT_MAPPING_ADDRESS_PORT_DEPENDENT; m++) {
		struct world_nat nat = usual;
		struct nat found;

		nat.mapping = m;
		nat.plain = true;
		nat.ports = NAT_PORTS_BLOCK;
		found = survey_of(&nat);
		cr_assert_eq(found.mapping, NAT_MAPPING_UNKNOWN, "one server cannot tell");
		cr_assert_eq(found.ports, NAT_PORTS_BLOCK);
		cr_assert_not(found.complete);
		nat.servers = 2;
		found = survey_of(&nat);
		cr_assert_eq(nat_easy(&found), m == NAT_MAPPING_ENDPOINT_INDEPENDENT);
		cr_assert_neq(found.mapping, NAT_MAPPING_UNKNOWN);
		cr_assert_eq(found.filtering, NAT_FILTERING_UNKNOWN);
		cr_assert_eq(found.poisoned, NAT_UNSURE);
		cr_assert(found.complete);
	}
}

TEST(survey, bears_loss)
{
	unsigned int right = 0;

	for (uint32_t seed = 0; seed < SEEDS; seed++) {
		struct world_nat nat = usual;
		struct nat found;

		nat.loss = 5;
		nat.seed = seed;
		found = survey_of(&nat);
		right += found.mapping == nat.mapping && found.filtering == nat.filtering;
	}
	cr_assert_geq(right, SEEDS - 1);
}

TEST(survey, ends_without_an_answer)
{
	struct world_nat nat = usual;
	struct survey_config config = { 0 };
	struct nat found;

	nat.servers = 0;
	cr_assert_eq(world_survey(&nat, &config, &found), 1100000);
	cr_assert_eq(found.mapping, NAT_MAPPING_UNKNOWN);
	cr_assert_eq(found.filtering, NAT_FILTERING_UNKNOWN);
	cr_assert_eq(found.ports, NAT_PORTS_UNKNOWN);
	cr_assert_eq(found.external.family, 0);
	cr_assert_not(found.complete);

	nat.servers = 1;
	config.limit_us = 60000;
	cr_assert_eq(world_survey(&nat, &config, &found), 60000);
	cr_assert_eq(found.filtering, NAT_FILTERING_UNKNOWN, "silence was too short to tell");
	cr_assert_eq(found.hairpin, NAT_UNSURE);
	cr_assert_not(found.complete);
}

/* Whenever it is cut off, what it says is right. */
TEST(survey, says_nothing_too_early)
{
	for (uint64_t limit_us = 10000; limit_us < 1500000; limit_us += 10000) {
		struct survey_config config = { .limit_us = limit_us, .low_ports = true };
		struct world_nat nat = usual;
		struct nat found;

		nat.filtering = NAT_FILTERING_ADDRESS_DEPENDENT;
		nat.hairpin = nat.low_class = nat.accepts = true;
		world_survey(&nat, &config, &found);
		cr_assert(found.mapping == NAT_MAPPING_UNKNOWN || found.mapping == nat.mapping);
		cr_assert(found.filtering == NAT_FILTERING_UNKNOWN ||
			  found.filtering == nat.filtering);
		cr_assert(found.ports == NAT_PORTS_UNKNOWN || found.ports == nat.ports);
		cr_assert_neq(found.poisoned, NAT_NO);
		cr_assert_neq(found.hairpin, NAT_NO);
		cr_assert_neq(found.low_ports, NAT_NO);
		cr_assert(found.ttl == 0 || found.ttl == nat.hop);
		/* two round trips, and four requests whose silence is an answer */
		cr_assert_eq(found.complete,
			     limit_us > 2 * RTT_US + 4 * STUN_ASK_APART_MIN_US);
	}
}

TEST(survey, measures_how_long_a_mapping_lasts)
{
	for (uint64_t lifetime_s = 20; lifetime_s <= 180; lifetime_s += 10) {
		struct world_nat nat = usual;
		struct survey_config config = { .lifetime_us = 160000000 };
		struct nat found;

		nat.lifetime_us = lifetime_s * 1000000;
		world_survey(&nat, &config, &found);
		cr_assert_leq(found.lifetime_s, lifetime_s);
		cr_assert_gt(found.lifetime_s + 10, lifetime_s <= 160 ? lifetime_s - 1 : 160);
		cr_assert(found.complete);
	}
}

TEST(survey, needs_a_server_of_one_family)
{
	struct survey_config config = { 0 };
	struct survey *s;

	cr_assert_eq(survey_new(&s, &config, 0), -EINVAL);
	cr_assert_eq(address_parse("192.0.2.1", 3478, &config.servers[0]), 0);
	cr_assert_eq(address_parse("2001:db8::1", 3478, &config.servers[1]), 0);
	cr_assert_eq(survey_new(&s, &config, 0), -EINVAL);
}
