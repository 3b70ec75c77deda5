/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libintro with a real broker: each way to be introduced, and what comes with it.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "harness_intro.h"

TEST(libintro, introduces_by_pair)
{
	both_begin();
	serve_name("db", &(struct intro_service){ .types = 1u << SOCK_STREAM | 1u << SOCK_SEQPACKET |
						      1u << SOCK_DGRAM });
	cr_assert_eq(intro_find(client, "db", &found), 0);
	check_pair(SOCK_STREAM);
	check_pair(SOCK_SEQPACKET);
	check_pair(SOCK_DGRAM);
	both_end();
}

TEST(libintro, refuses_other_types)
{
	struct intro_event ev;

	both_begin();
	serve_name("db", NULL);
	cr_assert_eq(intro_find(client, "db", &found), 0);
	ev = get_answer(client, intro_connect(found, SOCK_DGRAM, 0), INTRO_REFUSED);
	cr_expect_eq(ev.error, -EPROTOTYPE);
	cr_expect_eq(intro_dial("db", SOCK_SEQPACKET, 0), -EPROTOTYPE);
	both_end();
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

	both_begin();
	cr_expect_eq(intro_dial("greeter", SOCK_STREAM, 0), -ENOENT);
	cr_expect_eq(intro_dial("greeter", SOCK_STREAM, 20), -ETIMEDOUT);
	child = child_fork();
	if (child == 0)
		_exit(greeter(hello));
	hear(hello, HANG_MS);
	hear(hello, 0);
	child_kill(child);
	both_end();
}

TEST(libintro, introduces_by_fetch)
{
	struct intro_event ask, got;
	int pair[2], request;

	both_begin();
	serve_name("web", &(struct intro_service){ .fetch = 1 });
	cr_assert_eq(intro_find(client, "web", &found), 0);
	request = intro_connect(found, SOCK_STREAM, 0);
	ask = get_next(service, INTRO_FETCH);
	cr_expect_eq(ask.fd, -1);
	cr_expect_eq(ask.ref, served);
	cr_expect_str_eq(ask.door, "host");
	cr_expect_eq(ask.pid, (int64_t)getpid());
	MUST(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair));
	cr_assert_eq(intro_answer(service, ask.request, pair[0]), 0);
	close(pair[0]);
	cr_expect_eq(intro_answer(service, ask.request, 0), -ENOENT, "once is enough");
	got = get_answer(client, request, INTRO_CONNECTED);
	cr_expect_eq((int)got.way, INTRO_WAY_FETCH);
	cr_expect_eq(got.session, ask.session);
	cr_expect(linked(got.fd, pair[1]));
	close(got.fd);
	close(pair[1]);

	request = intro_connect(found, SOCK_STREAM, 0);
	ask = get_next(service, INTRO_FETCH);
	cr_assert_eq(intro_answer(service, ask.request, -EHOSTUNREACH), 0);
	got = get_answer(client, request, INTRO_REFUSED);
	cr_expect_eq(got.error, -EHOSTUNREACH);
	both_end();
}

TEST(libintro, fetch_that_cannot_be_sent_is_told)
{
	struct intro_event ask, got;
	int request;

	both_begin();
	serve_name("web", &(struct intro_service){ .fetch = 1 });
	cr_assert_eq(intro_find(client, "web", &found), 0);
	request = intro_connect(found, SOCK_STREAM, 0);
	ask = get_next(service, INTRO_FETCH);
	cr_expect_eq(intro_answer(service, ask.request, 1000000), -EBADF);
	got = get_answer(client, request, INTRO_REFUSED);
	cr_expect_eq(got.error, -EBADF);
	both_end();
}

TEST(libintro, holds_and_takes)
{
	struct intro_event ev;
	int pair[2], fd;

	both_begin();
	MUST(pipe2(pair, O_CLOEXEC));
	get_answer(service, intro_hold(service, "log", pair[1]), INTRO_DONE);
	close(pair[1]);
	service = intro_close(service);

	fd = intro_dial("log", SOCK_STREAM, 0);
	cr_assert_geq(fd, 0);
	cr_expect_eq(write(fd, "a", 1), 1);
	close(fd);
	cr_assert_eq(intro_find(client, "log", &found), 0);
	ev = get_answer(client, intro_connect(found, SOCK_STREAM, 0), INTRO_CONNECTED);
	cr_expect_eq((int)ev.way, INTRO_WAY_HELD);
	close(ev.fd);

	ev = get_answer(client, intro_take(client, "log"), INTRO_CONNECTED);
	cr_expect_eq((int)ev.way, INTRO_WAY_HELD);
	cr_expect_eq(ev.type, 0, "a pipe has no socket type");
	cr_expect_eq(write(ev.fd, "b", 1), 1);
	close(ev.fd);
	cr_expect(wait_fd(pair[0], POLLHUP), "nobody holds it any more");
	close(pair[0]);
	ev = get_answer(client, intro_take(client, "log"), INTRO_REFUSED);
	cr_expect_eq(ev.error, -ENOENT);
	both_end();
}

