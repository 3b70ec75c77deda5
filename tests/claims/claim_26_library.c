/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Claim 26: every descriptor that libintro returns is close-on-exec; and each call of the
 * library ends with as many descriptors as it began with, but for the one that it returns.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "harness_intro.h"

static char dir[DIR_BYTES];
static int listener;

static void begin(void)
{
	char path[PATH_BYTES];

	both_begin();
	dir_make(dir);
	snprintf(path, sizeof path, "%s/server", dir);
	listener = unix_listen(path, SOCK_STREAM, 64);
}

static void end(void)
{
	close(listener);
	dir_remove(dir);
	both_end();
}

/* call must leave the number of descriptors higher by more; its value. */
#define GIVES(more, call)                                                              \
	({                                                                             \
		int before_ = fd_count(), value_ = (call);                             \
		cr_expect_eq(fd_count(), before_ + (more),                             \
			     "%s: %d descriptors, before %d", #call, fd_count(), before_); \
		value_;                                                                \
	})

/* A descriptor that was returned: used up. */
static void check_returned(int fd, const char *by)
{
	int flags = fcntl(fd, F_GETFD);

	cr_assert_geq(flags, 0, "%s returned %d: %s", by, fd, fd < 0 ? intro_strerror(fd) : "");
	cr_expect(flags & FD_CLOEXEC, "%s returned a descriptor that is inherited", by);
	close(fd);
}

/* The answer to a request, of this kind, which brings so many descriptors. */
static struct intro_event answer(struct intro *in, int request, enum intro_what what, int more)
{
	struct intro_event ev = { .fd = -1 };
	int r;

	cr_assert_gt(request, 0, "%s", intro_strerror(request));
	/* What comes on the way may stay queued: it is taken by more than one call. */
	r = GIVES(more, intro_wait(in, request, HANG_MS, &ev));
	cr_assert_eq(r, 1, "%s", intro_strerror(r));
	cr_assert_eq((int)ev.what, (int)what, "it is %d: %s", ev.what, intro_strerror(ev.error));
	cr_assert_eq(ev.fd >= 0, more > 0);
	return ev;
}

/* The answer to a request that deposits something: until then a copy is kept, since a broker
 * that is restarted is asked again. Its error. */
static int until_done(int request, enum intro_what what)
{
	struct intro_event ev = get_answer(service, request, what);

	cr_expect_eq(ev.fd, -1);
	return ev.error;
}

static void serve(const char *name, const struct intro_service *options)
{
	int request = GIVES(0, intro_serve(service, name, options, &served));

	answer(service, request, INTRO_DONE, 0);
}

TEST(claim_26, a_connection_owns_its_own)
{
	struct intro *in = NULL;
	int own, fd;

	begin();
	own = fd_count();
	cr_assert_eq(intro_open(&in, NULL), 0);
	cr_assert_gt(fd_count(), own);
	own = fd_count() - own;
	fd = GIVES(0, intro_fd(in));
	cr_expect(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	GIVES(0, intro_dispatch(in));
	GIVES(0, intro_next(in, &(struct intro_event){ 0 }));
	GIVES(0, intro_wait(in, 0, 0, &(struct intro_event){ 0 }));
	GIVES(0, intro_find(in, "db", &found));
	GIVES(-own, intro_close(in) != NULL);

	/* what fails keeps nothing */
	in = NULL;
	cr_expect_lt(GIVES(0, intro_open(&in, "/nowhere/at/all")), 0);
	cr_expect_lt(GIVES(0, intro_open(&in, "fd:0")), 0);
	cr_expect_lt(GIVES(0, intro_open(&in, "fd:x")), 0);
	cr_expect_lt(GIVES(0, intro_open(&in, "fd:1000000")), 0);
	cr_expect_null(in);
	end();
}

TEST(claim_26, pair)
{
	struct intro_event ev;
	int request;

	begin();
	serve("db", NULL);
	cr_assert_eq(GIVES(0, intro_find(client, "db", &found)), 0);
	request = GIVES(0, intro_connect(found, SOCK_STREAM, 0));
	check_returned(answer(client, request, INTRO_CONNECTED, 1).fd, "intro_connect");
	cr_assert_eq(GIVES(1, intro_wait(service, 0, HANG_MS, &ev)), 1);
	cr_assert_eq((int)ev.what, INTRO_INCOMING);
	check_returned(ev.fd, "INTRO_INCOMING");
	check_returned(GIVES(1, intro_dial("db", SOCK_STREAM, HANG_MS)), "intro_dial");
	cr_assert_eq(GIVES(1, intro_wait(service, 0, HANG_MS, &ev)), 1);
	check_returned(ev.fd, "INTRO_INCOMING");

	request = GIVES(0, intro_connect(found, SOCK_DGRAM, 0));
	cr_expect_eq(answer(client, request, INTRO_REFUSED, 0).error, -EPROTOTYPE);
	request = GIVES(0, intro_serve(client, "db", NULL, &(struct intro_ref *){ NULL }));
	cr_expect_eq(answer(client, request, INTRO_REFUSED, 0).error, -EBUSY);
	GIVES(0, intro_unref(found) != NULL);
	GIVES(0, intro_unref(served) != NULL);
	end();
}

/* Several come in one packet; each call takes one of them. */
TEST(claim_26, batches)
{
	enum { SESSIONS = 40 };
	int mine[SESSIONS], theirs = 0;
	struct intro_event ev;

	begin();
	serve("db", &(struct intro_service){ .batch = 16 });
	cr_assert_eq(intro_find(client, "db", &found), 0);
	for (int i = 0; i < SESSIONS; i++)
		mine[i] = GIVES(0, intro_connect(found, SOCK_STREAM, HANG_MS));
	for (int i = 0; i < SESSIONS; i++) {
		int r;

		while ((r = intro_wait(client, mine[i], 10, &ev)) == 0)
			while (theirs < SESSIONS && intro_wait(service, 0, 10, &ev) == 1) {
				check_returned(ev.fd, "INTRO_INCOMING");
				theirs++;
			}
		cr_assert_eq(r, 1);
		check_returned(ev.fd, "intro_connect");
	}
	while (theirs++ < SESSIONS) {
		cr_assert_eq(intro_wait(service, 0, HANG_MS, &ev), 1);
		check_returned(ev.fd, "INTRO_INCOMING");
	}
	end();
}

TEST(claim_26, fetch)
{
	struct intro_event ask;
	int request, own[2];

	begin();
	serve("web", &(struct intro_service){ .fetch = 1 });
	cr_assert_eq(intro_find(client, "web", &found), 0);
	for (int i = 0; i < 3; i++) {
		request = GIVES(0, intro_connect(found, SOCK_STREAM, 0));
		cr_assert_eq(GIVES(0, intro_wait(service, 0, HANG_MS, &ask)), 1);
		cr_assert_eq((int)ask.what, INTRO_FETCH);
		/* without close-on-exec: that it comes so is nobody's to rely on */
		MUST(socketpair(AF_UNIX, SOCK_STREAM, 0, own));
		cr_assert_eq(GIVES(0, intro_answer(service, ask.request, own[0])), 0);
		cr_expect_eq(GIVES(0, intro_answer(service, ask.request, own[0])), -ENOENT);
		close(own[0]);
		check_returned(answer(client, request, INTRO_CONNECTED, 1).fd, "intro_connect");
		close(own[1]);
	}
	request = GIVES(0, intro_connect(found, SOCK_STREAM, 0));
	cr_assert_eq(GIVES(0, intro_wait(service, 0, HANG_MS, &ask)), 1);
	cr_assert_eq(GIVES(0, intro_answer(service, ask.request, -EHOSTUNREACH)), 0);
	answer(client, request, INTRO_REFUSED, 0);
	end();
}

TEST(claim_26, placed)
{
	int dirfd, request, fd, before;

	begin();
	dirfd = MUST(open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC));
	/* the directory is kept for as long as the name is served: a broker that is restarted
	 * is told of it again */
	before = fd_count();
	until_done(intro_place(service, "db", dirfd, "server", &served), INTRO_DONE);
	cr_expect_eq(fd_count(), before + 1);
	cr_assert_eq(intro_find(client, "db", &found), 0);
	request = GIVES(0, intro_connect(found, SOCK_STREAM, 0));
	check_returned(answer(client, request, INTRO_CONNECTED, 1).fd, "intro_connect");
	fd = GIVES(1, intro_dial("db", SOCK_STREAM, HANG_MS));
	check_returned(fd, "intro_dial");
	GIVES(-1, intro_unref(served) != NULL);
	cr_expect_eq(GIVES(0, intro_place(service, "db", -1, "server", &served)), -EBADF);
	close(dirfd);
	end();
}

TEST(claim_26, held)
{
	int request, pipe_[2], before;

	begin();
	MUST(pipe(pipe_));
	before = fd_count();
	until_done(intro_hold(service, "log", pipe_[1]), INTRO_DONE);
	cr_expect_eq(fd_count(), before);
	cr_expect_eq(until_done(intro_hold(service, "log", pipe_[1]), INTRO_REFUSED), -EBUSY);
	cr_expect_eq(fd_count(), before);
	check_returned(GIVES(1, intro_dial("log", SOCK_STREAM, 0)), "intro_dial");
	request = GIVES(0, intro_take(client, "log"));
	check_returned(answer(client, request, INTRO_CONNECTED, 1).fd, "intro_take");
	request = GIVES(0, intro_take(client, "log"));
	answer(client, request, INTRO_REFUSED, 0);
	close(pipe_[0]);
	close(pipe_[1]);
	end();
}

TEST(claim_26, listeners)
{
	struct intro_event ev;
	int request, listeners = 0, r;

	begin();
	for (int i = 0; i < 3; i++) {
		char door[16];

		snprintf(door, sizeof door, "door%d", i);
		cr_assert_eq(broker_add_door(&broker, door), 0);
		cr_assert_eq(broker_grant(&broker, door, "db", RIGHT_CONNECT), 0);
	}
	serve("db", NULL);
	request = GIVES(0, intro_listeners(served));
	cr_assert_gt(request, 0);
	while ((r = intro_wait(service, request, HANG_MS, &ev)) == 1 && ev.what == INTRO_LISTENER) {
		check_returned(ev.fd, "intro_listeners");
		listeners++;
	}
	cr_expect_eq(r, 1);
	cr_expect_eq((int)ev.what, INTRO_DONE);
	cr_expect_eq(listeners, 3);
	end();
}

TEST(claim_26, attest_and_share)
{
	struct intro *joined = NULL;
	struct intro_event ev;
	char text[16];
	int request, fd = -1, own;

	begin();
	serve("db", NULL);
	check_returned(GIVES(1, intro_dial("db", SOCK_STREAM, HANG_MS)), "intro_dial");
	cr_assert_eq(intro_wait(service, 0, HANG_MS, &ev), 1);
	close(ev.fd);
	/* intro_dial() has ended its connection: nobody is there to attest */
	request = GIVES(0, intro_attest(service, ev.session));
	answer(service, request, INTRO_REFUSED, 0);
	cr_assert_eq(intro_find(client, "db", &found), 0);
	close(answer(client, intro_connect(found, SOCK_STREAM, 0), INTRO_CONNECTED, 1).fd);
	cr_assert_eq(intro_wait(service, 0, HANG_MS, &ev), 1);
	close(ev.fd);
	request = GIVES(0, intro_attest(service, ev.session));
	check_returned(answer(service, request, INTRO_CONNECTED, 1).fd, "intro_attest");

	cr_assert_eq(GIVES(1, intro_share(client, &fd)), 0);
	cr_expect(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	snprintf(text, sizeof text, "fd:%d", fd);
	own = fd_count();
	cr_assert_eq(intro_open(&joined, text), 0);
	own = fd_count() - own;
	cr_assert_eq(intro_find(joined, "db", &found), 0);
	request = GIVES(0, intro_connect(found, SOCK_STREAM, 0));
	check_returned(answer(joined, request, INTRO_CONNECTED, 1).fd, "intro_connect on fd:N");
	GIVES(-own, intro_close(joined) != NULL);
	MUST(setenv("INTRO_DOOR", text, 1));
	check_returned(GIVES(1, intro_dial("db", SOCK_STREAM, HANG_MS)), "intro_dial on fd:N");
	close(fd);
	end();
}

TEST(claim_26, what_is_refused_or_given_up)
{
	int request;

	begin();
	cr_expect_eq(GIVES(0, intro_dial("db", SOCK_STREAM, 0)), -ENOENT);
	cr_expect_eq(GIVES(0, intro_dial("db", SOCK_STREAM, 10)), -ETIMEDOUT);
	cr_expect_eq(GIVES(0, intro_dial("d b", SOCK_STREAM, 0)), -EINVAL);
	cr_expect_eq(GIVES(0, intro_dial("db", SOCK_RAW, 0)), -EINVAL);
	MUST(setenv("INTRO_DOOR", "/nowhere", 1));
	cr_expect_eq(GIVES(0, intro_dial("db", SOCK_STREAM, 0)), -ENOTCONN);
	MUST(setenv("INTRO_DOOR", broker.host, 1));
	cr_assert_eq(intro_find(client, "db", &found), 0);
	request = GIVES(0, intro_connect(found, SOCK_STREAM, -1));
	cr_assert_eq(GIVES(0, intro_cancel(client, request)), 0);
	cr_expect_eq(answer(client, request, INTRO_REFUSED, 0).error, -ECANCELED);
	cr_expect_eq(GIVES(0, intro_cancel(client, request)), -ENOENT);
	end();
}

/* Events that nobody took, and requests that nobody answered, go with the connection. */
TEST(claim_26, what_is_left_in_it)
{
	struct intro_ref *web;
	int before, pipe_[2];

	broker_start(&broker, NULL);
	MUST(setenv("INTRO_DOOR", broker.host, 1));
	before = fd_count();
	cr_assert_eq(intro_open(&service, NULL), 0);
	cr_assert_eq(intro_open(&client, NULL), 0);
	cr_assert_gt(intro_serve(service, "db", NULL, &served), 0);
	cr_assert_gt(intro_serve(service, "web", &(struct intro_service){ .fetch = 1 }, &web), 0);
	cr_assert_eq(intro_find(client, "db", &found), 0);
	for (int i = 0; i < 8; i++)
		cr_assert_gt(intro_connect(found, SOCK_STREAM, HANG_MS), 0);
	/* the others have been answered before it */
	close(answer(client, intro_connect(found, SOCK_STREAM, HANG_MS), INTRO_CONNECTED, 9).fd);
	MUST(pipe2(pipe_, O_CLOEXEC));
	cr_assert_gt(intro_hold(client, "log", pipe_[0]), 0);
	cr_assert_gt(intro_take(client, "nothing"), 0);
	close(pipe_[0]);
	close(pipe_[1]);
	cr_assert_eq(intro_dispatch(service), 0);
	cr_assert_gt(fd_count(), before + 8, "undelivered events have descriptors");
	service = intro_close(service);
	client = intro_close(client);
	cr_expect_eq(fd_count(), before);
	broker_stop(&broker);
}
