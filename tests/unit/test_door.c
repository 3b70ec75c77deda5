/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where libintro looks for a broker, and how it connects there: libintro/door.h.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../../libintro/clock.h"
#include "../../libintro/door.h"
#include "../../libintro/timeout.h"
#include "harness.h"

static struct in_door doors[IN_DOORS];

TEST(door, is_a_directory_or_a_socket)
{
	char dir[DIR_BYTES], path[PATH_BYTES], wanted[PATH_BYTES];
	int sock;

	dir_make(dir);
	snprintf(wanted, sizeof wanted, "%s/intro.sock", dir);
	cr_assert_eq(in_door_find(doors, dir), 1);
	cr_assert_str_eq(doors[0].path, wanted);
	cr_assert_eq(doors[0].shared, -1);

	/* its broker is being restarted */
	cr_assert_eq(in_door_find(doors, wanted), 1);
	cr_assert_str_eq(doors[0].path, wanted);
	cr_assert(in_door_expected(&doors[0]));
	cr_assert_eq(in_door_connect(&doors[0], 0, &sock), -ENOENT);

	snprintf(path, sizeof path, "%s/other", dir);
	cr_assert_eq(in_door_find(doors, path), -ENOTCONN);
	sock = unix_listen(path, SOCK_SEQPACKET, 1);
	cr_assert_eq(in_door_find(doors, path), 1);
	cr_assert_str_eq(doors[0].path, path);
	close(sock);
	cr_assert_eq(in_door_connect(&doors[0], 0, &sock), -ECONNREFUSED);

	snprintf(path, sizeof path, "%s/file", dir);
	file_write(path, "");
	cr_assert_eq(in_door_find(doors, path), -ENOTSOCK);
	snprintf(path, sizeof path, "%s/no/intro.sock", dir);
	cr_assert_eq(in_door_find(doors, path), -ENOTCONN);
	dir_remove(dir);
}

TEST(door, means_the_same_after_chdir)
{
	char dir[DIR_BYTES], wanted[PATH_BYTES];

	dir_make(dir);
	MUST(chdir(dir));
	MUST(mkdir("here", 0700));
	snprintf(wanted, sizeof wanted, "%s/here/intro.sock", dir);
	cr_assert_eq(in_door_find(doors, "here"), 1);
	cr_assert_str_eq(doors[0].path, wanted);
	MUST(chdir("/"));
	dir_remove(dir);
}

TEST(door, of_the_environment_is_the_only_one)
{
	char dir[DIR_BYTES], wanted[PATH_BYTES];

	dir_make(dir);
	snprintf(wanted, sizeof wanted, "%s/intro.sock", dir);
	MUST(setenv("INTRO_DOOR", dir, 1));
	MUST(setenv("XDG_RUNTIME_DIR", "/nowhere", 1));
	cr_assert_eq(in_door_find(doors, NULL), 1);
	cr_assert_str_eq(doors[0].path, wanted);

	MUST(setenv("INTRO_DOOR", "", 1));
	cr_assert_eq(in_door_find(doors, NULL), 2, "an empty one names none");
	dir_remove(dir);
}

TEST(door, of_the_user_comes_before_the_systems)
{
	MUST(unsetenv("INTRO_DOOR"));
	MUST(setenv("XDG_RUNTIME_DIR", "/run/somebody", 1));
	cr_assert_eq(in_door_find(doors, NULL), 2);
	cr_assert_str_eq(doors[0].path, "/run/somebody/introd/doors/host/intro.sock");
	cr_assert_str_eq(doors[1].path, "/run/intro/intro.sock");
}

/* A uid that nobody here has, so that no real broker's directory is met. */
#define OTHER_UID 61417

static void become_other(void)
{
	uid_t uid = geteuid();
	char map[32];

	if (uid == 0) {
		child_become(OTHER_UID);
		return;
	}
	MUST(unshare(CLONE_NEWUSER));
	snprintf(map, sizeof map, "%d %u 1", OTHER_UID, uid);
	file_write("/proc/self/uid_map", map);
}

/* The number of rules broken. */
static int look_in_tmp(void *arg)
{
	const char *tmp = arg;
	int bad = 0;

	become_other();
	bad += in_door_find(doors, NULL) != 1;
	MUST(mkdir(tmp, 0700));
	bad += in_door_find(doors, NULL) != 2;
	MUST(chmod(tmp, 0777));
	bad += in_door_find(doors, NULL) != 1;	/* anybody may write there */
	MUST(rmdir(tmp));
	MUST(symlink("/", tmp));
	bad += in_door_find(doors, NULL) != 1;	/* a link leads anywhere */
	MUST(unlink(tmp));
	return bad;
}

