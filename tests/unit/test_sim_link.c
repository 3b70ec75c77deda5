/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The simulated link: each of its faults alone, and that its seed decides them.
 */
#include "../sim/link.h"
#include "harness.h"

enum { PACKETS = 10000 };

static struct sim_packet packet = { .dst = { .family = 4 }, .len = 72 };	/* 100 on the wire */

struct tally {
	unsigned int lost, twice, overtaken;
	uint64_t earliest, latest, sum;		/* delays */
	uint64_t digest;
};

/* So many packets, apart_us from each other. */
static struct tally play(const struct sim_link_config *config, uint64_t apart_us)
{
	struct tally t = { .earliest = UINT64_MAX };
	struct sim_passage passage;
	struct sim_link link;
	uint64_t last = 0;

	sim_link_init(&link, config);
	for (uint64_t i = 0; i < PACKETS; i++) {
		sim_link_send(&link, i * apart_us, &packet, &passage);
		t.lost += passage.n == 0;
		t.twice += passage.n == 2;
		for (unsigned int k = 0; k < passage.n; k++) {
			uint64_t delay = passage.at_us[k] - i * apart_us;

			t.earliest = delay < t.earliest ? delay : t.earliest;
			t.latest = delay > t.latest ? delay : t.latest;
			t.sum += delay;
			t.overtaken += passage.at_us[k] < last;
			last = passage.at_us[k];
			t.digest = t.digest * 31 + passage.at_us[k];
		}
	}
	return t;
}

TEST(sim_link, delays)
{
	struct tally t = play(&(struct sim_link_config){ .delay_us = 20000 }, 10);

	cr_assert_eq(t.earliest, 20000);
	cr_assert_eq(t.latest, 20000);
	cr_assert_eq(t.lost + t.twice + t.overtaken, 0);
}

TEST(sim_link, jitters_in_order)
{
	struct sim_link_config c = { .delay_us = 20000, .jitter_us = 5000 };
	struct tally t = play(&c, 10000);

	cr_assert_lt(t.earliest, 20100);
	cr_assert(t.latest > 24900 && t.latest <= 25000);
	cr_assert_eq(t.overtaken, 0);
	cr_assert_eq(play(&c, 10).overtaken, 0);
}

TEST(sim_link, loses_and_doubles)
{
	struct tally t = play(&(struct sim_link_config){ .loss = 0.1 }, 10);

	cr_assert(t.lost > 850 && t.lost < 1150, "%u", t.lost);
	cr_assert_eq(t.twice, 0);
	t = play(&(struct sim_link_config){ .duplicate = 0.1 }, 10);
	cr_assert(t.twice > 850 && t.twice < 1150, "%u", t.twice);
	cr_assert_eq(t.lost, 0);
}

TEST(sim_link, reorders)
{
	struct sim_link_config c = { .delay_us = 1000, .reorder = 0.1, .reorder_us = 50 };
	struct tally t = play(&c, 10);

	cr_assert(t.overtaken > 700 && t.overtaken < 1150, "%u", t.overtaken);
	cr_assert_eq(t.latest, 1050);
}

TEST(sim_link, swallows_what_is_too_long)
{
	struct sim_link_config c = { .mtu = 100 };
	struct sim_packet longer = { .dst = { .family = 4 }, .len = 73 };
	struct sim_packet six = { .dst = { .family = 6 }, .len = 72 };
	struct sim_passage passage;
	struct sim_link link;

	sim_link_init(&link, &c);
	sim_link_send(&link, 0, &packet, &passage);
	cr_assert_eq(passage.verdict, SIM_FORWARD);
	sim_link_send(&link, 0, &longer, &passage);
	cr_assert_eq(passage.verdict, SIM_DROP_MTU);
	sim_link_send(&link, 0, &six, &passage);
	cr_assert_eq(passage.verdict, SIM_DROP_MTU);
	cr_assert_eq(passage.n, 0);
}

TEST(sim_link, queues_at_its_rate)
{
	/* 100 bytes each take 1 ms; 10 of them may wait. */
	struct sim_link_config c = { .rate_bits = 800000, .queue_bytes = 1000 };
	struct sim_passage passage;
	struct sim_link link;

	sim_link_init(&link, &c);
	for (uint64_t i = 0; i < 10; i++) {
		sim_link_send(&link, 0, &packet, &passage);
		cr_assert_eq(passage.n, 1);
		cr_assert_eq(passage.at_us[0], (i + 1) * 1000);
	}
	sim_link_send(&link, 0, &packet, &passage);
	cr_assert_eq(passage.verdict, SIM_DROP_QUEUE);
	sim_link_send(&link, 1000, &packet, &passage);
	cr_assert_eq(passage.at_us[0], 11000);
	sim_link_send(&link, 50000, &packet, &passage);
	cr_assert_eq(passage.at_us[0], 51000);
}

TEST(sim_link, is_decided_by_its_seed)
{
	struct sim_link_config c = { .delay_us = 100, .jitter_us = 100, .loss = 0.1, .seed = 1 };
	uint64_t digest = play(&c, 10).digest;

	cr_assert_eq(play(&c, 10).digest, digest);
	c.seed = 2;
	cr_assert_neq(play(&c, 10).digest, digest);
}
