/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Claim 27: in a forked child every call gives -ECHILD, but intro_close(), which only frees;
 * and whatever the child does with its copies, its parent's connection goes on as if there had
 * been no child: requests under way are answered, events that were not taken are taken,
 * services are served. The child may open a connection of its own.
 */
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "harness_intro.h"

static struct intro *in;		/* it serves, and is introduced */
static struct intro_ref *fetched, *late;
static int fetch, waiting, shared;

/* Everything that can be under way is: a request that waits, an answer that is awaited of us,
 * an answer and an event, with descriptors, that nobody has taken yet. */
static void begin(void)
{
	broker_start(&broker, NULL);
	MUST(setenv("INTRO_DOOR", broker.host, 1));
	cr_assert_eq(intro_open(&in, NULL), 0);
	cr_assert_gt(intro_serve(in, "db", NULL, &served), 0);
	get_next(in, INTRO_DONE);
	cr_assert_gt(intro_serve(in, "web", &(struct intro_service){ .fetch = 1 }, &fetched), 0);
	get_next(in, INTRO_DONE);
	cr_assert_eq(intro_share(in, &shared), 0);
	cr_assert_eq(intro_find(in, "late", &late), 0);
	waiting = intro_connect(late, SOCK_STREAM, -1);
	cr_assert_gt(waiting, 0);
	cr_assert_eq(intro_find(in, "web", &found), 0);
	cr_assert_gt(intro_connect(found, SOCK_STREAM, HANG_MS), 0);
	fetch = get_next(in, INTRO_FETCH).request;
	found = intro_unref(found);
	cr_assert_eq(get_next(in, INTRO_REFUSED).error, -ECANCELED);
	cr_assert_eq(intro_find(in, "db", &found), 0);
	cr_assert_gt(intro_connect(found, SOCK_STREAM, HANG_MS), 0);
	cr_assert(wait_fd(intro_fd(in), POLLIN));
}

static void end(void)
{
	close(shared);
	in = intro_close(in);
	broker_stop(&broker);
}

/* The parent's view: all of that ends as it should. */
static void check_parent(void)
{
	struct intro_event mine = { .fd = -1 }, theirs = { .fd = -1 }, ev;
	int request;

	for (int i = 0; i < 2; i++) {
		cr_assert_eq(intro_wait(in, 0, HANG_MS, &ev), 1);
		if (ev.what == INTRO_CONNECTED)
			mine = ev;
		else if (ev.what == INTRO_INCOMING)
			theirs = ev;
	}
	cr_assert(mine.fd >= 0 && theirs.fd >= 0, "both ends come");
	cr_assert(linked(mine.fd, theirs.fd));
	close(mine.fd);
	close(theirs.fd);

	/* the descriptor that is polled still wakes up */
	request = intro_connect(found, SOCK_STREAM, HANG_MS);
	cr_assert_gt(request, 0);
	cr_assert(wait_fd(intro_fd(in), POLLIN));
	cr_assert_eq(intro_wait(in, request, HANG_MS, &mine), 1);
	theirs = get_next(in, INTRO_INCOMING);
	cr_assert(linked(mine.fd, theirs.fd));
	close(mine.fd);
	close(theirs.fd);

	/* the one that waits still waits, with its timer, until it is given up */
	cr_assert_eq(intro_wait(in, waiting, 0, &ev), 0);
	request = intro_connect(late, SOCK_STREAM, 20);
	cr_assert_eq(intro_wait(in, request, HANG_MS, &ev), 1);
	cr_assert_eq(ev.error, -ETIMEDOUT);
	cr_assert_eq(intro_cancel(in, waiting), 0);
	cr_assert_eq(intro_wait(in, waiting, HANG_MS, &ev), 1);
	cr_assert_eq(ev.error, -ECANCELED);

	/* and no name was withdrawn */
	request = intro_serve(in, "db", NULL, &(struct intro_ref *){ NULL });
	cr_assert_eq(intro_wait(in, request, HANG_MS, &ev), 1);
	cr_assert_eq(ev.error, -EBUSY);
}

/* ---- in the child: which call, from 1, was not refused as it should be */

static int use_everything(void *arg)
{
	struct intro_ref *ref = found;
	struct intro_event ev = { .fd = 77 };
	int fd = 78, fds = fd_count();
	const int results[] = {
		intro_fd(in),
		intro_dispatch(in),
		intro_next(in, &ev),
		intro_wait(in, 0, -1, &ev),
		intro_wait(in, waiting, HANG_MS, &ev),
		intro_find(in, "db", &ref),
		intro_connect(found, SOCK_STREAM, -1),
		intro_connect(late, SOCK_STREAM, 0),
		intro_cancel(in, waiting),
		intro_serve(in, "other", NULL, &ref),
		intro_answer(in, fetch, 0),
		intro_answer(in, fetch, -EIO),
		intro_place(in, "other", 0, "file", &ref),
		intro_listeners(served),
		intro_hold(in, "other", 0),
		intro_take(in, "other"),
		intro_attest(in, 1),
		intro_share(in, &fd),
		/* wrong arguments are not looked at either */
		intro_find(in, "..", &ref),
		intro_connect(found, -1, 0),
		intro_hold(in, "", -1),
		intro_take(in, ""),
	};

	(void)arg;
	for (size_t i = 0; i < sizeof results / sizeof results[0]; i++)
		if (results[i] != -ECHILD)
			return (int)i + 1;
	if (ev.fd != 77 || fd != 78 || ref != found)
		return 40;	/* an output was written */
	return fd_count() == fds ? 0 : 41;
}

