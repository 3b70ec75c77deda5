/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libintro while the broker's switch is killed: whoever uses it notices a pause, if anything.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "harness_intro.h"

static struct intro_event ev;

/* The service's next event, while the client's connection is looked after too: both may have
 * to find the broker again. */
static struct intro_event come(void)
{
	struct intro_event theirs = { 0 };
	int r = 0;

	for (int64_t until = now_ms() + HANG_MS; r == 0 && now_ms() < until;) {
		cr_assert_geq(intro_dispatch(client), 0);
		r = intro_wait(service, 0, 10, &theirs);
	}
	cr_assert_eq(r, 1);
	return theirs;
}

/* Both ends of one introduction. */
static void introduce(int ends[2])
{
	int request = intro_connect(found, SOCK_STREAM, HANG_MS);
	struct intro_event theirs = come();

	cr_assert_eq((int)theirs.what, INTRO_INCOMING, "%s", intro_strerror(theirs.error));
	cr_assert_eq(theirs.ref, served);
	ends[1] = theirs.fd;
	ev = get_answer(client, request, INTRO_CONNECTED);
	ends[0] = ev.fd;
	cr_assert(linked(ends[0], ends[1]));
}

TEST(restart, is_not_an_event)
{
	int before[2], after[2];

	both_begin();
	serve_name("db", NULL);
	cr_assert_eq(intro_find(client, "db", &found), 0);
	introduce(before);
	for (int i = 0; i < 3; i++) {
		broker_switch_kill(&broker);
		introduce(after);
		close(after[0]);
		close(after[1]);
	}
	cr_expect(linked(before[0], before[1]), "sessions live on");
	close(before[0]);
	close(before[1]);
	cr_expect_eq(intro_next(client, &ev), 0);
	cr_expect_eq(intro_next(service, &ev), 0);
	both_end();
}

TEST(restart, waiting_requests_are_asked_again)
{
	int request, cancelled, forever;
	struct intro_event theirs;

	both_begin();
	cr_assert_eq(intro_find(client, "late", &found), 0);
	request = intro_connect(found, SOCK_STREAM, HANG_MS);
	cancelled = intro_connect(found, SOCK_STREAM, HANG_MS);
	forever = intro_connect(found, SOCK_STREAM, -1);
	cr_assert_eq(intro_wait(client, request, 10, &ev), 0, "the broker has it");
	broker_switch_kill(&broker);
	cr_assert_eq(intro_cancel(client, cancelled), 0);
	ev = get_answer(client, cancelled, INTRO_REFUSED);
	cr_expect_eq(ev.error, -ECANCELED);
	serve_name("late", NULL);
	ev = get_answer(client, request, INTRO_CONNECTED);
	close(ev.fd);
	ev = get_answer(client, forever, INTRO_CONNECTED);
	close(ev.fd);
	for (int i = 0; i < 2; i++) {
		cr_assert_eq(intro_wait(service, 0, HANG_MS, &theirs), 1);
		cr_assert_eq((int)theirs.what, INTRO_INCOMING);
		close(theirs.fd);
	}
	both_end();
}

/* ALLOW is for one connection: what needs it asks for it again. */
TEST(restart, descriptors_can_be_sent_again)
{
	int request, null = MUST(open("/dev/null", O_RDONLY | O_CLOEXEC));

	both_begin();
	serve_name("web", &(struct intro_service){ .fetch = 1 });
	get_answer(service, intro_hold(service, "log", null), INTRO_DONE);
	broker_switch_kill(&broker);
	get_answer(service, intro_hold(service, "log2", null), INTRO_DONE);
	cr_assert_eq(intro_find(client, "web", &found), 0);
	request = intro_connect(found, SOCK_STREAM, HANG_MS);
	ev = come();
	cr_assert_eq((int)ev.what, INTRO_FETCH);
	cr_assert_eq(intro_answer(service, ev.request, null), 0);
	ev = get_answer(client, request, INTRO_CONNECTED);
	close(ev.fd);
	close(null);
	both_end();
}

