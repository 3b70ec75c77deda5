/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libintro and servers whose own socket is placed: its caller connects to it itself.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "harness_intro.h"

static char dir[DIR_BYTES], path[PATH_BYTES];
static int listener;

/* A server in a directory of its own, whose socket is offered as "db". */
static void place_server(int backlog)
{
	int dirfd;

	both_begin();
	dir_make(dir);
	snprintf(path, sizeof path, "%s/db.sock", dir);
	listener = unix_listen(path, SOCK_STREAM, backlog);
	dirfd = MUST(open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC));
	get_answer(service, intro_place(service, "db", dirfd, "db.sock", &served), INTRO_DONE);
	close(dirfd);
	cr_assert_eq(intro_find(client, "db", &found), 0);
}

static void server_end(void)
{
	close(listener);
	dir_remove(dir);
	both_end();
}

/* The server has taken this connection: its end. */
static int taken_as(int fd)
{
	int taken = MUST(accept4(listener, NULL, NULL, SOCK_CLOEXEC));

	cr_expect(linked(fd, taken));
	return taken;
}

TEST(libintro, connects_to_placed_sockets)
{
	struct ucred cred;
	struct intro_event ev;
	socklen_t len = sizeof cred;
	int fd, taken;

	place_server(8);
	fd = intro_dial("db", SOCK_STREAM, HANG_MS);
	cr_assert_geq(fd, 0, "%s", intro_strerror(fd));
	taken = taken_as(fd);
	MUST(getsockopt(taken, SOL_SOCKET, SO_PEERCRED, &cred, &len));
	cr_expect_eq(cred.pid, getpid(), "the server sees its true client");
	close(fd);
	close(taken);

	ev = get_answer(client, intro_connect(found, SOCK_STREAM, 0), INTRO_CONNECTED);
	cr_expect_eq((int)ev.way, INTRO_WAY_PLACED);
	cr_expect_eq(fcntl(ev.fd, F_GETFL) & O_NONBLOCK, 0);
	cr_expect(fcntl(ev.fd, F_GETFD) & FD_CLOEXEC);
	close(taken_as(ev.fd));
	close(ev.fd);
	server_end();
}

/* The server is started again, with a new socket, while its client waits. */
TEST(libintro, waits_for_placed_servers)
{
	struct intro_event ev;
	int request;

	place_server(8);
	close(listener);
	ev = get_answer(client, intro_connect(found, SOCK_STREAM, 0), INTRO_REFUSED);
	cr_expect_eq(ev.error, -ECONNREFUSED);
	cr_expect_eq(intro_dial("db", SOCK_STREAM, 0), -ECONNREFUSED);
	request = intro_connect(found, SOCK_STREAM, HANG_MS);
	cr_assert_eq(intro_wait(client, request, 50, &ev), 0);
	MUST(unlink(path));
	listener = unix_listen(path, SOCK_STREAM, 8);
	close(get_answer(client, request, INTRO_CONNECTED).fd);
	server_end();
}

/* A full backlog wakes nobody up. */
TEST(libintro, waits_for_full_backlogs)
{
	int first, second;

	place_server(0);
	first = get_answer(client, intro_connect(found, SOCK_STREAM, 0), INTRO_CONNECTED).fd;
	cr_expect_eq(get_answer(client, intro_connect(found, SOCK_STREAM, 0), INTRO_REFUSED).error,
		     -ETIMEDOUT);
	second = intro_connect(found, SOCK_STREAM, HANG_MS);
	cr_assert_eq(intro_wait(client, second, 20, &(struct intro_event){ 0 }), 0);
	close(MUST(accept4(listener, NULL, NULL, SOCK_CLOEXEC)));
	close(get_answer(client, second, INTRO_CONNECTED).fd);
	close(first);
	server_end();
}