static int use_and_close(void *arg)
{
	int r = use_everything(arg);

	if (r)
		return r;
	if (intro_unref(found) || intro_unref(served) || intro_unref(late))
		return 50;
	return intro_close(in) ? 51 : 0;
}

static int close_only(void *arg)
{
	int fds = fd_count();

	(void)arg;
	if (intro_close(in))
		return 1;
	/* its copies of the connection's descriptors and of the undelivered ones */
	return fd_count() < fds ? 0 : 2;
}

/* A grandchild is no less foreign; nor is a child whose parent has died. */
static int use_in_grandchild(void *arg)
{
	int r = child_call(use_and_close, arg);

	return r ? r : use_and_close(arg);
}

/* A connection of its own, also by fd:N: it is served by its parent's name. */
static int begin_anew(void *arg)
{
	struct intro_event ev = { .fd = -1 };
	struct intro_ref *ref;
	struct intro *own;
	char text[16];
	int fd;

	(void)arg;
	if (intro_close(in) || intro_open(&own, NULL) < 0)
		return 1;
	if (intro_find(own, "db", &ref) < 0 ||
	    intro_wait(own, intro_connect(ref, SOCK_STREAM, HANG_MS), HANG_MS, &ev) != 1 ||
	    ev.what != INTRO_CONNECTED)
		return 2;
	close(ev.fd);
	intro_close(own);
	snprintf(text, sizeof text, "fd:%d", shared);
	MUST(setenv("INTRO_DOOR", text, 1));
	fd = intro_dial("db", SOCK_STREAM, HANG_MS);
	if (fd < 0)
		return 3;
	close(fd);
	return 0;
}

TEST(claim_27, every_call_is_refused)
{
	begin();
	cr_assert_eq(child_call(use_everything, NULL), 0);
	check_parent();
	end();
}

TEST(claim_27, close_only_frees)
{
	begin();
	cr_assert_eq(child_call(close_only, NULL), 0);
	check_parent();
	end();
}

enum { MANY = 100, NAMES = 20 };

static struct intro *many[MANY];
static size_t heap_before, heap_grown;

static int close_many(void *arg)
{
	int fds = fd_count();
	size_t left;

	(void)arg;
	for (int i = 0; i < MANY; i++)
		intro_close(many[i]);
	left = mallinfo2().uordblks - heap_before;
	/* the C library keeps some of what is freed for itself */
	return left < heap_grown / 10 && fd_count() <= fds - 3 * MANY ? 0 : 1;
}

TEST(claim_27, close_frees_all)
{
	struct intro_ref *ref;

	begin();
	heap_before = mallinfo2().uordblks;
	for (int i = 0; i < MANY; i++) {
		cr_assert_eq(intro_open(&many[i], NULL), 0);
		for (int j = 0; j < NAMES; j++) {
			cr_assert_eq(intro_find(many[i], "late", &ref), 0);
			cr_assert_gt(intro_connect(ref, SOCK_STREAM, -1), 0);
		}
	}
	heap_grown = mallinfo2().uordblks - heap_before;
	if (heap_grown > 0)	/* a sanitizer's heap does not tell, but finds leaks */
		cr_assert_gt(heap_grown, MANY * NAMES * 50);
	cr_assert(heap_grown == 0 || child_call(close_many, NULL) == 0);
	for (int i = 0; i < MANY; i++)
		intro_close(many[i]);
	end();
}

TEST(claim_27, nothing_reaches_the_parent)
{
	begin();
	for (int i = 0; i < 5; i++)
		cr_assert_eq(child_call(use_and_close, NULL), 0);
	cr_assert_eq(child_call(use_in_grandchild, NULL), 0);
	check_parent();
	end();
}

/* It keeps its copies until it is killed, while its parent goes on, and closes first. */
TEST(claim_27, a_child_that_stays)
{
	pid_t child;

	begin();
	child = child_fork();
	if (child == 0)
		for (;;)
			pause();
	check_parent();
	close(shared);
	in = intro_close(in);
	cr_expect_eq(intro_dial("none", SOCK_STREAM, 0), -ENOENT);
	child_kill(child);
	broker_stop(&broker);
}

TEST(claim_27, a_child_begins_anew)
{
	struct intro_event ev;

	begin();
	cr_assert_eq(child_call(begin_anew, NULL), 0);
	/* its two sessions, and the answer that was there before */
	for (int i = 0, incoming = 0; incoming < 3; i++) {
		cr_assert_lt(i, 4);
		cr_assert_eq(intro_wait(in, 0, HANG_MS, &ev), 1);
		incoming += ev.what == INTRO_INCOMING;
		close(ev.fd);
	}
	end();
}
