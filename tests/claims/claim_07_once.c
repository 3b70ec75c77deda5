/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Claim 7: what is good once, a gift or a reference of one use, is taken once, by however many at
 * the same time.
 */
#include <errno.h>
#include <stdatomic.h>
#include <unistd.h>

#include "lending.h"

enum { RACERS = 64 };

struct race {
	uint8_t gift[WIRE_GIFT_BYTES];
	atomic_int go, won, lost;
};

static struct scene s;
static struct race *race;

static void be_claimant(const void *arg, int ready)
{
	int sock = enter(&s, "web"), r;

	(void)arg;
	if (write(ready, "", 1) != 1)
		_exit(CHILD_FAILED);
	while (!atomic_load(&race->go))
		;
	r = claim(sock, 1, race->gift, sizeof race->gift);
	atomic_fetch_add(r == 0 ? &race->won : &race->lost, r == 0 || r == -ENOENT);
	_exit(0);
}

TEST(claim_07, one_of_64_claims)
{
	pid_t racers[RACERS];
	int bob, alice;

	scene_start(&s, NULL);
	race = shared_memory(sizeof *race);
	cr_assert_eq(broker_add_door(&s.b, "web"), 0);
	bob = serve(&s, "host", "db", WAY_PAIR);
	alice = enter(&s, "host");
	cr_assert_eq(find_db(alice, 1), 0);
	cr_assert_eq(give(alice, 1, "web", 0, 0, race->gift), 0);
	for (int i = 0; i < RACERS; i++)
		racers[i] = child_start(be_claimant, NULL);
	atomic_store(&race->go, 1);
	for (int i = 0; i < RACERS; i++)
		cr_assert_eq(child_wait(racers[i]), 0);
	cr_expect_eq(atomic_load(&race->won), 1);
	cr_expect_eq(atomic_load(&race->lost), RACERS - 1);
	close(alice);
	close(bob);
	scene_settled(&s);
	scene_end(&s);
}

static void be_connector(const void *arg, int ready)
{
	int sock = enter(&s, "web"), fd;

	(void)arg;
	if (write(ready, "", 1) != 1)
		_exit(CHILD_FAILED);
	while (!atomic_load(&race->go))
		;
	fd = dial(sock, "db");
	atomic_fetch_add(fd >= 0 ? &race->won : &race->lost, fd >= 0 || fd == -EDQUOT);
	_exit(0);
}

TEST(claim_07, one_of_64_uses)
{
	pid_t racers[RACERS];
	int bob, alice;
	uint64_t id;

	scene_start(&s, NULL);
	race = shared_memory(sizeof *race);
	cr_assert_eq(broker_add_door(&s.b, "web"), 0);
	bob = serve(&s, "host", "db", WAY_PAIR);
	alice = enter(&s, "host");
	cr_assert_eq(lend(alice, 1, 0, &(struct lent_terms){ .uses = 1 }, &id), 0);
	cr_assert_eq(grant_of(&s.b, "web", "db", id), 0);
	for (int i = 0; i < RACERS; i++)
		racers[i] = child_start(be_connector, NULL);
	atomic_store(&race->go, 1);
	for (int i = 0; i < RACERS; i++)
		cr_assert_eq(child_wait(racers[i]), 0);
	cr_expect_eq(atomic_load(&race->won), 1);
	cr_expect_eq(atomic_load(&race->lost), RACERS - 1);
	close(expect(bob, WIRE_INCOMING, NULL));
	cr_expect(quiet(bob), "one came");
	close(alice);
	close(bob);
	scene_settled(&s);
	scene_end(&s);
}
