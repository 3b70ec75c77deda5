/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libintro with a real broker: each way to be introduced, and what a caller may do with a
 * reference.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "parties.h"

TEST(libintro, introduces_by_pair)
{
	parties_begin();
	serve("db", &(struct intro_service){ .types = 1u << SOCK_STREAM | 1u << SOCK_SEQPACKET |
						      1u << SOCK_DGRAM });
	cr_assert_eq(intro_find(client, "db", &found), 0);
	check_pair(SOCK_STREAM);
	check_pair(SOCK_SEQPACKET);
	check_pair(SOCK_DGRAM);
	parties_end();
}

TEST(libintro, refuses_other_types)
{
	struct intro_event ev;

	parties_begin();
	serve("db", NULL);
	cr_assert_eq(intro_find(client, "db", &found), 0);
	ev = answer(client, intro_connect(found, SOCK_DGRAM, 0), INTRO_REFUSED);
	cr_expect_eq(ev.error, -EPROTOTYPE);
	cr_expect_eq(intro_dial("db", SOCK_SEQPACKET, 0), -EPROTOTYPE);
	parties_end();
}

/* A service for intro_dial(), in a process of its own: writes its argument to whoever comes. */
static int greeter(void *arg)
{
	struct intro_event ev;
	struct intro_ref *ref;
	struct intro *in;

	if (intro_open(&in, NULL) < 0 || intro_serve(in, "greeter", NULL, &ref) < 0)
		return 1;
	while (intro_wait(in, 0, -1, &ev) > 0) {
		if (ev.what != INTRO_INCOMING)
			continue;
		if (write(ev.fd, arg, strlen(arg)) < 0)
			return 1;
		close(ev.fd);
	}
	return 1;
}

static void hear(const char *wanted, int timeout_ms)
{
	int fd = intro_dial("greeter", SOCK_STREAM, timeout_ms);
	char heard[16] = "";

	cr_assert_geq(fd, 0, "%s", intro_strerror(fd));
	cr_expect_eq(read(fd, heard, sizeof heard - 1), (ssize_t)strlen(wanted));
	cr_expect_str_eq(heard, wanted);
	cr_expect(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	close(fd);
}

TEST(libintro, dials)
{
	char hello[] = "hello";
	pid_t child;

	parties_begin();
	cr_expect_eq(intro_dial("greeter", SOCK_STREAM, 0), -ENOENT);
	cr_expect_eq(intro_dial("greeter", SOCK_STREAM, 20), -ETIMEDOUT);
	child = child_fork();
	if (child == 0)
		_exit(greeter(hello));
	hear(hello, HANG_MS);
	hear(hello, 0);
	child_kill(child);
	parties_end();
}

TEST(libintro, introduces_by_fetch)
{
	struct intro_event ask, got;
	int pair[2], request;

	parties_begin();
	serve("web", &(struct intro_service){ .fetch = 1 });
	cr_assert_eq(intro_find(client, "web", &found), 0);
	request = intro_connect(found, SOCK_STREAM, 0);
	ask = next_event(service, INTRO_FETCH);
	cr_expect_eq(ask.fd, -1);
	cr_expect_eq(ask.ref, served);
	cr_expect_str_eq(ask.door, "host");
	cr_expect_eq(ask.pid, (int64_t)getpid());
	MUST(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair));
	cr_assert_eq(intro_answer(service, ask.request, pair[0]), 0);
	close(pair[0]);
	cr_expect_eq(intro_answer(service, ask.request, 0), -ENOENT, "once is enough");
	got = answer(client, request, INTRO_CONNECTED);
	cr_expect_eq((int)got.way, INTRO_WAY_FETCH);
	cr_expect_eq(got.session, ask.session);
	cr_expect(linked(got.fd, pair[1]));
	close(got.fd);
	close(pair[1]);

	request = intro_connect(found, SOCK_STREAM, 0);
	ask = next_event(service, INTRO_FETCH);
	cr_assert_eq(intro_answer(service, ask.request, -EHOSTUNREACH), 0);
	got = answer(client, request, INTRO_REFUSED);
	cr_expect_eq(got.error, -EHOSTUNREACH);
	parties_end();
}

TEST(libintro, fetch_that_cannot_be_sent_is_told)
{
	struct intro_event ask, got;
	int request;

	parties_begin();
	serve("web", &(struct intro_service){ .fetch = 1 });
	cr_assert_eq(intro_find(client, "web", &found), 0);
	request = intro_connect(found, SOCK_STREAM, 0);
	ask = next_event(service, INTRO_FETCH);
	cr_expect_eq(intro_answer(service, ask.request, 1000000), -EBADF);
	got = answer(client, request, INTRO_REFUSED);
	cr_expect_eq(got.error, -EBADF);
	parties_end();
}

