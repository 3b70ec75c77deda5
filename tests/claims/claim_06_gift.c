/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Claim 6: a gift in other hands than its recipient's is nothing, and that leaves it usable by
 * the right one. Neither are ids that were guessed, cut off or used before, or handles of
 * other connections.
 */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lending.h"

/* A giver; two services of one door, one of which is the recipient; others. */
struct people {
	struct scene s;
	struct holder giver, recipient, sibling, web;
};

static const struct giving to_recipient = { .recipient = 2 };

static void serve_on(struct holder *h, const char *name)
{
	cr_assert_eq(raw_serve(h->sock, 0x7000, 1, name, WAY_PAIR), 0);
}

static void people_begin(struct people *p)
{
	scene_start(&p->s, NULL);
	cr_assert_eq(broker_add_door(&p->s.b, "web"), 0);
	cr_assert_eq(broker_grant(&p->s.b, "web", "db", RIGHTS_ALL), 0);
	scene_settled(&p->s);
	holder_open(&p->giver, &p->s, "host");
	holder_open(&p->recipient, &p->s, "host");
	holder_open(&p->sibling, &p->s, "host");
	holder_open(&p->web, &p->s, "web");
	serve_on(&p->recipient, "recipient");
	serve_on(&p->sibling, "db");
	cr_assert_eq(find(&p->giver, 1, "db"), 0);
	cr_assert_eq(find(&p->giver, 2, "recipient"), 0);
}

static void people_end(struct people *p)
{
	cr_expect_eq(broker_usage(&p->s.b, NULL, getuid(), TAG_REFERENCES), 0);
	holder_close(&p->giver);
	holder_close(&p->recipient);
	holder_close(&p->sibling);
	holder_close(&p->web);
	scene_end(&p->s);
}

static void is_theirs(struct people *p, struct holder *h, const uint8_t *gift)
{
	cr_assert_eq(claim(h, 50, gift), 0);
	works(h, 50, p->sibling.sock);
	drop(h, 50);
	holder_listen(h);
	cr_expect_eq(claim(h, 51, gift), -ENOENT, "it is good once");
}

TEST(claim_06, for_a_service)
{
	uint8_t gift[WIRE_GIFT_BYTES];
	struct holder inside;
	struct people p;
	int entrance;

	people_begin(&p);
	entrance = enclose(&p.recipient, NULL, 0);
	cr_assert_geq(entrance, 0);
	holder_join(&inside, entrance);
	cr_assert_eq(give(&p.giver, 1, &to_recipient, gift), 0);
	cr_expect_eq(claim(&p.giver, 50, gift), -ENOENT, "the giver");
	cr_expect_eq(claim(&p.sibling, 50, gift), -ENOENT, "another service of that door");
	cr_expect_eq(claim(&p.web, 50, gift), -ENOENT, "another door");
	cr_expect_eq(claim(&inside, 50, gift), -ENOENT, "out of the recipient's enclosure");
	is_theirs(&p, &p.recipient, gift);
	holder_close(&inside);
	close(entrance);
	people_end(&p);
}

TEST(claim_06, for_a_door)
{
	const struct giving web = { .door = "web" };
	uint8_t gift[WIRE_GIFT_BYTES];
	struct holder inside;
	struct people p;
	int entrance;

	people_begin(&p);
	cr_assert_eq(find(&p.web, 1, "db"), 0);
	entrance = enclose(&p.web, &(struct enclosed){ .name = "db", .handle = 1 }, 1);
	cr_assert_geq(entrance, 0);
	holder_join(&inside, entrance);
	cr_assert_eq(give(&p.giver, 1, &web, gift), 0);
	cr_expect_eq(claim(&p.giver, 50, gift), -ENOENT);
	cr_expect_eq(claim(&p.recipient, 50, gift), -ENOENT);
	cr_expect_eq(claim(&inside, 50, gift), -ENOENT, "an enclosure is not its door");
	is_theirs(&p, &p.web, gift);
	holder_close(&inside);
	close(entrance);
	people_end(&p);
}

/* It was for that connection: not for who serves the name next. */
TEST(claim_06, recipient_is_gone)
{
	uint8_t gift[WIRE_GIFT_BYTES];
	struct people p;

	people_begin(&p);
	cr_assert_eq(give(&p.giver, 1, &to_recipient, gift), 0);
	holder_close(&p.recipient);
	holder_listen(&p.giver);
	holder_open(&p.recipient, &p.s, "host");
	serve_on(&p.recipient, "recipient");
	cr_expect_eq(claim(&p.recipient, 50, gift), -ENOENT);
	cr_expect_eq(broker_usage(&p.s.b, NULL, getuid(), TAG_REFERENCES), 0, "it is still kept");
	people_end(&p);
}

