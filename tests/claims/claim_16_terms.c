/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Claim 16: whatever is asked for, a child's rights, lifetime, uses, sessions and labels never
 * exceed its parent's.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lending.h"

#define UNLIMITED UINT32_MAX

static struct scene s;

/* What the broker says of a reference; the plain model of it. */
struct view {
	uint32_t ref, parent;	/* handles; parent 0: the service */
	uint32_t rights, uses, sessions;
	uint64_t expires;	/* microseconds left; UINT64_MAX: no end */
	bool leash;
	char label[WIRE_LABEL_MAX + 1];
};

static void look(int sock, uint32_t ref, struct view *v)
{
	_cleanup_raw_ struct raw reply = { .nfds = 0 };
	struct message m;

	message(&m, WIRE_STAT, 9, ref, 0);
	cr_assert_eq(raw_ask(sock, &m.w, -1, &reply), 0);
	v->rights = wire_u32(&reply.m, TAG_RIGHTS, 0);
	v->uses = wire_u32(&reply.m, TAG_USES, UNLIMITED);
	v->sessions = wire_u32(&reply.m, TAG_SESSIONS, UNLIMITED);
	v->expires = wire_u64(&reply.m, TAG_EXPIRES, UINT64_MAX);
	v->leash = wire_u32(&reply.m, TAG_LEASH, 0);
	wire_string(&reply.m, TAG_LABEL, v->label, sizeof v->label);
}

/* Odd numbers more often than others. */
static uint32_t any32(void)
{
	static const uint32_t odd[] = { 0, 1, 2, 3, UINT32_MAX - 1, UINT32_MAX, INT32_MAX };
	uint32_t pick = (uint32_t)rand() % 10;

	return pick < 7 ? odd[pick] : (uint32_t)rand() % 100;
}

static uint64_t any64(void)
{
	static const uint64_t odd[] = { HOUR_USEC, INT64_MAX, UINT64_MAX, UINT64_MAX / 2, UINT32_MAX };
	uint32_t pick = (uint32_t)rand() % 8;

	return pick < 5 ? odd[pick] : HOUR_USEC + (uint64_t)rand() * 1000;
}

/* Ask for a child with any terms at all: 0, or why not. */
static int lend_any(int sock, uint32_t ref, uint32_t parent)
{
	struct message m;
	struct wire_writer *w = message(&m, WIRE_LEND, 8, ref, 0);
	_cleanup_raw_ struct raw reply = { .nfds = 0 };
	uint32_t say = (uint32_t)rand();

	if (say & 1)
		wire_put_string(w, TAG_LABEL, say & 0x100 ? "a" : "some longer label of it");
	if (say & 2)
		wire_put_u32(w, TAG_RIGHTS, say & 0x200 ? any32() : RIGHTS_ALL & (say >> 16));
	if (say & 4)
		wire_put_u64(w, TAG_LIFETIME, any64());
	if (say & 8)
		wire_put_u32(w, TAG_USES, any32());
	if (say & 0x10)
		wire_put_u32(w, TAG_SESSIONS, any32());
	if (say & 0x20)
		wire_put_u32(w, TAG_LEASH, say & 0x400 ? 1 : any32() % 3);
	wire_put_u64(w, TAG_PARENT, parent);
	return raw_ask(sock, w, -1, &reply);
}

/* Is the narrower of two what the child may be, at the most? */
static void check(const struct view *parent, const struct view *child)
{
	size_t len = strlen(parent->label);

	cr_expect_eq(child->rights & ~parent->rights, 0);
	cr_expect_neq(child->rights, 0, "a reference of no use was made");
	cr_expect_leq(child->uses, parent->uses);
	cr_expect_leq(child->sessions, parent->sessions);
	cr_expect_leq(child->expires, parent->expires);
	cr_expect(child->leash || !parent->leash);
	cr_expect(strncmp(child->label, parent->label, len) == 0 &&
		  (child->label[len] == '\0' || child->label[len] == '>' || len == 0),
		  "\"%s\" of \"%s\"", child->label, parent->label);
}

TEST(claim_16, random_trees)
{
	enum { NODES = 400, TREES = 10 };
	static struct view nodes[NODES];

	scene_start(&s, NULL);
	for (unsigned int seed = 0; seed < TREES; seed++) {
		int service = serve_leashed(&s), sock = enter(&s, "host"), found = 0;
		uint32_t made = 0;

		srand(seed);
		cr_assert_eq(lend(sock, 1, 0, NULL, NULL), 0);
		nodes[made++].ref = 1;
		for (uint32_t ref = 2; made < NODES && ref < 4 * NODES; ref++) {
			struct view *child = &nodes[made];
			uint32_t of = (uint32_t)rand() % made;

			if (lend_any(sock, ref, nodes[of].ref) < 0)
				continue;
			found++;
			child->ref = ref;
			child->parent = of;
			/* the parent first, whose time runs, too */
			look(sock, nodes[of].ref, &nodes[of]);
			look(sock, ref, child);
			check(&nodes[of], child);
			made++;
		}
		cr_expect_gt(found, NODES / 8, "seed %u makes too few", seed);
		close(sock);
		close(service);
	}
	scene_settled(&s);
	scene_end(&s);
}

