/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libintro with a real broker: each way to be introduced, and what a caller may do with a
 * reference.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../../libintro/intro.h"
#include "harness.h"

static struct broker broker;
static struct intro *service, *client;
static struct intro_ref *served, *found;

static void begin(void)
{
	broker_start(&broker, NULL);
	MUST(setenv("INTRO_DOOR", broker.host, 1));
	cr_assert_eq(intro_open(&service, NULL), 0);
	cr_assert_eq(intro_open(&client, broker.host), 0);
}

static void end(void)
{
	service = intro_close(service);
	client = intro_close(client);
	broker_stop(&broker);
}

/* The answer to a request, which must be of this kind. */
static struct intro_event answer(struct intro *in, int request, enum intro_what what)
{
	struct intro_event ev = { 0 };
	int r;

	cr_assert_gt(request, 0, "%s", intro_strerror(request));
	r = intro_wait(in, request, HANG_MS, &ev);
	cr_assert_eq(r, 1, "%d: %s", r, intro_strerror(r));
	cr_assert_eq((int)ev.what, (int)what, "it is %d: %s", ev.what,
		     intro_strerror(ev.error));
	cr_assert_eq(ev.request, request);
	return ev;
}

static struct intro_event next(struct intro *in, enum intro_what what)
{
	struct intro_event ev = { 0 };
	int r = intro_wait(in, 0, HANG_MS, &ev);

	cr_assert_eq(r, 1, "%d: %s", r, intro_strerror(r));
	cr_assert_eq((int)ev.what, (int)what, "it is %d: %s", ev.what,
		     intro_strerror(ev.error));
	return ev;
}

static void serve(const char *name, const struct intro_service *options)
{
	struct intro_event ev = answer(service, intro_serve(service, name, options, &served),
				       INTRO_DONE);

	cr_assert_eq(ev.ref, served);
	cr_assert_eq(ev.fd, -1);
}

static int type_of(int fd)
{
	int type = 0;
	socklen_t len = sizeof type;

	MUST(getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len));
	return type;
}

static void check_pair(int type)
{
	struct intro_event mine, theirs;

	mine = answer(client, intro_connect(found, type, 0), INTRO_CONNECTED);
	theirs = next(service, INTRO_INCOMING);
	cr_expect(linked(mine.fd, theirs.fd));
	cr_expect_eq(type_of(mine.fd), type);
	cr_expect_eq(mine.type, type);
	cr_expect_eq(theirs.type, type);
	cr_expect_eq(mine.session, theirs.session);
	cr_expect_eq(mine.ref, found);
	cr_expect_eq(theirs.ref, served);
	cr_expect_eq((int)mine.path, INTRO_LOCAL);
	cr_expect_eq((int)theirs.path, INTRO_LOCAL);
	cr_expect_eq((int)mine.way, INTRO_WAY_PAIR);
	cr_expect_eq((int)theirs.way, INTRO_WAY_PAIR);
	cr_expect_str_eq(theirs.door, "host");
	cr_expect_str_eq(theirs.label, "");
	cr_expect_eq(theirs.uid, (int64_t)geteuid());
	cr_expect_eq(theirs.pid, (int64_t)getpid());
	cr_expect(fcntl(mine.fd, F_GETFD) & FD_CLOEXEC);
	cr_expect(fcntl(theirs.fd, F_GETFD) & FD_CLOEXEC);
	cr_expect_eq(fcntl(mine.fd, F_GETFL) & O_NONBLOCK, 0);
	cr_expect_eq(fcntl(theirs.fd, F_GETFL) & O_NONBLOCK, 0);
	close(mine.fd);
	close(theirs.fd);
}

TEST(libintro, introduces_by_pair)
{
	begin();
	serve("db", &(struct intro_service){ .types = 1u << SOCK_STREAM | 1u << SOCK_SEQPACKET |
						      1u << SOCK_DGRAM });
	cr_assert_eq(intro_find(client, "db", &found), 0);
	check_pair(SOCK_STREAM);
	check_pair(SOCK_SEQPACKET);
	check_pair(SOCK_DGRAM);
	end();
}

TEST(libintro, refuses_other_types)
{
	struct intro_event ev;

	begin();
	serve("db", NULL);
	cr_assert_eq(intro_find(client, "db", &found), 0);
	ev = answer(client, intro_connect(found, SOCK_DGRAM, 0), INTRO_REFUSED);
	cr_expect_eq(ev.error, -EPROTOTYPE);
	cr_expect_eq(intro_dial("db", SOCK_SEQPACKET, 0), -EPROTOTYPE);
	end();
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

	begin();
	cr_expect_eq(intro_dial("greeter", SOCK_STREAM, 0), -ENOENT);
	cr_expect_eq(intro_dial("greeter", SOCK_STREAM, 20), -ETIMEDOUT);
	child = child_fork();
	if (child == 0)
		_exit(greeter(hello));
	hear(hello, HANG_MS);
	hear(hello, 0);
	child_kill(child);
	end();
}