/* An answer to a question that nobody remembers goes nowhere. */
TEST(restart, old_fetches_are_forgotten)
{
	int request, fetch, null = MUST(open("/dev/null", O_RDONLY | O_CLOEXEC));

	both_begin();
	serve_name("web", &(struct intro_service){ .fetch = 1 });
	cr_assert_eq(intro_find(client, "web", &found), 0);
	request = intro_connect(found, SOCK_STREAM, HANG_MS);
	cr_assert_eq(intro_wait(service, 0, HANG_MS, &ev), 1);
	cr_assert_eq((int)ev.what, INTRO_FETCH);
	fetch = ev.request;
	broker_switch_kill(&broker);
	/* the client asks the new one, which asks the service again */
	ev = come();
	cr_assert_eq((int)ev.what, INTRO_FETCH);
	cr_expect_neq(ev.request, fetch);
	cr_expect_eq(intro_answer(service, fetch, null), -ENOENT);
	cr_expect_eq(intro_answer(service, ev.request, null), 0);
	ev = get_answer(client, request, INTRO_CONNECTED);
	close(ev.fd);
	close(null);
	both_end();
}

static int serve_all(void *arg)
{
	struct intro *in;
	struct intro_ref *ref;
	int r;

	(void)arg;
	if (intro_open(&in, NULL) < 0 || intro_serve(in, "db", NULL, &ref) < 0)
		return 1;
	while ((r = intro_wait(in, 0, -1, &ev)) > 0) {
		if (ev.what == INTRO_BROKEN || ev.what == INTRO_REFUSED) {
			fprintf(stderr, "service: %s\n", intro_strerror(ev.error));
			return 2;
		}
		if (ev.fd >= 0)
			close(ev.fd);
	}
	fprintf(stderr, "service: %s\n", intro_strerror(r));
	return 3;
}

TEST(restart, dialling_goes_on)
{
	int64_t until = now_ms() + 1000;
	pid_t child, killer;
	int dialled = 0;

	both_begin();
	child = child_fork();
	if (child == 0)
		_exit(serve_all(NULL));
	close(intro_dial("db", SOCK_STREAM, HANG_MS));
	killer = child_fork();
	if (killer == 0) {
		for (int i = 0; i < 5; i++)
			broker_switch_kill(&broker);
		_exit(0);
	}
	for (; now_ms() < until; dialled++) {
		int fd = intro_dial("db", SOCK_STREAM, HANG_MS);

		cr_assert_geq(fd, 0, "after %d: %s", dialled, intro_strerror(fd));
		close(fd);
	}
	cr_expect_eq(child_wait(killer), 0);
	close(intro_dial("db", SOCK_STREAM, HANG_MS));
	child_kill(child);
	both_end();
}

/* Two thousand names come back, more than a socket's queue takes at once. */
TEST(restart, many_names_come_back, .timeout = 60)
{
	enum { NAMES = 2000 };
	struct intro_ref *last = NULL;
	int request = 0, ends[2];
	char name[16];

	both_begin();
	for (int i = 0; i < NAMES; i++) {
		snprintf(name, sizeof name, "n%d", i);
		request = intro_serve(service, name, NULL, &last);
		cr_assert_gt(request, 0, "%d: %s", i, intro_strerror(request));
		cr_assert_eq(intro_dispatch(service), 0);
		while (intro_next(service, &ev) > 0)
			cr_assert_eq((int)ev.what, INTRO_DONE);
	}
	while (ev.request != request)
		cr_assert_eq(intro_wait(service, 0, HANG_MS, &ev), 1);
	served = last;
	broker_switch_kill(&broker);
	cr_assert_eq(intro_find(client, name, &found), 0);
	introduce(ends);
	close(ends[0]);
	close(ends[1]);
	both_end();
}
