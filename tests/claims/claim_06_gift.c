/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Claim 6: a gift in other hands than its recipient's is refused, and stays good for that one.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "lending.h"

static struct scene s;

TEST(claim_06, in_other_hands)
{
	uint8_t gift[WIRE_GIFT_BYTES], forged[WIRE_GIFT_BYTES];
	int bob, alice, stranger, web, fd;

	scene_start(&s, NULL);
	cr_assert_eq(broker_add_door(&s.b, "web"), 0);
	bob = serve(&s, "host", "db", WAY_PAIR);
	alice = enter(&s, "host");
	stranger = enter(&s, "host");
	web = enter(&s, "web");
	cr_assert_eq(find_db(alice, 1), 0);
	cr_assert_eq(give(alice, 1, NULL, 1, 0, gift), 0);
	cr_expect_eq(claim(stranger, 1, gift, sizeof gift), -ENOENT, "the same uid and door");
	cr_expect_eq(claim(alice, 2, gift, sizeof gift), -ENOENT, "its giver");
	cr_expect_eq(claim(web, 1, gift, sizeof gift), -ENOENT);
	memcpy(forged, gift, sizeof gift);
	forged[31] ^= 1;
	cr_expect_eq(claim(bob, 9, forged, sizeof forged), -ENOENT);
	cr_expect_eq(claim(bob, 9, gift, sizeof gift - 1), -EINVAL);
	cr_expect_eq(claim(bob, 0, gift, sizeof gift), -EINVAL, "a handle that is none");
	cr_expect_eq(claim(bob, 1, gift, sizeof gift), -EEXIST, "one that is bound");
	cr_expect_eq(claim(bob, 9, gift, sizeof gift), 0, "it is still good for its owner");
	cr_expect_eq(claim(bob, 10, gift, sizeof gift), -ENOENT, "once");
	/* an open door's own programs are of one mind; another door's gift is its own */
	cr_assert_eq(give(alice, 1, "web", 0, 0, gift), 0);
	cr_expect_eq(claim(stranger, 1, gift, sizeof gift), -ENOENT);
	cr_expect_eq(claim(web, 1, gift, sizeof gift), 0);
	cr_assert_geq(fd = meet(web, 1), 0);
	close(fd);
	close(expect(bob, WIRE_INCOMING, NULL));
	close(web);
	close(stranger);
	close(alice);
	close(bob);
	scene_settled(&s);
	scene_end(&s);
}

static bool has_waited_enough(void *arg)
{
	(void)arg;
	return broker_usage(&s.b, NULL, ROOM_UID, TAG_REFERENCES) == 0;
}

TEST(claim_06, has_a_deadline)
{
	uint8_t gift[WIRE_GIFT_BYTES];
	int bob, alice;

	scene_start(&s, NULL);
	bob = serve(&s, "host", "db", WAY_PAIR);
	alice = enter(&s, "host");
	cr_assert_eq(find_db(alice, 1), 0);
	cr_assert_eq(give(alice, 1, NULL, 1, 1000, gift), 0);
	cr_assert(wait_until(has_waited_enough, NULL), "it is given back");
	cr_expect_eq(claim(bob, 9, gift, sizeof gift), -ENOENT);
	close(alice);
	close(bob);
	scene_settled(&s);
	scene_end(&s);
}
