/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Claim 20: SIGKILL of giver, recipient, or the switch at each step of a handoff: nothing leaks,
 * and nobody waits for what does not come.
 */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "doomed.h"
#include "lending.h"

struct handoff {
	uint8_t gift[WIRE_GIFT_BYTES];
};

static struct scene s;
static struct handoff *handoff;

static void begin(void)
{
	scene_start(&s, NULL);
	handoff = shared_memory(sizeof *handoff);
	cr_assert_eq(broker_add_door(&s.b, "web"), 0);
}

static bool nothing_is_lent(void *arg)
{
	(void)arg;
	return broker_usage(&s.b, NULL, ROOM_UID, TAG_REFERENCES) == 0;
}

static void lend_and_die(void)
{
	int sock = enter(&s, "host");

	if (lend(sock, 1, 0, NULL, NULL) < 0 || lend(sock, 2, 1, NULL, NULL) < 0)
		_exit(CHILD_FAILED);
}

TEST(claim_20, giver_before_it_gives)
{
	int service;

	begin();
	service = serve(&s, "host", "db", WAY_PAIR);
	child_kill(doomed(lend_and_die));
	cr_expect(wait_until(nothing_is_lent, NULL));
	close(service);
	scene_settled(&s);
	scene_end(&s);
}

static void give_and_die(void)
{
	int sock = enter(&s, "host");

	if (lend(sock, 1, 0, NULL, NULL) < 0 ||
	    give(sock, 1, "web", 0, 0, handoff->gift) < 0)
		_exit(CHILD_FAILED);
}

/* What it has given is given: its recipient need not wait for it. */
TEST(claim_20, giver_after_it_gave)
{
	int service, bob, fd;

	begin();
	service = serve(&s, "host", "db", WAY_PAIR);
	child_kill(doomed(give_and_die));
	bob = enter(&s, "web");
	cr_assert_eq(claim(bob, 1, handoff->gift, sizeof handoff->gift), 0);
	cr_assert_geq(fd = meet(bob, 1), 0);
	expect_linked(fd, expect(service, WIRE_INCOMING, NULL));
	close(bob);
	cr_expect(wait_until(nothing_is_lent, NULL));
	close(service);
	scene_settled(&s);
	scene_end(&s);
}

static void serve_and_die(void)
{
	serve(&s, "host", "db", WAY_PAIR);
}

/* A gift for whom nobody can be any more is gone with it. */
TEST(claim_20, recipient_before_it_claims)
{
	int alice, other;
	pid_t bob;

	begin();
	bob = doomed(serve_and_die);
	other = serve(&s, "host", "other", WAY_PAIR);
	alice = enter(&s, "host");
	cr_assert_eq(find_db(alice, 1), 0);
	cr_assert_eq(give(alice, 1, NULL, 1, 0, handoff->gift), 0);
	child_kill(bob);
	cr_expect(wait_until(nothing_is_lent, NULL));
	close(other);
	close(alice);
	scene_settled(&s);
	scene_end(&s);
}

static void claim_and_die(void)
{
	int sock = enter(&s, "web");

	if (claim(sock, 1, handoff->gift, sizeof handoff->gift) < 0 || meet(sock, 1) < 0)
		_exit(CHILD_FAILED);
}

TEST(claim_20, recipient_after_it_claimed)
{
	int service, alice;

	begin();
	service = serve(&s, "host", "db", WAY_PAIR);
	alice = enter(&s, "host");
	cr_assert_eq(find_db(alice, 1), 0);
	cr_assert_eq(give(alice, 1, "web", 0, 0, handoff->gift), 0);
	child_kill(doomed(claim_and_die));
	expect_eof(expect(service, WIRE_INCOMING, NULL));
	cr_expect(wait_until(nothing_is_lent, NULL));
	close(alice);
	close(service);
	scene_settled(&s);
	scene_end(&s);
}

/* The switch takes gifts along, as all that is live; who holds one hears the end, and nobody
 * waits. */
TEST(claim_20, the_switch)
{
	int service, alice, bob;

	begin();
	service = serve(&s, "host", "db", WAY_PAIR);
	alice = enter(&s, "host");
	bob = enter(&s, "web");
	cr_assert_eq(find_db(alice, 1), 0);
	cr_assert_eq(give(alice, 1, "web", 0, 0, handoff->gift), 0);
	broker_switch_kill(&s.b);
	expect_end(alice);
	expect_end(bob);
	expect_end(service);
	bob = enter(&s, "web");
	cr_expect_eq(claim(bob, 1, handoff->gift, sizeof handoff->gift), -ENOENT);
	cr_expect(nothing_is_lent(NULL));
	close(bob);
	s.room = broker_switch_pid(&s.b, 0);
	scene_settled(&s);
	scene_end(&s);
}
