/* SPDX-License-Identifier: Apache-2.0 */
/*
 * References made from references: lent, revoked, enclosed, given and claimed, compared, and
 * what is said of them.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../harness_intro.h"

/* Lend from parent; the child is bound when this returns. */
static struct intro_ref *lend(struct intro_ref *parent, const struct intro_terms *terms)
{
	struct intro_ref *ref = NULL;

	get_answer(client, intro_lend(parent, terms, &ref), INTRO_DONE);
	return ref;
}

static void take_back(struct intro_ref *ref)
{
	struct intro_event ev;

	get_answer(client, intro_revoke(ref), INTRO_DONE);
	ev = get_next(client, INTRO_BROKEN);
	cr_assert_eq(ev.ref, ref);
	cr_assert_eq(ev.error, -EKEYREVOKED);
}

/* Be introduced by a reference of the client's, which works. */
static struct intro_event meet(struct intro_ref *ref)
{
	struct intro_event theirs, ours;

	ours = get_answer(client, intro_connect(ref, SOCK_STREAM, 0), INTRO_CONNECTED);
	theirs = get_next(service, INTRO_INCOMING);
	cr_assert_eq(ours.session, theirs.session);
	cr_assert(linked(ours.fd, theirs.fd));
	close(ours.fd);
	close(theirs.fd);
	return theirs;
}

static void is_refused(struct intro_ref *ref, int error)
{
	struct intro_event ev = get_answer(client, intro_connect(ref, SOCK_STREAM, 0),
					   INTRO_REFUSED);

	cr_assert_eq(ev.error, error, "%d, wanted %d", ev.error, error);
}

static void begin(void)
{
	both_begin();
	serve_name("db", NULL);
	cr_assert_eq(intro_find(client, "db", &found), 0);
}

TEST(lending, child_is_introduced_with_both_labels)
{
	struct intro_ref *child, *grandchild;
	struct intro_event ev;

	begin();
	child = lend(found, &(struct intro_terms){ .label = "for bob" });
	grandchild = lend(child, &(struct intro_terms){ .label = "his job 7" });
	ev = meet(grandchild);
	cr_expect_str_eq(ev.label, "for bob>his job 7");
	ev = meet(child);
	cr_expect_str_eq(ev.label, "for bob");
	ev = meet(found);
	cr_expect_str_eq(ev.label, "");
	both_end();
}

TEST(lending, uses_are_the_parents_too)
{
	struct intro_ref *child, *a, *b;

	begin();
	child = lend(found, &(struct intro_terms){ .uses = 3 });
	a = lend(child, &(struct intro_terms){ .uses = 2 });
	b = lend(child, NULL);
	meet(a);
	meet(a);
	is_refused(a, -EDQUOT);
	meet(b);
	is_refused(b, -EDQUOT);
	is_refused(child, -EDQUOT);
	meet(found);
	both_end();
}

TEST(lending, rights_only_shrink)
{
	struct intro_ref *child, *ref;
	struct intro_event ev;
	struct intro_info info;

	begin();
	child = lend(found, &(struct intro_terms){ .rights = INTRO_MAY_CONNECT });
	ev = get_answer(client, intro_lend(child, &(struct intro_terms){
		.rights = INTRO_MAY_SERVE | INTRO_MAY_GIVE,
	}, &ref), INTRO_REFUSED);
	cr_expect_eq(ev.error, -EACCES);
	intro_unref(ref);
	ref = lend(child, &(struct intro_terms){
		.rights = INTRO_MAY_CONNECT | INTRO_MAY_GIVE | INTRO_MAY_REVOKE,
	});
	meet(ref);
	get_answer(client, intro_stat(ref), INTRO_DONE);
	cr_assert_eq(intro_ref_info(ref, &info), 0);
	cr_expect_eq(info.rights, INTRO_MAY_CONNECT);
	ev = get_answer(client, intro_give_door(ref, NULL, "host", 1000), INTRO_REFUSED);
	cr_expect_eq(ev.error, -EACCES);
	both_end();
}

TEST(lending, revoked_with_all_below_and_none_beside)
{
	struct intro_ref *child, *sibling, *grandchild;
	struct intro_event ev;

	begin();
	child = lend(found, NULL);
	sibling = lend(found, NULL);
	grandchild = lend(child, NULL);
	get_answer(client, intro_revoke(child), INTRO_DONE);
	for (int i = 0; i < 2; i++) {
		ev = get_next(client, INTRO_BROKEN);
		cr_expect_eq(ev.ref, i == 0 ? grandchild : child);
		cr_expect_eq(ev.error, -EKEYREVOKED);
	}
	cr_expect_eq(intro_connect(grandchild, SOCK_STREAM, 0), -EKEYREVOKED);
	meet(sibling);
	meet(found);
	ev = get_answer(client, intro_revoke(found), INTRO_REFUSED);
	cr_expect_eq(ev.error, -EPERM, "a service is ended, not revoked");
	both_end();
}

TEST(lending, lives_as_long_as_what_was_made_from_it)
{
	struct intro_ref *child, *grandchild;

	begin();
	child = lend(found, &(struct intro_terms){ .label = "one" });
	grandchild = lend(child, NULL);
	intro_unref(child);
	cr_expect_str_eq(meet(grandchild).label, "one");
	cr_expect_eq(broker_usage(&broker, NULL, getuid(), TAG_REFERENCES), 2);
	intro_unref(grandchild);
	meet(found);
	cr_expect_eq(broker_usage(&broker, NULL, getuid(), TAG_REFERENCES), 0);
	both_end();
}

