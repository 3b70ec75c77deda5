/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Claim 1: after a revocation has returned, nothing under the reference reaches the service any
 * more, whatever way it comes and however many try at that moment.
 */
#include <errno.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lending.h"

enum { RACERS = 4, CONNECTS = 10000, BEFORE = 500 };

struct race {
	atomic_bool revoked;		/* it has returned */
	atomic_uint tried, succeeded, too_late;
	atomic_ullong last;		/* the greatest session that came under it */
};

static struct scene s;
static struct race *race;
static uint64_t lent_id;

/* Serve until the end, and note what comes with the lent label. */
static void be_service(const void *arg, int ready)
{
	int sock = serve(&s, "host", "db", WAY_PAIR);

	(void)arg;
	if (write(ready, "", 1) != 1)
		_exit(CHILD_FAILED);
	for (;;) {
		_cleanup_raw_ struct raw incoming = { .nfds = 0 };
		char label[WIRE_LABEL_MAX + 1];
		uint64_t session;

		if (raw_recv(sock, &incoming) <= 0)
			continue;
		session = wire_u64(&incoming.m, TAG_SESSION, 0);
		wire_string(&incoming.m, TAG_LABEL, label, sizeof label);
		if (strcmp(label, "lent") == 0 && session > atomic_load(&race->last))
			atomic_store(&race->last, session);
	}
}

static void note(bool was_revoked, bool success)
{
	atomic_fetch_add(&race->tried, 1);
	atomic_fetch_add(&race->succeeded, success);
	atomic_fetch_add(&race->too_late, success && was_revoked);
}

static bool go_on(void)
{
	return atomic_load(&race->tried) < CONNECTS || !atomic_load(&race->revoked);
}

static void ask_by_name(const void *arg, int ready)
{
	int sock = enter(&s, "web");

	(void)arg;
	if (write(ready, "", 1) != 1)
		_exit(CHILD_FAILED);
	while (go_on()) {
		bool revoked = atomic_load(&race->revoked);
		int fd = dial(sock, "db");

		note(revoked, fd >= 0);
		if (fd >= 0)
			close(fd);
	}
	_exit(0);
}

/* Whether the service gets what is in the backlog only its own log says. */
static void ask_by_path(const void *arg, int ready)
{
	char web[PATH_BYTES];

	(void)arg;
	broker_door(&s.b, "web", web);
	if (write(ready, "", 1) != 1)
		_exit(CHILD_FAILED);
	while (go_on()) {
		bool revoked = atomic_load(&race->revoked);
		int fd = path_connect(web, "db");

		note(revoked, fd >= 0);
		if (fd >= 0)
			close(fd);
	}
	_exit(0);
}

static bool under_way(void *arg)
{
	(void)arg;
	return atomic_load(&race->succeeded) >= BEFORE;
}

static bool tried_enough(void *arg)
{
	(void)arg;
	return !go_on();
}

/* A session of somebody else's, made now: no later one is allowed under the reference. */
static uint64_t session_now(int sock)
{
	_cleanup_raw_ struct raw reply = { .nfds = 0 };

	cr_assert_eq(raw_introduce(sock, 77, "db", SOCK_STREAM, 0, &reply), 0);
	return wire_u64(&reply.m, TAG_SESSION, 0);
}

static void run_race(int (*end)(int lender))
{
	pid_t service, racers[RACERS];
	uint64_t marker;
	int lender, other;

	scene_start(&s, NULL);
	race = shared_memory(sizeof *race);
	cr_assert_eq(broker_add_door(&s.b, "web"), 0);
	service = child_start(be_service, NULL);
	lender = enter(&s, "host");
	other = enter(&s, "host");
	cr_assert_eq(lend(lender, 1, 0, &(struct lent_terms){ .label = "lent" }, &lent_id), 0);
	cr_assert_eq(grant_of(&s.b, "web", "db", lent_id), 0);
	for (int i = 0; i < RACERS; i++)
		racers[i] = child_start(i == 0 ? ask_by_path : ask_by_name, NULL);
	cr_assert(wait_until(under_way, NULL));
	cr_assert_eq(end(lender), 0);
	marker = session_now(other);
	atomic_store(&race->revoked, true);
	cr_assert(wait_until(tried_enough, NULL));
	for (int i = 0; i < RACERS; i++)
		cr_assert_eq(child_wait(racers[i]), 0);
	cr_expect_eq(atomic_load(&race->too_late), 0, "%u of %u", race->too_late, race->tried);
	cr_expect_geq(atomic_load(&race->tried), CONNECTS);
	/* the service has heard of this one when all before it have come */
	session_now(other);
	cr_expect_lt(atomic_load(&race->last), marker, "a session under it was made later");
	cr_expect_gt(atomic_load(&race->last), 0);
	close(lender);
	close(other);
	child_kill(service);
	scene_settled(&s);
	scene_end(&s);
}

static int by_holder(int lender)
{
	return take_back(lender, 1, NULL);
}

TEST(claim_01, revoked_by_who_lent_it)
{
	run_race(by_holder);
}

static int by_administrator(int lender)
{
	struct message m;

	(void)lender;
	wire_put_u64(message(&m, WIRE_REVOKE, 1, 0, 0), TAG_REFERENCE, lent_id);
	return broker_administer(&s.b, &m.w);
}

TEST(claim_01, revoked_by_the_administrator)
{
	run_race(by_administrator);
}

static int by_taking_the_grant(int lender)
{
	(void)lender;
	return broker_ungrant(&s.b, "web", "db");
}

TEST(claim_01, taken_out_of_the_door)
{
	run_race(by_taking_the_grant);
}

/* An agent that was asked before answers after: its client gets nothing, also where the handle
 * stands for another reference by then. */
static void open_too_late(bool bound_again)
{
	_cleanup_raw_ struct raw fetch = { .nfds = 0 };
	int agent, lender, end;
	struct message m;

	scene_start(&s, NULL);
	agent = serve(&s, "host", "db", WAY_FETCH);
	allow(agent);
	lender = enter(&s, "host");
	cr_assert_eq(lend(lender, 1, 0, NULL, NULL), 0);
	message(&m, WIRE_CONNECT, 5, 1, 0);
	raw_send(lender, &m.w, -1);
	cr_assert_gt(raw_recv(agent, &fetch), 0);
	cr_assert_eq(fetch.m.head.type, WIRE_FETCH);
	cr_assert_eq(take_back(lender, 1, NULL), 0);
	if (bound_again)
		cr_assert_eq(lend(lender, 1, 0, NULL, NULL), 0);
	end = raw_fetched(agent, fetch.m.head.serial);
	cr_expect_eq(answer(lender, 5), -ENOENT);
	expect_eof(end);
	close(lender);
	close(agent);
	scene_settled(&s);
	scene_end(&s);
}

TEST(claim_01, what_an_agent_opens_too_late)
{
	open_too_late(false);
}

TEST(claim_01, what_is_for_another_reference)
{
	open_too_late(true);
}
