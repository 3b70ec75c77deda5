/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whole introductions in the simulator: that its pairs are what they are called, and that a trial
 * is a function of its seed. How good the engine is, is for tests/sim to tell.
 */
#include "../sim/ladder.h"
#include "../sim/scenario.h"
#include "harness.h"

static const struct sim_options usual = { .signal_us = 1000, .relay = true };

static struct sim_result try_once(const char *name, uint64_t seed,
				  const struct sim_options *options)
{
	const struct sim_pair *pair = sim_pair_find(name);
	struct sim_result result;
	struct sim_scene scene;

	cr_assert(pair);
	sim_scene_init(&scene, pair, options, seed);
	sim_scene_run(&scene, &result);
	sim_scene_free(&scene);
	return result;
}

TEST(sim_scenario, a_trial_is_decided_by_its_seed)
{
	static const char *const names[] = { "easy-easy-loss", "easy-hard", "rebind" };

	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		uint64_t digest = try_once(names[i], 3, &usual).digest;

		cr_assert_eq(try_once(names[i], 3, &usual).digest, digest);
		cr_assert_neq(try_once(names[i], 4, &usual).digest, digest);
	}
}

/* Each pair can be built and played, whatever comes of it. */
TEST(sim_scenario, plays_every_pair)
{
	for (const struct sim_pair *pair = sim_pairs; pair->name; pair++) {
		cr_assert_eq(sim_pair_find(pair->name), pair);
		cr_assert_gt(try_once(pair->name, 1, &usual).packets, 0, "%s", pair->name);
	}
	cr_assert_null(sim_pair_find("easy"));
}

TEST(sim_scenario, easy_ends_meet_in_little_more_than_a_round_trip)
{
	struct sim_result result = try_once("easy-easy", 1, &usual);

	cr_assert(result.success);
	cr_assert(result.took_us >= 20000 && result.took_us < 80000, "%u",
		  (unsigned int)result.took_us);
}

TEST(sim_scenario, hard_ends_need_the_relay)
{
	struct sim_options alone = usual;

	alone.relay = false;
	cr_assert(try_once("hard-hard", 1, &usual).success);
	cr_assert(!try_once("hard-hard", 1, &alone).success);
}

/* The survey against who knows. */
TEST(sim_scenario, surveys_find_what_there_is)
{
	for (const struct sim_nat_name *kind = sim_nat_names; kind->name; kind++) {
		struct sim_pair pair = { .nats = { kind->name, "linux" }, .limit_us = 1 };
		struct nat known, *found;
		struct sim_result result;
		struct sim_scene scene;

		sim_scene_init(&scene, &pair, &usual, 1);
		sim_scene_run(&scene, &result);
		sim_oracle(&known, scene.nats[0], scene.nats_n[0]);
		found = &scene.ends[0].nat;
		cr_assert(found->complete, "%s", kind->name);
		cr_assert_eq(found->mapping, known.mapping, "%s", kind->name);
		cr_assert_eq(found->filtering, known.filtering, "%s", kind->name);
		cr_assert_eq(found->ports, known.ports, "%s", kind->name);
		sim_scene_free(&scene);
	}
}

TEST(sim_scenario, draws_what_became_of_each_packet)
{
	const struct sim_pair *pair = sim_pair_find("easy-easy");
	struct sim_options ignorant = { .signal_us = 1000, .learn = SIM_LEARN_NOTHING,
					.relay = true };
	struct sim_result result;
	struct sim_ladder *ladder;
	struct sim_scene scene;
	char *text;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	cr_assert(out);
	/* Who knows nothing of its NAT sends openers. */
	sim_scene_init(&scene, pair, &ignorant, 1);
	ladder = sim_ladder_new(&scene);
	sim_scene_run(&scene, &result);
	sim_ladder_draw(ladder, 0, out);
	fclose(out);
	cr_assert(strstr(text, "host A       NAT A        core         NAT B        host B"));
	cr_assert(strstr(text, "opener"));
	cr_assert(strstr(text, "dropped, ttl (in the network)"));
	cr_assert(strstr(text, "moved direct"));
	free(text);
	sim_ladder_free(ladder);
	sim_scene_free(&scene);
}
