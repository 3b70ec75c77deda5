/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libintro and servers that are reached by their own sockets (placed): they may be late, restarted,
 * or have a full backlog.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "parties.h"

TEST(libintro, connects_to_placed_sockets)
{
	char dir[DIR_BYTES], path[PATH_BYTES];
	int dirfd, listener, fd, taken;
	struct intro_event ev;
	struct ucred cred;
	socklen_t len = sizeof cred;

	parties_begin();
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
	parties_end();
}

/* The server is started again, with a new socket, while its client waits. */
TEST(libintro, waits_for_placed_servers)
{
	char dir[DIR_BYTES], path[PATH_BYTES];
	int dirfd, listener, request;
	struct intro_event ev;

	parties_begin();
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
	parties_end();
}

/* A full backlog wakes nobody up. */
TEST(libintro, waits_for_full_backlogs)
{
	char dir[DIR_BYTES], path[PATH_BYTES];
	int dirfd, listener, first, second;

	parties_begin();
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
	parties_end();
}