TEST(libintro, introduces_by_fetch)
{
	struct intro_event ask, got;
	int pair[2], request;

	begin();
	serve("web", &(struct intro_service){ .fetch = 1 });
	cr_assert_eq(intro_find(client, "web", &found), 0);
	request = intro_connect(found, SOCK_STREAM, 0);
	ask = next(service, INTRO_FETCH);
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
	ask = next(service, INTRO_FETCH);
	cr_assert_eq(intro_answer(service, ask.request, -EHOSTUNREACH), 0);
	got = answer(client, request, INTRO_REFUSED);
	cr_expect_eq(got.error, -EHOSTUNREACH);
	end();
}

TEST(libintro, fetch_that_cannot_be_sent_is_told)
{
	struct intro_event ask, got;
	int request;

	begin();
	serve("web", &(struct intro_service){ .fetch = 1 });
	cr_assert_eq(intro_find(client, "web", &found), 0);
	request = intro_connect(found, SOCK_STREAM, 0);
	ask = next(service, INTRO_FETCH);
	cr_expect_eq(intro_answer(service, ask.request, 1000000), -EBADF);
	got = answer(client, request, INTRO_REFUSED);
	cr_expect_eq(got.error, -EBADF);
	end();
}

TEST(libintro, holds_and_takes)
{
	struct intro_event ev;
	int pair[2], fd;

	begin();
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
	end();
}

/* The broker has one descriptor at a time on its way to us, and asks us to come again. */
TEST(libintro, takes_many_at_once)
{
	enum { MANY = 20 };
	int null, requests[MANY];
	char name[16];

	begin();
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
	end();
}

TEST(libintro, waits_for_a_name)
{
	int request, short_one, cancelled;
	struct intro_event ev, theirs;

	begin();
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
	theirs = next(service, INTRO_INCOMING);
	cr_expect(linked(ev.fd, theirs.fd));
	close(ev.fd);
	close(theirs.fd);
	check_pair(SOCK_STREAM);
	end();
}

TEST(libintro, absent_names_break_references)
{
	struct intro_event ev;
	int request;

	begin();
	cr_assert_eq(intro_find(client, "nothing", &found), 0);
	request = intro_connect(found, SOCK_STREAM, 0);
	ev = next(client, INTRO_BROKEN);
	cr_expect_eq(ev.ref, found);
	cr_expect_eq(ev.error, -ENOENT);
	ev = answer(client, request, INTRO_REFUSED);
	cr_expect_eq(ev.error, -ENOENT);
	cr_expect_eq(intro_connect(found, SOCK_STREAM, 0), -ENOENT);
	found = intro_unref(found);
	end();
}

TEST(libintro, serves_a_name_once)
{
	struct intro_ref *second;
	struct intro_event ev;

	begin();
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
	end();
}

TEST(libintro, unref_withdraws)
{
	begin();
	serve("db", NULL);
	cr_assert_eq(intro_find(client, "db", &found), 0);
	check_pair(SOCK_STREAM);
	served = intro_unref(served);
	/* one round trip on the same connection: the broker has seen it */
	answer(service, intro_take(service, "nothing"), INTRO_REFUSED);
	cr_expect_eq(answer(client, intro_connect(found, SOCK_STREAM, 0), INTRO_REFUSED).error,
		     -ECONNREFUSED);
	end();
}

/* What came for a service that is gone meanwhile is dropped: its client sees the end. */
TEST(libintro, unref_drops_what_came)
{
	struct intro_event mine;
	char byte;

	begin();
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
	end();
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

	begin();
	serve("db", &(struct intro_service){ .batch = 16 });
	cr_assert_eq(intro_find(client, "db", &found), 0);
	ev = answer(client, intro_connect(found, SOCK_STREAM, 0), INTRO_CONNECTED);
	first = ev.session + 1;
	close(ev.fd);
	close(next(service, INTRO_INCOMING).fd);
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
	end();
}

TEST(libintro, attests)
{
	struct intro_event mine, theirs, ev;

	begin();
	serve("db", NULL);
	cr_assert_eq(intro_find(client, "db", &found), 0);
	mine = answer(client, intro_connect(found, SOCK_STREAM, 0), INTRO_CONNECTED);
	theirs = next(service, INTRO_INCOMING);
	ev = answer(service, intro_attest(service, theirs.session), INTRO_CONNECTED);
	cr_expect_geq(ev.fd, 0);
	cr_expect_eq(ev.type, 0);
	close(ev.fd);
	ev = answer(service, intro_attest(service, theirs.session + 1000), INTRO_REFUSED);
	cr_expect_eq(ev.error, -ESRCH);
	close(mine.fd);
	close(theirs.fd);
	end();
}

