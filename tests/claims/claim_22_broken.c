/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Claim 22: every reference that ends gives its holder exactly one event, with the reason.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "../harness_intro.h"
#include "lending.h"

static char web[PATH_BYTES];
static struct intro *holder;
static struct intro_ref *held;

/* A holder of the grant "db" of the door "web". */
static void begin(void)
{
	struct intro_event ev;

	both_begin();
	serve_name("db", NULL);
	cr_assert_eq(broker_add_door(&broker, "web"), 0);
	cr_assert_eq(broker_grant(&broker, "web", "db", RIGHTS_ALL), 0);
	broker_door(&broker, "web", web);
	cr_assert_eq(intro_open(&holder, web), 0);
	cr_assert_eq(intro_find(holder, "db", &held), 0);
	ev = get_answer(holder, intro_stat(held), INTRO_DONE);
	cr_assert_eq(ev.ref, held);
}

/* One event, and no other before the answer to a later request. */
static void expect_broken_once(int error)
{
	struct intro_event ev = get_next(holder, INTRO_BROKEN);
	struct intro_ref *other;
	int r;

	cr_expect_eq(ev.ref, held);
	cr_expect_eq(ev.error, error, "%d, wanted %d", ev.error, error);
	cr_expect_eq(intro_connect(held, 1, 0), error);
	cr_assert_eq(broker_grant_as(&broker, "web", "later", "db", RIGHT_CONNECT), 0);
	cr_assert_eq(intro_find(holder, "later", &other), 0);
	r = intro_wait(holder, intro_stat(other), HANG_MS, &ev);
	cr_assert_eq(r, 1);
	cr_expect_eq((int)ev.what, INTRO_DONE);
	cr_expect_eq(intro_next(holder, &ev), 0);
}

static void end(void)
{
	intro_close(holder);
	both_end();
}

TEST(claim_22, revoked)
{
	begin();
	get_answer(holder, intro_revoke(held), INTRO_DONE);
	expect_broken_once(-EKEYREVOKED);
	end();
}

TEST(claim_22, ungranted)
{
	begin();
	cr_assert_eq(broker_ungrant(&broker, "web", "db"), 0);
	expect_broken_once(-ENOENT);
	end();
}

TEST(claim_22, expired)
{
	begin();
	get_answer(holder, intro_lend(held, &(struct intro_terms){ .lifetime_ms = 10 }, &held),
		   INTRO_DONE);
	expect_broken_once(-EKEYEXPIRED);
	end();
}

TEST(claim_22, restarted)
{
	begin();
	get_answer(holder, intro_lend(held, NULL, &held), INTRO_DONE);
	broker_switch_kill(&broker);
	expect_broken_once(-ECONNRESET);
	end();
}

/* Who lent it to us has ended; who gave it, too. It is ours. */
TEST(claim_22, not_by_its_makers_end)
{
	struct intro_event gift, ev;
	struct intro_ref *claimed;

	begin();
	cr_assert_eq(intro_find(client, "db", &found), 0);
	gift = get_answer(client, intro_give_door(found, NULL, "web", 5000), INTRO_DONE);
	client = intro_close(client);
	get_answer(holder, intro_claim(holder, gift.gift, &claimed), INTRO_DONE);
	ev = get_answer(holder, intro_connect(claimed, 1, 0), INTRO_CONNECTED);
	close(ev.fd);
	close(get_next(service, INTRO_INCOMING).fd);
	cr_expect_eq(intro_next(holder, &ev), 0);
	end();
}