TEST(lending, lifetime_ends_it_once)
{
	struct intro_ref *child;
	struct intro_event ev;

	begin();
	child = lend(found, &(struct intro_terms){ .lifetime_ms = 20 });
	lend(child, NULL);
	ev = get_next(client, INTRO_BROKEN);
	cr_expect_eq(ev.error, -EKEYEXPIRED);
	ev = get_next(client, INTRO_BROKEN);
	cr_expect_eq(ev.ref, child);
	cr_expect_eq(ev.error, -EKEYEXPIRED);
	meet(found);
	both_end();
}

TEST(lending, broken_by_a_restart_once)
{
	struct intro_ref *child;
	struct intro_event ev;

	begin();
	child = lend(found, NULL);
	broker_switch_kill(&broker);
	ev = get_next(client, INTRO_BROKEN);
	cr_expect_eq(ev.ref, child);
	cr_expect_eq(ev.error, -ECONNRESET);
	cr_expect_eq(intro_connect(child, SOCK_STREAM, 0), -ECONNRESET);
	both_end();
}

/* More than may wait in its queue, while it reads nothing. */
TEST(lending, all_are_told_once_of_many_that_end)
{
	enum { MANY = 3000 };
	struct intro_ref *parent, *child;
	struct intro_event ev;
	int request;

	begin();
	parent = lend(found, NULL);
	for (int i = 0; i < MANY; i++)
		get_answer(client, intro_lend(parent, NULL, &child), INTRO_DONE);
	request = intro_revoke(parent);
	/* it has been done when somebody else is answered who asked later */
	cr_assert_eq(broker_usage(&broker, NULL, getuid(), TAG_HELD), 0);
	for (int i = 0; i < MANY + 2; i++) {
		int r = intro_wait(client, 0, HANG_MS, &ev);

		cr_assert_eq(r, 1, "%d: %s", i, intro_strerror(r));
		if (ev.what == INTRO_DONE) {
			cr_assert_eq(ev.request, request);
			continue;
		}
		cr_assert_eq((int)ev.what, INTRO_BROKEN);
		cr_assert_eq(ev.error, -EKEYREVOKED);
		/* so that a second one could not be for it */
		intro_unref(ev.ref);
	}
	cr_assert_eq(intro_next(client, &ev), 0);
	meet(found);
	cr_expect_eq(broker_usage(&broker, NULL, getuid(), TAG_REFERENCES), 0);
	both_end();
}

/* ---- enclosures ---- */

static struct intro *enter_enclosure(int fd)
{
	struct intro *in = NULL;
	char door[16];

	snprintf(door, sizeof door, "fd:%d", fd);
	cr_assert_eq(intro_open(&in, door), 0);
	return in;
}

TEST(lending, encloses_names_and_nothing_else)
{
	struct intro_terms twice = { .uses = 2, .label = "enclosed" };
	struct intro_enclosed names[2];
	struct intro *outside, *inside;
	struct intro_ref *child, *ref, *other;
	struct intro_event ev;

	begin();
	outside = client;
	child = lend(found, NULL);
	names[0] = (struct intro_enclosed){ .name = "database", .ref = child, .terms = &twice };
	names[1] = (struct intro_enclosed){ .name = "same", .ref = found };
	ev = get_answer(client, intro_enclose(client, names, 2), INTRO_DONE);
	inside = enter_enclosure(ev.fd);
	cr_assert_eq(intro_find(inside, "database", &ref), 0);
	cr_assert_eq(intro_find(inside, "db", &other), 0);
	client = inside;
	cr_expect_str_eq(meet(ref).label, "enclosed");
	ev.error = get_next(inside, INTRO_BROKEN).error;
	cr_expect_eq(ev.error, -ENOENT, "what is not enclosed is not there");
	cr_assert_eq(intro_find(inside, "same", &other), 0);
	meet(other);
	client = outside;
	take_back(child);
	cr_expect_eq(get_next(inside, INTRO_BROKEN).ref, ref);
	client = inside;
	meet(other);
	client = outside;
	intro_close(inside);
	close(ev.fd);
	both_end();
}

/* ---- gifts ---- */

/* The client introduces the service to itself: to a second name. */
TEST(lending, gives_to_whoever_serves)
{
	struct intro_ref *cache, *other, *claimed, *wrong;
	struct intro_event ev, gift;
	struct intro_info info;

	begin();
	get_answer(service, intro_serve(service, "cache", NULL, &cache), INTRO_DONE);
	cr_assert_eq(intro_find(client, "cache", &other), 0);
	gift = get_answer(client, intro_give(other, NULL, found, 5000), INTRO_DONE);
	cr_expect_eq(strlen(gift.gift), 64);
	ev = get_answer(client, intro_claim(client, gift.gift, &wrong), INTRO_REFUSED);
	cr_expect_eq(ev.error, -ENOENT);
	intro_unref(wrong);
	get_answer(service, intro_claim(service, gift.gift, &claimed), INTRO_DONE);
	ev = get_answer(service, intro_same(claimed, cache), INTRO_DONE);
	cr_expect_eq(ev.same, 1);
	ev = get_answer(service, intro_same(claimed, served), INTRO_DONE);
	cr_expect_eq(ev.same, 0);
	get_answer(service, intro_stat(claimed), INTRO_DONE);
	cr_assert_eq(intro_ref_info(claimed, &info), 0);
	cr_expect(strncmp(info.provenance, "service cache\ngiven by door=host", 32) == 0 &&
		  strstr(info.provenance, " to door=host"), "%s", info.provenance);
	ev = get_answer(service, intro_claim(service, gift.gift, &wrong), INTRO_REFUSED);
	cr_expect_eq(ev.error, -ENOENT, "a gift is good once");
	intro_unref(wrong);
	both_end();
}
