/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libintro with a real broker: what a caller may do with a reference, and what becomes of it.
 */
#include <errno.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "harness_intro.h"

TEST(libintro, waits_for_a_name)
{
	int request, short_one, cancelled;
	struct intro_event ev, theirs;

	both_begin();
	cr_assert_eq(intro_find(client, "late", &found), 0);
	request = intro_connect(found, SOCK_STREAM, HANG_MS);
	short_one = intro_connect(found, SOCK_STREAM, 1);
	cancelled = intro_connect(found, SOCK_STREAM, -1);
	ev = get_answer(client, short_one, INTRO_REFUSED);
	cr_expect_eq(ev.error, -ETIMEDOUT);
	cr_assert_eq(intro_cancel(client, cancelled), 0);
	ev = get_answer(client, cancelled, INTRO_REFUSED);
	cr_expect_eq(ev.error, -ECANCELED);

	serve_name("late", NULL);
	ev = get_answer(client, request, INTRO_CONNECTED);
	theirs = get_next(service, INTRO_INCOMING);
	cr_expect(linked(ev.fd, theirs.fd));
	close(ev.fd);
	close(theirs.fd);
	check_pair(SOCK_STREAM);
	both_end();
}

TEST(libintro, absent_names_break_references)
{
	struct intro_event ev;
	int request;

	both_begin();
	cr_assert_eq(intro_find(client, "nothing", &found), 0);
	request = intro_connect(found, SOCK_STREAM, 0);
	ev = get_next(client, INTRO_BROKEN);
	cr_expect_eq(ev.ref, found);
	cr_expect_eq(ev.error, -ENOENT);
	ev = get_answer(client, request, INTRO_REFUSED);
	cr_expect_eq(ev.error, -ENOENT);
	cr_expect_eq(intro_connect(found, SOCK_STREAM, 0), -ENOENT);
	found = intro_unref(found);
	both_end();
}

TEST(libintro, serves_a_name_once)
{
	struct intro_ref *second;
	struct intro_event ev;

	both_begin();
	serve_name("db", NULL);
	ev = get_answer(client, intro_serve(client, "db", NULL, &second), INTRO_REFUSED);
	cr_expect_eq(ev.error, -EBUSY);
	cr_expect_eq(ev.ref, second);
	second = intro_unref(second);

	served = intro_unref(served);
	/* the broker reads both connections when it likes: wait for the name to be free */
	for (int64_t until = now_ms() + HANG_MS;;) {
		ev = (struct intro_event){ 0 };
		cr_assert_eq(intro_wait(client, intro_serve(client, "db", NULL, &second),
					HANG_MS, &ev), 1);
		if (ev.what == INTRO_DONE || now_ms() > until)
			break;
		second = intro_unref(second);
	}
	cr_expect_eq((int)ev.what, INTRO_DONE);
	both_end();
}

TEST(libintro, unref_withdraws)
{
	both_begin();
	serve_name("db", NULL);
	cr_assert_eq(intro_find(client, "db", &found), 0);
	check_pair(SOCK_STREAM);
	served = intro_unref(served);
	/* one round trip on the same connection: the broker has seen it */
	get_answer(service, intro_take(service, "nothing"), INTRO_REFUSED);
	cr_expect_eq(get_answer(client, intro_connect(found, SOCK_STREAM, 0), INTRO_REFUSED).error,
		     -ECONNREFUSED);
	both_end();
}

/* What came for a service that is gone meanwhile is dropped: its client sees the end. */
TEST(libintro, unref_drops_what_came)
{
	struct intro_event mine;
	char byte;

	both_begin();
	serve_name("db", NULL);
	cr_assert_eq(intro_find(client, "db", &found), 0);
	mine = get_answer(client, intro_connect(found, SOCK_STREAM, 0), INTRO_CONNECTED);
	cr_assert(wait_fd(intro_fd(service), POLLIN));
	cr_assert_eq(intro_dispatch(service), 0);
	served = intro_unref(served);
	cr_expect_eq(intro_next(service, &(struct intro_event){ 0 }), 0);
	cr_assert(wait_fd(mine.fd, POLLIN));
	cr_expect_eq(read(mine.fd, &byte, 1), 0);
	close(mine.fd);
	both_end();
}

/* With no descriptor left, whoever waits for one is told, and everything else goes on. */
TEST(libintro, survives_a_full_table)
{
	struct rlimit all, none;
	struct intro_event ev;
	int lowest, request, r;

	both_begin();
	serve_name("db", NULL);
	cr_assert_eq(intro_find(client, "db", &found), 0);
	MUST(getrlimit(RLIMIT_NOFILE, &all));
	lowest = MUST(dup(0));
	close(lowest);
	none = all;
	none.rlim_cur = (rlim_t)lowest;
	request = intro_connect(found, SOCK_STREAM, HANG_MS);
	MUST(setrlimit(RLIMIT_NOFILE, &none));
	while ((r = intro_wait(client, request, HANG_MS, &ev)) == -EMFILE)
		;
	cr_expect_eq(r, 1, "%s", intro_strerror(r));
	cr_expect_eq((int)ev.what, INTRO_REFUSED);
	cr_expect_eq(ev.error, -EMFILE);
	cr_expect_eq(intro_dial("db", SOCK_STREAM, 0), -EMFILE);
	r = intro_wait(service, 0, HANG_MS, &ev);
	cr_expect_eq(r, -EMFILE, "%d: %s", r, intro_strerror(r));
	MUST(setrlimit(RLIMIT_NOFILE, &all));

	check_pair(SOCK_STREAM);
	both_end();
}

static int use_in_child(void *arg)
{
	struct intro_event ev;

	(void)arg;
	if (intro_dispatch(client) != -ECHILD || intro_next(service, &ev) != -ECHILD ||
	    intro_connect(found, SOCK_STREAM, 0) != -ECHILD || intro_unref(served) != NULL ||
	    intro_serve(client, "other", NULL, &served) != -ECHILD)
		return 1;
	return intro_close(client) || intro_close(service);
}

/* What a child does to its copies does not reach the broker. */
TEST(libintro, children_disturb_nothing)
{
	both_begin();
	serve_name("db", NULL);
	cr_assert_eq(intro_find(client, "db", &found), 0);
	check_pair(SOCK_STREAM);
	cr_assert_eq(child_call(use_in_child, NULL), 0);
	check_pair(SOCK_STREAM);
	both_end();
}