/* The broker has one descriptor at a time on its way to us, and asks us to come again. */
TEST(libintro, takes_many_at_once)
{
	enum { MANY = 20 };
	int null, requests[MANY];
	char name[16];

	both_begin();
	null = MUST(open("/dev/null", O_RDONLY | O_CLOEXEC));
	for (int i = 0; i < MANY; i++) {
		snprintf(name, sizeof name, "held%d", i);
		requests[i] = intro_hold(service, name, null);
		cr_assert_gt(requests[i], 0);
	}
	close(null);
	for (int i = 0; i < MANY; i++)
		get_answer(service, requests[i], INTRO_DONE);
	for (int i = 0; i < MANY; i++) {
		snprintf(name, sizeof name, "held%d", i);
		requests[i] = intro_take(client, name);
	}
	for (int i = 0; i < MANY; i++)
		close(get_answer(client, requests[i], INTRO_CONNECTED).fd);
	both_end();
}

/* Take what has come by in, by session. The number of descriptors taken. */
static int collect(struct intro *in, enum intro_what what, int *fds, uint64_t first, int n)
{
	struct intro_event ev;
	int taken = 0;

	cr_assert_eq(intro_dispatch(in), 0);
	for (; intro_next(in, &ev) > 0; taken++) {
		cr_assert_eq((int)ev.what, (int)what, "%s", intro_strerror(ev.error));
		cr_assert(ev.session >= first && ev.session - first < (uint64_t)n);
		cr_assert_eq(fds[ev.session - first], -1, "once each");
		fds[ev.session - first] = ev.fd;
	}
	return taken;
}

TEST(libintro, takes_batches)
{
	enum { CLIENTS = 200 };
	int ours[CLIENTS], theirs[CLIENTS], taken = 0;
	struct intro_event ev;
	uint64_t first;

	both_begin();
	serve_name("db", &(struct intro_service){ .batch = 16 });
	cr_assert_eq(intro_find(client, "db", &found), 0);
	ev = get_answer(client, intro_connect(found, SOCK_STREAM, 0), INTRO_CONNECTED);
	first = ev.session + 1;
	close(ev.fd);
	close(get_next(service, INTRO_INCOMING).fd);
	for (int i = 0; i < CLIENTS; i++) {
		cr_assert_gt(intro_connect(found, SOCK_STREAM, HANG_MS), 0);
		ours[i] = theirs[i] = -1;
	}
	for (int64_t until = now_ms() + HANG_MS; taken < 2 * CLIENTS && now_ms() < until;) {
		taken += collect(client, INTRO_CONNECTED, ours, first, CLIENTS);
		taken += collect(service, INTRO_INCOMING, theirs, first, CLIENTS);
	}
	cr_assert_eq(taken, 2 * CLIENTS);
	for (int i = 0; i < CLIENTS; i++) {
		cr_assert(linked(ours[i], theirs[i]), "session %d", i);
		close(ours[i]);
		close(theirs[i]);
	}
	both_end();
}

TEST(libintro, attests)
{
	struct intro_event mine, theirs, ev;

	both_begin();
	serve_name("db", NULL);
	cr_assert_eq(intro_find(client, "db", &found), 0);
	mine = get_answer(client, intro_connect(found, SOCK_STREAM, 0), INTRO_CONNECTED);
	theirs = get_next(service, INTRO_INCOMING);
	ev = get_answer(service, intro_attest(service, theirs.session), INTRO_CONNECTED);
	cr_expect_geq(ev.fd, 0);
	cr_expect_eq(ev.type, 0);
	close(ev.fd);
	ev = get_answer(service, intro_attest(service, theirs.session + 1000), INTRO_REFUSED);
	cr_expect_eq(ev.error, -ESRCH);
	close(mine.fd);
	close(theirs.fd);
	both_end();
}

/* A path client of a granted name reaches the listener that was given away. */
TEST(libintro, gives_listeners_away)
{
	char door[PATH_BYTES], path[PATH_BYTES + 8];
	struct intro_event ev;
	int request, fd, taken;

	both_begin();
	cr_assert_eq(broker_add_door(&broker, "app"), 0);
	cr_assert_eq(broker_grant(&broker, "app", "db", RIGHT_CONNECT), 0);
	serve_name("db", NULL);
	request = intro_listeners(served);
	ev = get_answer(service, request, INTRO_LISTENER);
	cr_expect_str_eq(ev.door, "app");
	cr_expect_str_eq(ev.file, "db");
	cr_expect_eq(ev.ref, served);
	get_answer(service, request, INTRO_DONE);

	broker_door(&broker, "app", door);
	snprintf(path, sizeof path, "%s/db", door);
	fd = unix_connect(path, SOCK_STREAM);
	cr_assert_geq(fd, 0);
	cr_assert(wait_fd(ev.fd, POLLIN));
	taken = MUST(accept4(ev.fd, NULL, NULL, SOCK_CLOEXEC));
	cr_expect(linked(fd, taken));
	close(fd);
	close(taken);
	close(ev.fd);
	both_end();
}
