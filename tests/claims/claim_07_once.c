/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Claim 7: a gift, and a reference with one use, are accepted once, whoever races for them.
 */
#include <errno.h>
#include <poll.h>
#include <unistd.h>

#include "lending.h"

#define RACERS 64u
#define ROUNDS 5

struct race {
	struct scene s;
	struct holder h;
	int service, go[2];
};

static void race_begin(struct race *r)
{
	scene_start(&r->s, NULL);
	/* that all racers fit in */
	cr_assert_eq(broker_limit_uid(&r->s.b, getuid(), TAG_MAX_CONNECTIONS, 1000), 0);
	r->service = serve(&r->s, "host", "db", WAY_PAIR);
	holder_open(&r->h, &r->s, "host");
	cr_assert_eq(find(&r->h, 1, "db"), 0);
}

static void race_end(struct race *r)
{
	holder_close(&r->h);
	close(r->service);
	scene_end(&r->s);
}

/* All connected, then all at once: how many had it. The others were told error. */
static unsigned int run_race(struct race *r, int (*one)(struct race *r, struct holder *h,
							 const void *arg),
			     const void *arg, int error)
{
	pid_t racers[RACERS];
	unsigned int won = 0;

	MUST(pipe(r->go));
	for (unsigned int i = 0; i < RACERS; i++) {
		struct holder h;

		racers[i] = child_fork();
		if (racers[i] > 0)
			continue;
		holder_open(&h, &r->s, "host");
		close(r->go[1]);
		wait_fd(r->go[0], POLLIN);
		_exit(-one(r, &h, arg));
	}
	close(r->go[0]);
	close(r->go[1]);
	for (unsigned int i = 0; i < RACERS; i++) {
		int status = child_wait(racers[i]);

		cr_assert(status == 0 || status == -error, "status %d", status);
		won += status == 0;
	}
	return won;
}

static int claim_it(struct race *r, struct holder *h, const void *gift)
{
	(void)r;
	return claim(h, 1, gift);
}

TEST(claim_07, gift, .timeout = 60)
{
	const struct giving host = { .door = "host" };
	uint8_t gift[WIRE_GIFT_BYTES];
	struct race r;

	race_begin(&r);
	for (int i = 0; i < ROUNDS; i++) {
		cr_assert_eq(give(&r.h, 1, &host, gift), 0);
		cr_expect_eq(run_race(&r, claim_it, gift, -ENOENT), 1);
		cr_expect_eq(claim(&r.h, 2, gift), -ENOENT);
	}
	race_end(&r);
}

/* Each racer has a claimed child of the one reference: made before, so that all that races is
 * the use. */
static int use_it(struct race *r, struct holder *h, const void *gifts)
{
	static uint8_t id[WIRE_GIFT_BYTES];
	int fd = -1;

	(void)r;
	for (unsigned int i = 0; i < RACERS && fd != 0; i++) {
		const uint8_t (*all)[WIRE_GIFT_BYTES] = gifts;

		for (unsigned int j = 0; j < WIRE_GIFT_BYTES; j++)
			id[j] = all[i][j];
		fd = claim(h, 1, id);
	}
	if (fd < 0)
		return fd;
	fd = meet(h, 1, NULL);
	return fd < 0 ? fd : 0;
}

TEST(claim_07, one_use, .timeout = 60)
{
	static uint8_t gifts[RACERS][WIRE_GIFT_BYTES];
	const struct giving host = { .door = "host" };
	struct race r;

	race_begin(&r);
	for (int i = 0; i < ROUNDS; i++) {
		cr_assert_eq(lend(&r.h, 2, 1, &(struct said){ .uses = U32(1) }), 0);
		for (unsigned int j = 0; j < RACERS; j++)
			cr_assert_eq(give(&r.h, 2, &host, gifts[j]), 0);
		cr_expect_eq(run_race(&r, use_it, gifts, -EDQUOT), 1);
		close(incoming(r.service, NULL, NULL));
		cr_expect(quiet(r.service), "a second one was introduced");
		cr_expect_eq(meet(&r.h, 2, NULL), -EDQUOT);
		drop(&r.h, 2);
		holder_listen(&r.h);
	}
	race_end(&r);
}
