/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Claims 6 and 7: a gift in other hands than its recipient's is refused and stays good for that
 * one; and whatever is good once is taken once, by however many at the same time.
 */
#include <errno.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lending.h"

enum { RACERS = 64 };

struct race {
	uint8_t gift[WIRE_GIFT_BYTES];
	atomic_int go, won, lost;
};

static struct scene s;
static struct race *race;

static int find_db(int sock, uint32_t ref)
{
	_cleanup_raw_ struct raw reply = { .nfds = 0 };
	struct message m;

	wire_put_string(message(&m, WIRE_FIND, 3, ref, 0), TAG_NAME, "db");
	return raw_ask(sock, &m.w, -1, &reply);
}

/* Give what ref is bound to; to a door, or (NULL) whoever serves what to is bound to. */
static int give(int sock, uint32_t ref, const char *door, uint32_t to, uint64_t wait_usec,
		uint8_t gift[WIRE_GIFT_BYTES])
{
	_cleanup_raw_ struct raw reply = { .nfds = 0 };
	struct message m;
	struct wire_writer *w = message(&m, WIRE_GIVE, 4, ref, 0);
	int r;

	if (wait_usec)
		wire_put_u64(w, TAG_WAIT, wait_usec);
	if (door)
		wire_put_string(w, TAG_DOOR, door);
	else
		wire_put_u32(w, TAG_RECIPIENT, to);
	r = raw_ask(sock, w, -1, &reply);
	if (r == 0)
		memcpy(gift, reply.m.value[TAG_GIFT], WIRE_GIFT_BYTES);
	return r;
}

static int claim(int sock, uint32_t ref, const void *gift, size_t len)
{
	_cleanup_raw_ struct raw reply = { .nfds = 0 };
	struct message m;

	wire_put_bytes(message(&m, WIRE_CLAIM, 5, ref, 0), TAG_GIFT, gift, len);
	return raw_ask(sock, &m.w, -1, &reply);
}

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
	return broker_usage(&s.b, NULL, geteuid(), TAG_REFERENCES) == 0;
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
