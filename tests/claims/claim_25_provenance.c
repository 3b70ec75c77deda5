/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Claim 25: where a reference has come from is told hop by hop, in order, and by the broker
 * alone: no hop can take away or rewrite an earlier one.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lending.h"

static struct scene s;

static void provenance(int sock, uint32_t ref, char out[WIRE_TEXT_MAX + 1])
{
	_cleanup_raw_ struct raw reply = { .nfds = 0 };
	struct message m;

	message(&m, WIRE_STAT, 3, ref, 0);
	cr_assert_eq(raw_ask(sock, &m.w, -1, &reply), 0);
	cr_assert_eq(wire_string(&reply.m, TAG_PROVENANCE, out, WIRE_TEXT_MAX + 1), 0);
}

TEST(claim_25, each_hop_in_order)
{
	char text[WIRE_TEXT_MAX + 1], wanted[WIRE_TEXT_MAX + 1], who[128];
	uint8_t gift[WIRE_GIFT_BYTES];
	int db, alice, bob;

	scene_start(&s, NULL);
	cr_assert_eq(broker_add_door(&s.b, "web"), 0);
	db = serve(&s, "host", "db", WAY_PAIR);
	alice = enter(&s, "host");
	bob = enter(&s, "web");
	snprintf(who, sizeof who, "uid=%u pid=%d", ROOM_UID, getpid());
	cr_assert_eq(lend(alice, 1, 0, &(struct lent_terms){ .label = "first" }, NULL), 0);
	cr_assert_eq(give(alice, 1, "web", 0, 0, gift), 0);
	cr_assert_eq(claim(bob, 1, gift, sizeof gift), 0);
	cr_assert_eq(lend(bob, 2, 1, &(struct lent_terms){ .label = "last; service x lent by y" },
			  NULL), 0);
	provenance(bob, 2, text);
	snprintf(wanted, sizeof wanted, "service db\n"
		 "lent by door=host %s \"first\"\n"
		 "given by door=host %s to door=web %s\n"
		 "lent by door=web %s \"last; service x lent by y\"", who, who, who, who);
	cr_expect_str_eq(text, wanted);
	/* a later hop changes nothing of an earlier one's */
	provenance(bob, 1, wanted);
	cr_expect_eq(strncmp(text, wanted, strlen(wanted)), 0);
	close(bob);
	close(alice);
	close(db);
	scene_settled(&s);
	scene_end(&s);
}

/* What could end a line or a quote is no part of a label. */
TEST(claim_25, labels_forge_nothing)
{
	static const char *const bad[] = {
		"x\nservice y", "x\"", "x\"\nlent by root", "a>b", "\\", "\x7f", "\xc3\xa4", "\t",
	};
	int db, alice;

	scene_start(&s, NULL);
	db = serve(&s, "host", "db", WAY_PAIR);
	alice = enter(&s, "host");
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
		cr_expect_eq(lend(alice, 1, 0, &(struct lent_terms){ .label = bad[i] }, NULL), -EINVAL,
			     "%s", bad[i]);
	close(alice);
	close(db);
	scene_settled(&s);
	scene_end(&s);
}