/* Sessions at once: with whichever child, no more than any above it allows. */
TEST(claim_16, sessions_of_all_together)
{
	int service, sock, fds[3];

	scene_start(&s, NULL);
	service = serve(&s, "host", "db", WAY_PAIR);
	sock = enter(&s, "host");
	cr_assert_eq(lend(sock, 1, 0, &(struct lent_terms){ .sessions = 3 }, NULL), 0);
	cr_assert_eq(lend(sock, 2, 1, &(struct lent_terms){ .sessions = 2 }, NULL), 0);
	cr_assert_eq(lend(sock, 3, 1, &(struct lent_terms){ .sessions = 5 }, NULL), 0);
	for (int i = 0; i < 2; i++)
		cr_assert_geq(fds[i] = meet(sock, 2), 0);
	cr_expect_eq(meet(sock, 2), -EUSERS);
	cr_assert_geq(fds[2] = meet(sock, 3), 0);
	cr_expect_eq(meet(sock, 3), -EUSERS, "its parent has three");
	cr_expect_eq(meet(sock, 1), -EUSERS);
	/* one that ends, at either side, makes room, and exactly one */
	close(fds[0]);
	cr_assert_geq(fds[0] = meet(sock, 3), 0);
	cr_expect_eq(meet(sock, 3), -EUSERS);
	for (int i = 0; i < 4; i++) {
		int theirs = expect(service, WIRE_INCOMING, NULL);

		close(theirs);
	}
	cr_assert_geq(close(fds[1]), 0);
	cr_assert_geq(fds[1] = meet(sock, 2), 0);
	for (int i = 0; i < 3; i++)
		close(fds[i]);
	close(sock);
	close(service);
	scene_settled(&s);
	scene_end(&s);
}

TEST(claim_16, extremes_of_every_term)
{
	static const struct {
		enum wire_tag tag;
		bool wide;
		uint64_t value;
		int error;
	} cases[] = {
		{ TAG_RIGHTS, false, 0, -EINVAL },
		{ TAG_RIGHTS, false, RIGHTS_ALL + 1, -EINVAL },
		{ TAG_RIGHTS, false, UINT32_MAX, -EINVAL },
		{ TAG_RIGHTS, false, RIGHT_SERVE, 0 },
		{ TAG_USES, false, 0, 0 },
		{ TAG_USES, false, UINT32_MAX - 1, 0 },
		{ TAG_USES, false, UINT32_MAX, 0 },
		{ TAG_SESSIONS, false, 0, 0 },
		{ TAG_SESSIONS, false, UINT32_MAX, 0 },
		{ TAG_LEASH, false, 2, -EINVAL },
		{ TAG_LEASH, false, UINT32_MAX, -EINVAL },
		{ TAG_LIFETIME, true, 0, -EINVAL },
		{ TAG_LIFETIME, true, INT64_MAX, 0 },
		{ TAG_LIFETIME, true, UINT64_MAX, 0 },
	};
	int service, sock;

	scene_start(&s, NULL);
	service = serve(&s, "host", "db", WAY_PAIR);
	sock = enter(&s, "host");
	for (uint32_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		_cleanup_raw_ struct raw reply = { .nfds = 0 };
		struct message m;
		struct wire_writer *w = message(&m, WIRE_LEND, 8, i + 1, 0);

		wire_put_string(w, TAG_NAME, "db");
		if (cases[i].wide)
			wire_put_u64(w, cases[i].tag, cases[i].value);
		else
			wire_put_u32(w, cases[i].tag, (uint32_t)cases[i].value);
		cr_expect_eq(raw_ask(sock, w, -1, &reply), cases[i].error, "case %u", i);
	}
	close(sock);
	close(service);
	scene_settled(&s);
	scene_end(&s);
}

/* Labels that would not fit together are refused, rather than cut: what is cut off would be who
 * came first. And no chain is longer than can be looked through. */
TEST(claim_16, bounds_of_a_chain)
{
	char label[41];
	int service, sock, r = 0;
	uint32_t depth = 1;

	scene_start(&s, NULL);
	service = serve(&s, "host", "db", WAY_PAIR);
	sock = enter(&s, "host");
	memset(label, 'x', 40);
	label[40] = '\0';
	cr_assert_eq(lend(sock, 1, 0, &(struct lent_terms){ .label = label }, NULL), 0);
	cr_assert_eq(lend(sock, 2, 1, &(struct lent_terms){ .label = label }, NULL), 0);
	cr_assert_eq(lend(sock, 3, 2, &(struct lent_terms){ .label = label }, NULL), 0);
	cr_expect_eq(lend(sock, 4, 3, &(struct lent_terms){ .label = label }, NULL), -ENAMETOOLONG);
	cr_expect_eq(lend(sock, 4, 3, &(struct lent_terms){ .label = "abcde" }, NULL), 0);
	cr_expect_eq(lend(sock, 5, 4, &(struct lent_terms){ .label = "f" }, NULL), -ENAMETOOLONG);
	for (; r == 0 && depth < 100; depth++)
		r = lend(sock, 1000 + depth, depth == 1 ? 1 : 999 + depth, NULL, NULL);
	cr_expect_eq(r, -ELOOP);
	cr_expect_eq(depth, 33, "32 above one another: %u", depth);
	close(sock);
	close(service);
	scene_settled(&s);
	scene_end(&s);
}
