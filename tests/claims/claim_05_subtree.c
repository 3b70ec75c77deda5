/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Claim 5: revoking a parent breaks all children, in whoever's hands they are; revoking a child
 * leaves its parent and siblings as they were.
 */
#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lending.h"

static struct scene s;

static void works(int service, int fd)
{
	cr_assert_geq(fd, 0, "%d", fd);
	expect_linked(fd, expect(service, WIRE_INCOMING, NULL));
}

TEST(claim_05, in_all_hands)
{
	int service, alice, bob, entrance, inside;
	uint8_t claimed[WIRE_GIFT_BYTES], waiting[WIRE_GIFT_BYTES];
	unsigned int broken;
	uint64_t id;

	scene_start(&s, NULL);
	cr_assert_eq(broker_add_door(&s.b, "web"), 0);
	service = serve(&s, "host", "db", WAY_PAIR);
	alice = enter(&s, "host");
	bob = enter(&s, "web");
	allow(alice);
	cr_assert_eq(lend(alice, 1, 0, NULL, &id), 0);
	cr_assert_eq(lend(alice, 2, 1, NULL, NULL), 0);
	cr_assert_eq(lend(alice, 3, 2, NULL, NULL), 0);
	cr_assert_eq(lend(alice, 9, 0, NULL, NULL), 0);
	cr_assert_eq(give(alice, 2, "web", 0, 0, claimed), 0);
	cr_assert_eq(give(alice, 3, "web", 0, 0, waiting), 0);
	cr_assert_eq(claim(bob, 1, claimed, sizeof claimed), 0);
	cr_assert_eq(grant_of(&s.b, "web", "db", id), 0);
	cr_assert_geq(entrance = enclose(alice, 3), 0);
	inside = join(entrance);
	works(service, dial(inside, "db"));
	works(service, meet(bob, 1));
	works(service, dial(bob, "db"));

	cr_assert_eq(take_back(alice, 1, &broken), 0);
	cr_expect_eq(broken, 3, "%u", broken);
	cr_expect_eq(dial(inside, "db"), -ENOENT);
	close(expect(bob, WIRE_BROKEN, NULL));
	cr_expect_eq(dial(bob, "db"), -ENOENT);
	cr_expect_eq(claim(bob, 2, waiting, sizeof waiting), -ENOENT);
	cr_expect_eq(meet(alice, 3), -ENOENT);
	works(service, meet(alice, 9));
	close(inside);
	close(entrance);
	close(bob);
	close(alice);
	close(service);
	scene_settled(&s);
	scene_end(&s);
}

TEST(claim_05, a_child_alone)
{
	int service, alice;
	unsigned int broken;

	scene_start(&s, NULL);
	service = serve(&s, "host", "db", WAY_PAIR);
	alice = enter(&s, "host");
	cr_assert_eq(lend(alice, 1, 0, NULL, NULL), 0);
	for (uint32_t ref = 2; ref < 10; ref++)
		cr_assert_eq(lend(alice, ref, 1, NULL, NULL), 0);
	cr_assert_eq(take_back(alice, 5, &broken), 0);
	cr_expect_eq(broken, 1);
	for (uint32_t ref = 1; ref < 10; ref++) {
		if (ref == 5)
			cr_expect_eq(meet(alice, ref), -ENOENT);
		else
			works(service, meet(alice, ref));
	}
	cr_expect_eq(take_back(alice, 5, NULL), -ENOENT);
	close(alice);
	close(service);
	scene_settled(&s);
	scene_end(&s);
}

/* What somebody else holds is not theirs to revoke, unless they may. */
TEST(claim_05, not_by_anybody)
{
	uint8_t gift[WIRE_GIFT_BYTES];
	int service, alice, bob;

	scene_start(&s, NULL);
	cr_assert_eq(broker_add_door(&s.b, "web"), 0);
	cr_assert_eq(broker_grant(&s.b, "web", "db", RIGHT_CONNECT), 0);
	service = serve(&s, "host", "db", WAY_PAIR);
	alice = enter(&s, "host");
	bob = enter(&s, "web");
	cr_assert_eq(find_db(bob, 1), 0);
	cr_expect_eq(take_back(bob, 1, NULL), -EACCES);
	cr_assert_eq(lend(alice, 1, 0, &(struct lent_terms){ .rights = RIGHT_CONNECT | RIGHT_GIVE },
			  NULL), 0);
	cr_assert_eq(give(alice, 1, "web", 0, 0, gift), 0);
	cr_assert_eq(claim(bob, 2, gift, sizeof gift), 0);
	cr_expect_eq(take_back(bob, 2, NULL), -EACCES);
	cr_assert_eq(lend(bob, 3, 2, NULL, NULL), 0);
	cr_expect_eq(take_back(bob, 3, NULL), 0, "what it has lent itself");
	works(service, meet(bob, 2));
	close(bob);
	close(alice);
	close(service);
	scene_settled(&s);
	scene_end(&s);
}