TEST(libintro, connects_to_placed_sockets)
{
	char dir[DIR_BYTES], path[PATH_BYTES];
	int dirfd, listener, fd, taken;
	struct intro_event ev;
	struct ucred cred;
	socklen_t len = sizeof cred;

	begin();
	dir_make(dir);
	snprintf(path, sizeof path, "%s/db.sock", dir);
	listener = unix_listen(path, SOCK_STREAM, 8);
	dirfd = MUST(open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC));
	answer(service, intro_place(service, "db", dirfd, "db.sock", &served), INTRO_DONE);
	close(dirfd);

	fd = intro_dial("db", SOCK_STREAM, HANG_MS);
	cr_assert_geq(fd, 0, "%s", intro_strerror(fd));
	taken = MUST(accept4(listener, NULL, NULL, SOCK_CLOEXEC));
	cr_expect(linked(fd, taken));
	MUST(getsockopt(taken, SOL_SOCKET, SO_PEERCRED, &cred, &len));
	cr_expect_eq(cred.pid, getpid(), "the server sees its true client");
	close(fd);
	close(taken);

	cr_assert_eq(intro_find(client, "db", &found), 0);
	ev = answer(client, intro_connect(found, SOCK_STREAM, 0), INTRO_CONNECTED);
	cr_expect_eq((int)ev.way, INTRO_WAY_PLACED);
	cr_expect_eq(fcntl(ev.fd, F_GETFL) & O_NONBLOCK, 0);
	cr_expect(fcntl(ev.fd, F_GETFD) & FD_CLOEXEC);
	taken = MUST(accept4(listener, NULL, NULL, SOCK_CLOEXEC));
	cr_expect(linked(ev.fd, taken));
	close(ev.fd);
	close(taken);
	close(listener);
	dir_remove(dir);
	end();
}

/* The server is started again, with a new socket, while its client waits. */
TEST(libintro, waits_for_placed_servers)
{
	char dir[DIR_BYTES], path[PATH_BYTES];
	int dirfd, listener, request;
	struct intro_event ev;

	begin();
	dir_make(dir);
	snprintf(path, sizeof path, "%s/db.sock", dir);
	listener = unix_listen(path, SOCK_STREAM, 8);
	dirfd = MUST(open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC));
	answer(service, intro_place(service, "db", dirfd, "db.sock", &served), INTRO_DONE);
	close(dirfd);
	close(listener);

	cr_assert_eq(intro_find(client, "db", &found), 0);
	ev = answer(client, intro_connect(found, SOCK_STREAM, 0), INTRO_REFUSED);
	cr_expect_eq(ev.error, -ECONNREFUSED);
	cr_expect_eq(intro_dial("db", SOCK_STREAM, 0), -ECONNREFUSED);
	request = intro_connect(found, SOCK_STREAM, HANG_MS);
	cr_assert_eq(intro_wait(client, request, 50, &ev), 0);
	MUST(unlink(path));
	listener = unix_listen(path, SOCK_STREAM, 8);
	close(answer(client, request, INTRO_CONNECTED).fd);
	close(listener);
	dir_remove(dir);
	end();
}

/* A full backlog wakes nobody up. */
TEST(libintro, waits_for_full_backlogs)
{
	char dir[DIR_BYTES], path[PATH_BYTES];
	int dirfd, listener, first, second;

	begin();
	dir_make(dir);
	snprintf(path, sizeof path, "%s/db.sock", dir);
	listener = unix_listen(path, SOCK_STREAM, 0);
	dirfd = MUST(open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC));
	answer(service, intro_place(service, "db", dirfd, "db.sock", &served), INTRO_DONE);
	close(dirfd);
	cr_assert_eq(intro_find(client, "db", &found), 0);
	first = answer(client, intro_connect(found, SOCK_STREAM, 0), INTRO_CONNECTED).fd;
	cr_expect_eq(answer(client, intro_connect(found, SOCK_STREAM, 0), INTRO_REFUSED).error,
		     -ETIMEDOUT);
	second = intro_connect(found, SOCK_STREAM, HANG_MS);
	cr_assert_eq(intro_wait(client, second, 20, &(struct intro_event){ 0 }), 0);
	close(MUST(accept4(listener, NULL, NULL, SOCK_CLOEXEC)));
	close(answer(client, second, INTRO_CONNECTED).fd);
	close(first);
	close(listener);
	dir_remove(dir);
	end();
}

/* A path client of a granted name reaches the listener that was given away. */
TEST(libintro, gives_listeners_away)
{
	char door[PATH_BYTES], path[PATH_BYTES + 8];
	struct intro_event ev;
	int request, fd, taken;

	begin();
	cr_assert_eq(broker_add_door(&broker, "app"), 0);
	cr_assert_eq(broker_grant(&broker, "app", "db", RIGHT_CONNECT), 0);
	serve("db", NULL);
	request = intro_listeners(served);
	ev = answer(service, request, INTRO_LISTENER);
	cr_expect_str_eq(ev.door, "app");
	cr_expect_str_eq(ev.file, "db");
	cr_expect_eq(ev.ref, served);
	answer(service, request, INTRO_DONE);

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
	end();
}

/* With no descriptor left, whoever waits for one is told, and everything else goes on. */
TEST(libintro, survives_a_full_table)
{
	struct rlimit all, none;
	struct intro_event ev;
	int lowest, request, r;

	begin();
	serve("db", NULL);
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
	end();
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
	begin();
	serve("db", NULL);
	cr_assert_eq(intro_find(client, "db", &found), 0);
	check_pair(SOCK_STREAM);
	cr_assert_eq(child_call(use_in_child, NULL), 0);
	check_pair(SOCK_STREAM);
	end();
}