/* Another user may have made /tmp/introd-UID. */
TEST(door, in_tmp_must_be_ours)
{
	char tmp[64];

	MUST(unsetenv("INTRO_DOOR"));
	MUST(unsetenv("XDG_RUNTIME_DIR"));
	snprintf(tmp, sizeof tmp, "/tmp/introd-%d", OTHER_UID);
	NEED(access(tmp, F_OK) < 0, "%s is there", tmp);
	cr_assert_eq(child_call(look_in_tmp, tmp), 0);
}

TEST(door, by_descriptor_is_checked)
{
	int pair[2], stream[2];
	char text[32];

	cr_expect_eq(in_door_find(doors, "fd:"), -EINVAL);
	cr_expect_eq(in_door_find(doors, "fd:x"), -EINVAL);
	cr_expect_eq(in_door_find(doors, "fd:-1"), -EINVAL);
	cr_expect_eq(in_door_find(doors, "fd:3x"), -EINVAL);
	cr_expect_eq(in_door_find(doors, "fd: 3"), -EINVAL);
	cr_expect_eq(in_door_find(doors, "fd:99999999999999999999"), -EINVAL);
	cr_expect_eq(in_door_find(doors, "fd:1000000"), -EBADF);

	MUST(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, stream));
	snprintf(text, sizeof text, "fd:%d", stream[0]);
	cr_expect_eq(in_door_find(doors, text), -EBADF);

	MUST(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair));
	snprintf(text, sizeof text, "fd:%d", pair[0]);
	cr_expect_eq(in_door_find(doors, text), 1);
	cr_expect_eq(doors[0].shared, pair[0]);
	close(stream[0]);
	close(stream[1]);
	close(pair[0]);
	close(pair[1]);
}

/* What travels on a shared connection is one end of a pair, once, and nothing comes back. */
TEST(door, by_descriptor_joins)
{
	int pair[2], sock = -1, again = -1;
	_cleanup_raw_ struct raw r;
	char byte = 0;

	MUST(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair));
	doors[0] = (struct in_door){ .shared = pair[0] };
	cr_assert_eq(in_door_connect(&doors[0], 0, &sock), 0);
	cr_assert_gt(raw_recv(pair[1], &r), 0);
	cr_assert_eq(r.m.head.type, WIRE_JOIN);
	cr_assert_eq(r.nfds, 1);
	cr_assert_eq(send(r.fds[0], "x", 1, MSG_NOSIGNAL), 1);
	cr_assert_eq(recv(sock, &byte, 1, MSG_DONTWAIT), 1);
	cr_assert(fcntl(sock, F_GETFD) & FD_CLOEXEC);

	close(pair[1]);
	cr_assert_eq(in_door_connect(&doors[0], 0, &again), -ECONNRESET);
	close(pair[0]);
	cr_assert_eq(in_door_connect(&doors[0], 0, &again), -ECONNRESET, "closed by its owner");
	close(sock);
}

TEST(door, path_may_be_longer_than_an_address)
{
	char dir[DIR_BYTES], path[IN_DOOR_PATH], middle[101];
	int here, listener, sock;

	dir_make(dir);
	memset(middle, 'd', 100);
	middle[100] = '\0';
	snprintf(path, sizeof path, "%s/%s", dir, middle);
	MUST(mkdir(path, 0700));
	here = MUST(open(".", O_PATH | O_DIRECTORY | O_CLOEXEC));
	MUST(chdir(path));
	listener = unix_listen("intro.sock", SOCK_SEQPACKET, 1);
	MUST(fchdir(here));

	cr_assert_eq(in_door_find(doors, path), 1);
	cr_assert_eq(in_door_connect(&doors[0], 0, &sock), 0);
	close(sock);
	close(listener);
	close(here);
	memset(path, 'x', sizeof path - 1);
	path[0] = '/';
	path[sizeof path - 1] = '\0';
	cr_assert_lt(in_door_find(doors, path), 0);
	dir_remove(dir);
}

static int accept_one(void *arg)
{
	int *listener = arg;

	/* the parent is blocked in connect() only after its own attempt has failed */
	return accept(*listener, NULL, NULL) < 0;
}

TEST(door, full_backlog_is_waited_for)
{
	int listener, first, sock = -1;
	char dir[DIR_BYTES];
	pid_t child;

	dir_make(dir);
	cr_assert_eq(in_door_find(doors, dir), 1);
	listener = unix_listen(doors[0].path, SOCK_SEQPACKET, 0);
	cr_assert_eq(in_door_connect(&doors[0], 0, &first), 0);
	cr_assert_eq(in_door_connect(&doors[0], 0, &sock), -EAGAIN);
	cr_assert_eq(in_door_connect(&doors[0], in_deadline(10), &sock), -EAGAIN);

	child = child_fork();
	if (child == 0)
		_exit(accept_one(&listener));
	cr_assert_eq(in_door_connect(&doors[0], in_deadline(HANG_MS), &sock), 0);
	cr_assert_eq(child_wait(child), 0);
	cr_assert(fcntl(sock, F_GETFL) & O_NONBLOCK);
	close(sock);
	close(first);
	close(listener);
	dir_remove(dir);
}