TEST(claim_06, nobody_to_give_to)
{
	uint8_t gift[WIRE_GIFT_BYTES];
	struct people p;

	people_begin(&p);
	holder_close(&p.recipient);
	holder_listen(&p.giver);
	if (give(&p.giver, 1, &to_recipient, gift) != -ENOENT)
		cr_expect_eq(give(&p.giver, 1, &to_recipient, gift), -ECONNREFUSED);
	cr_expect_eq(give(&p.giver, 1, &(struct giving){ .recipient = 77 }, gift), -ENOENT);
	cr_expect_eq(give(&p.giver, 77, &(struct giving){ .door = "web" }, gift), -ENOENT);
	cr_expect_eq(give(&p.giver, 1, &(struct giving){ .door = "../web" }, gift), -EINVAL);
	cr_expect_eq(give(&p.giver, 1, &(struct giving){ 0 }, gift), -EINVAL);
	cr_expect_eq(broker_usage(&p.s.b, NULL, getuid(), TAG_REFERENCES), 0);
	holder_open(&p.recipient, &p.s, "host");
	people_end(&p);
}

/* ---- ids ---- */

static int claim_bytes(struct holder *h, const void *id, size_t len)
{
	struct message m;
	struct wire_writer *w = message(&m, WIRE_CLAIM, h->serial + 1, 60, 0);

	wire_put_bytes(w, TAG_GIFT, id, len);
	return holder_ask(h, w, -1, NULL);
}

TEST(claim_06, other_ids)
{
	uint8_t gift[WIRE_GIFT_BYTES], other[WIRE_GIFT_BYTES];
	struct people p;
	struct message m;

	people_begin(&p);
	cr_assert_eq(give(&p.giver, 1, &to_recipient, gift), 0);
	for (unsigned int bit = 0; bit < 8 * WIRE_GIFT_BYTES; bit++) {
		memcpy(other, gift, sizeof other);
		other[bit / 8] ^= (uint8_t)(1u << bit % 8);
		cr_assert_eq(claim(&p.recipient, 50, other), -ENOENT, "bit %u", bit);
	}
	for (size_t len = 1; len < WIRE_GIFT_BYTES; len++)
		cr_assert_eq(claim_bytes(&p.recipient, gift, len), -EINVAL, "%zu bytes", len);
	p.recipient.serial++;
	raw_send(p.recipient.sock, message(&m, WIRE_CLAIM, p.recipient.serial, 60, 0), -1);
	cr_expect_eq(answer(p.recipient.sock, p.recipient.serial), -EINVAL, "no id at all");
	memset(other, 0, sizeof other);
	cr_expect_eq(claim(&p.recipient, 50, other), -ENOENT);
	/* a handle that is taken does not cost the gift */
	cr_expect_eq(claim(&p.recipient, 1, gift), -EEXIST);
	cr_expect_eq(claim(&p.recipient, 0, gift), -EINVAL);
	is_theirs(&p, &p.recipient, gift);
	people_end(&p);
}

/* It waits for so long and no longer; then its giver has nothing of it any more. */
static bool nothing_is_lent(void *arg)
{
	const struct people *p = arg;

	return broker_usage(&p->s.b, NULL, getuid(), TAG_REFERENCES) == 0;
}

TEST(claim_06, waits_no_longer)
{
	uint8_t gift[WIRE_GIFT_BYTES];
	struct people p;

	people_begin(&p);
	cr_assert_eq(give(&p.giver, 1, &(struct giving){ .recipient = 2, .wait_us = 1000 }, gift),
		     0);
	cr_assert(wait_until(nothing_is_lent, &p));
	cr_expect_eq(claim(&p.recipient, 50, gift), -ENOENT);
	/* the longest wait of all does not overflow */
	cr_assert_eq(give(&p.giver, 1, &(struct giving){ .recipient = 2, .wait_us = UINT64_MAX },
			  gift), 0);
	is_theirs(&p, &p.recipient, gift);
	people_end(&p);
}

/* ---- handles ---- */

/* What one connection has under a number is nothing to another. */
TEST(claim_06, handles_of_others)
{
	uint8_t gift[WIRE_GIFT_BYTES];
	struct people p;
	struct raw got;

	people_begin(&p);
	cr_assert_eq(lend(&p.giver, 40, 1, NULL), 0);
	cr_expect_eq(meet(&p.web, 40, NULL), -ENOENT);
	cr_expect_eq(lend(&p.web, 50, 40, NULL), -ENOENT);
	cr_expect_eq(take_back(&p.web, 40), -ENOENT);
	cr_expect_eq(stat_of(&p.web, 40, &got), -ENOENT);
	cr_expect_eq(same(&p.web, 40, 40), -ENOENT);
	cr_expect_eq(give(&p.web, 40, &(struct giving){ .door = "web" }, gift), -ENOENT);
	cr_expect_lt(enclose(&p.web, &(struct enclosed){ .name = "x", .handle = 40 }, 1), 0);
	drop(&p.web, 40);
	holder_listen(&p.web);
	works(&p.giver, 40, p.sibling.sock);
	drop(&p.giver, 40);
	holder_listen(&p.giver);
	people_end(&p);
}
