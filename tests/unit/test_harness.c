/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The harness itself: what the other tests rely on to notice.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "harness.h"

TEST(harness, counts_descriptors)
{
	int before = fd_count(), fd = MUST(open("/dev/null", O_RDONLY | O_CLOEXEC));

	cr_assert_eq(fd_count(), before + 1);
	cr_assert_eq(fd_count_of(getpid()), before + 2, "with the counter's own");
	close(fd);
	cr_assert_eq(fd_count(), before);
}

/* These two end with CHILD_FAILED, and what they say is not to be read as a failure. */
static void hush(void)
{
	int null = MUST(open("/dev/null", O_WRONLY | O_CLOEXEC));

	MUST(dup2(null, STDERR_FILENO));
}

static int leak(void *arg)
{
	struct leak_check check;

	(void)arg;
	hush();
	leak_check_begin(&check);
	MUST(open("/dev/null", O_RDONLY | O_CLOEXEC));
	leak_check_end(&check);
	return 0;
}

static int leave_child(void *arg)
{
	struct leak_check check;

	(void)arg;
	hush();
	leak_check_begin(&check);
	if (child_fork() == 0)
		_exit(0);
	leak_check_end(&check);
	return 0;
}

TEST(harness, notices_leaks)
{
	cr_assert_eq(child_call(leak, NULL), CHILD_FAILED);
	cr_assert_eq(child_call(leave_child, NULL), CHILD_FAILED);
}

static int die(void *arg)
{
	(void)arg;
	raise(SIGKILL);
	return 0;
}

TEST(harness, waits_for_children)
{
	cr_assert_eq(child_call(die, NULL), 128 + SIGKILL);
}

TEST(harness, runs_programs)
{
	char dir[DIR_BYTES], path[DIR_BYTES + 8];
	_cleanup_run_ struct run r = { 0 };
	int in;

	dir_make(dir);
	snprintf(path, sizeof path, "%s/in", dir);
	file_write(path, "asked");
	in = MUST(open(path, O_RDONLY | O_CLOEXEC));
	run(&r, &(struct spawn){
		.argv = (const char *const[]){ "sh", "-c", "cat; echo $X ${PATH_TO-unset} >&2; exit 7",
					       NULL },
		.env = (const char *const[]){ "X=set", "PATH_TO", NULL },
		.in = in,
	});
	close(in);
	cr_assert_eq(r.status, 7);
	cr_assert_str_eq(r.out, "asked");
	cr_assert_str_eq(r.err, "set unset\n");
	dir_remove(dir);
	cr_assert_eq(access(dir, F_OK), -1);
}

/* Programs get 0, 1, 2 and what was meant for them, nothing of Criterion's or the test's. */
TEST(harness, keeps_only_what_was_meant)
{
	int fd = MUST(open("/dev/null", O_RDONLY)), high = MUST(fcntl(fd, F_DUPFD, 20));
	_cleanup_run_ struct run r = { 0 };
	char wanted[64];

	run(&r, &(struct spawn){
		.argv = (const char *const[]){ "ls", "-v", "/proc/self/fd", NULL },
		.keep = (const int[]){ high, -1 },
	});
	/* 3 is the directory that ls reads */
	snprintf(wanted, sizeof wanted, "0\n1\n2\n3\n%d\n", high);
	cr_assert_str_eq(r.out, wanted);
	close(fd);
	close(high);
}

TEST(harness, links_streams)
{
	int a[2], b[2];

	MUST(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, a));
	MUST(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, b));
	cr_assert(linked(a[0], a[1]));
	close(b[1]);
	cr_assert_not(linked(b[0], a[1]), "another stream is not linked");
	close(a[0]);
	close(a[1]);
	close(b[0]);
}