TEST(libintro, holds_and_takes)
{
	struct intro_event ev;
	int pair[2], fd;

	parties_begin();
	MUST(pipe2(pair, O_CLOEXEC));
	answer(service, intro_hold(service, "log", pair[1]), INTRO_DONE);
	close(pair[1]);
	service = intro_close(service);

	fd = intro_dial("log", SOCK_STREAM, 0);
	cr_assert_geq(fd, 0);
	cr_expect_eq(write(fd, "a", 1), 1);
	close(fd);
	cr_assert_eq(intro_find(client, "log", &found), 0);
	ev = answer(client, intro_connect(found, SOCK_STREAM, 0), INTRO_CONNECTED);
	cr_expect_eq((int)ev.way, INTRO_WAY_HELD);
	close(ev.fd);

	ev = answer(client, intro_take(client, "log"), INTRO_CONNECTED);
	cr_expect_eq((int)ev.way, INTRO_WAY_HELD);
	cr_expect_eq(ev.type, 0, "a pipe has no socket type");
	cr_expect_eq(write(ev.fd, "b", 1), 1);
	close(ev.fd);
	cr_expect(wait_fd(pair[0], POLLHUP), "nobody holds it any more");
	close(pair[0]);
	ev = answer(client, intro_take(client, "log"), INTRO_REFUSED);
	cr_expect_eq(ev.error, -ENOENT);
	parties_end();
}

/* The broker has one descriptor at a time on its way to us, and asks us to come again. */
TEST(libintro, takes_many_at_once)
{
	enum { MANY = 20 };
	int null, requests[MANY];
	char name[16];

	parties_begin();
	null = MUST(open("/dev/null", O_RDONLY | O_CLOEXEC));
	for (int i = 0; i < MANY; i++) {
		snprintf(name, sizeof name, "held%d", i);
		requests[i] = intro_hold(service, name, null);
		cr_assert_gt(requests[i], 0);
	}
	close(null);
	for (int i = 0; i < MANY; i++)
		answer(service, requests[i], INTRO_DONE);
	for (int i = 0; i < MANY; i++) {
		snprintf(name, sizeof name, "held%d", i);
		requests[i] = intro_take(client, name);
	}
	for (int i = 0; i < MANY; i++)
		close(answer(client, requests[i], INTRO_CONNECTED).fd);
	parties_end();
}

TEST(libintro, waits_for_a_name)
{
	int request, short_one, cancelled;
	struct intro_event ev, theirs;

	parties_begin();
	cr_assert_eq(intro_find(client, "late", &found), 0);
	request = intro_connect(found, SOCK_STREAM, HANG_MS);
	short_one = intro_connect(found, SOCK_STREAM, 1);
	cancelled = intro_connect(found, SOCK_STREAM, -1);
	ev = answer(client, short_one, INTRO_REFUSED);
	cr_expect_eq(ev.error, -ETIMEDOUT);
	cr_assert_eq(intro_cancel(client, cancelled), 0);
	ev = answer(client, cancelled, INTRO_REFUSED);
	cr_expect_eq(ev.error, -ECANCELED);

	serve("late", NULL);
	ev = answer(client, request, INTRO_CONNECTED);
	theirs = next_event(service, INTRO_INCOMING);
	cr_expect(linked(ev.fd, theirs.fd));
	close(ev.fd);
	close(theirs.fd);
	check_pair(SOCK_STREAM);
	parties_end();
}

TEST(libintro, absent_names_break_references)
{
	struct intro_event ev;
	int request;

	parties_begin();
	cr_assert_eq(intro_find(client, "nothing", &found), 0);
	request = intro_connect(found, SOCK_STREAM, 0);
	ev = next_event(client, INTRO_BROKEN);
	cr_expect_eq(ev.ref, found);
	cr_expect_eq(ev.error, -ENOENT);
	ev = answer(client, request, INTRO_REFUSED);
	cr_expect_eq(ev.error, -ENOENT);
	cr_expect_eq(intro_connect(found, SOCK_STREAM, 0), -ENOENT);
	found = intro_unref(found);
	parties_end();
}

TEST(libintro, serves_a_name_once)
{
	struct intro_ref *second;
	struct intro_event ev;

	parties_begin();
	serve("db", NULL);
	ev = answer(client, intro_serve(client, "db", NULL, &second), INTRO_REFUSED);
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
	parties_end();
}

TEST(libintro, unref_withdraws)
{
	parties_begin();
	serve("db", NULL);
	cr_assert_eq(intro_find(client, "db", &found), 0);
	check_pair(SOCK_STREAM);
	served = intro_unref(served);
	/* one round trip on the same connection: the broker has seen it */
	answer(service, intro_take(service, "nothing"), INTRO_REFUSED);
	cr_expect_eq(answer(client, intro_connect(found, SOCK_STREAM, 0), INTRO_REFUSED).error,
		     -ECONNREFUSED);
	parties_end();
}

/* What came for a service that is gone meanwhile is dropped: its client sees the end. */
TEST(libintro, unref_drops_what_came)
{
	struct intro_event mine;
	char byte;

	parties_begin();
	serve("db", NULL);
	cr_assert_eq(intro_find(client, "db", &found), 0);
	mine = answer(client, intro_connect(found, SOCK_STREAM, 0), INTRO_CONNECTED);
	cr_assert(wait_fd(intro_fd(service), POLLIN));
	cr_assert_eq(intro_dispatch(service), 0);
	served = intro_unref(served);
	cr_expect_eq(intro_next(service, &(struct intro_event){ 0 }), 0);
	cr_assert(wait_fd(mine.fd, POLLIN));
	cr_expect_eq(read(mine.fd, &byte, 1), 0);
	close(mine.fd);
	parties_end();
}
