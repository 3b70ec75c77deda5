/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Claim 17, of references: a flood of what is lent, given or counted exhausts its own door's
 * quota, and no other's; at its end all is given back.
 */
#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lending.h"

enum { MOST = 50 };

static struct scene s;

/* Each makes one more, and says how that went. */
static int lend_one(int sock, uint32_t i)
{
	return lend(sock, 100 + i, 1, NULL, NULL);
}

static int give_one(int sock, uint32_t i)
{
	uint8_t gift[WIRE_GIFT_BYTES];

	(void)i;
	return give(sock, 1, "nobody", 0, 0, gift);
}

static int count_one(int sock, uint32_t i)
{
	int fd;

	if (i == 0 && lend(sock, 2, 1, &(struct lent_terms){ .sessions = 1000 }, NULL) < 0)
		return -EINVAL;
	fd = meet(sock, 2);
	return fd;
}

static void flood(int (*one)(int sock, uint32_t i))
{
	int service, bad, good, fd, r = 0, fds[MOST + 1], nfds = 0;
	uint32_t i = 0;

	scene_start(&s, NULL);
	cr_assert_eq(broker_add_door(&s.b, "bad"), 0);
	cr_assert_eq(broker_add_door(&s.b, "good"), 0);
	cr_assert_eq(broker_limit(&s.b, "bad", TAG_MAX_REFERENCES, MOST), 0);
	cr_assert_eq(broker_grant(&s.b, "bad", "db", RIGHTS_ALL), 0);
	cr_assert_eq(broker_grant(&s.b, "good", "db", RIGHTS_ALL), 0);
	service = serve(&s, "host", "db", WAY_PAIR);
	bad = enter(&s, "bad");
	good = enter(&s, "good");
	cr_assert_eq(find_db(bad, 1), 0);
	for (; i < 2 * MOST; i++) {
		r = one(bad, i);
		if (r < 0)
			break;
		if (r > 0) {
			fds[nfds++] = r;
			close(expect(service, WIRE_INCOMING, NULL));
		}
	}
	cr_expect_eq(r, -EDQUOT, "%d", r);
	cr_expect_leq(i, MOST);
	cr_expect_geq(i, MOST - 1);
	cr_expect_eq(broker_usage(&s.b, "bad", 0, TAG_REFERENCES), MOST);
	cr_expect_eq(broker_usage(&s.b, "good", 0, TAG_REFERENCES), 0);
	cr_assert_eq(lend(good, 1, 0, NULL, NULL), 0);
	cr_assert_geq(fd = meet(good, 1), 0);
	expect_linked(fd, expect(service, WIRE_INCOMING, NULL));
	while (nfds > 0)
		close(fds[--nfds]);
	/* what it has given away waits, and goes with its door */
	close(bad);
	if (one == give_one)
		cr_assert_eq(broker_remove_door(&s.b, "bad"), 0);
	close(good);
	close(service);
	scene_settled(&s);
	if (one == lend_one)
		cr_expect_eq(broker_usage(&s.b, "bad", 0, TAG_REFERENCES), 0);
	scene_end(&s);
}

TEST(claim_17, flood_of_lent_references)
{
	flood(lend_one);
}

TEST(claim_17, flood_of_gifts)
{
	flood(give_one);
}

TEST(claim_17, flood_of_counted_sessions)
{
	flood(count_one);
}
