/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Claim 24: two references that came by different ways are the same where they designate the
 * same service.
 */
#include <errno.h>
#include <unistd.h>

#include "lending.h"

static struct scene s;

static int same(int sock, uint32_t a, uint32_t b)
{
	_cleanup_raw_ struct raw reply = { .nfds = 0 };
	struct message m;
	int r;

	wire_put_u64(message(&m, WIRE_SAME, 3, a, 0), TAG_PARENT, b);
	r = raw_ask(sock, &m.w, -1, &reply);
	return r < 0 ? r : (int)wire_u32(&reply.m, TAG_VERDICT, 9);
}

TEST(claim_24, by_different_introducers)
{
	uint8_t by_alice[WIRE_GIFT_BYTES], by_carol[WIRE_GIFT_BYTES];
	int db, other, alice, carol, bob;
	_cleanup_raw_ struct raw reply = { .nfds = 0 };
	struct message m;

	scene_start(&s, NULL);
	cr_assert_eq(broker_add_door(&s.b, "web"), 0);
	cr_assert_eq(broker_grant_as(&s.b, "web", "petname", "db", RIGHT_CONNECT), 0);
	cr_assert_eq(broker_grant_as(&s.b, "web", "db", "other", RIGHT_CONNECT), 0);
	db = serve(&s, "host", "db", WAY_PAIR);
	other = serve(&s, "host", "other", WAY_PAIR);
	alice = enter(&s, "host");
	carol = enter(&s, "host");
	bob = enter(&s, "web");
	cr_assert_eq(lend(alice, 1, 0, &(struct lent_terms){ .label = "a" }, NULL), 0);
	cr_assert_eq(lend(carol, 1, 0, &(struct lent_terms){ .uses = 3 }, NULL), 0);
	cr_assert_eq(give(alice, 1, "web", 0, 0, by_alice), 0);
	cr_assert_eq(give(carol, 1, "web", 0, 0, by_carol), 0);
	cr_assert_eq(claim(bob, 1, by_alice, sizeof by_alice), 0);
	cr_assert_eq(claim(bob, 2, by_carol, sizeof by_carol), 0);
	wire_put_string(message(&m, WIRE_FIND, 4, 3, 0), TAG_NAME, "petname");
	cr_assert_eq(raw_ask(bob, &m.w, -1, &reply), 0);
	cr_assert_eq(find_db(bob, 4), 0);
	cr_expect_eq(same(bob, 1, 2), 0);
	cr_expect_eq(same(bob, 2, 3), 0);
	cr_expect_eq(same(bob, 3, 3), 0);
	cr_expect_eq(same(bob, 1, 4), 1, "the same name, another service");
	cr_expect_eq(same(bob, 1, 5), -ENOENT);
	close(bob);
	close(carol);
	close(alice);
	close(other);
	close(db);
	scene_settled(&s);
	scene_end(&s);
}
