/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libintro without a broker: arguments, errors, forked children, and waiting for a broker to
 * come.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "../../libintro/intro.h"
#include "harness.h"

static char dir[DIR_BYTES];
static struct intro *in;
static struct intro_event ev;
static struct intro_ref *ref;

static void open_nowhere(void)
{
	dir_make(dir);
	cr_assert_eq(intro_open(&in, dir), 0);
}

static void end(void)
{
	in = intro_close(in);
	cr_assert_null(in);
	dir_remove(dir);
}

TEST(alone, no_broker_is_said_at_once)
{
	struct intro *untouched = (struct intro *)dir;
	int64_t before = now_ms();

	MUST(unsetenv("INTRO_DOOR"));
	MUST(setenv("XDG_RUNTIME_DIR", "/nowhere", 1));
	NEED(access("/run/intro", F_OK) < 0, "there is a broker of the system");
	cr_expect_eq(intro_open(&untouched, NULL), -ENOTCONN);
	cr_expect_eq(intro_open(&untouched, "/nowhere"), -ENOTCONN);
	cr_expect_eq(intro_open(&untouched, "fd:1000000"), -EBADF);
	cr_expect_eq(intro_open(&untouched, "fd:"), -EINVAL);
	cr_expect_eq(untouched, (struct intro *)dir, "outputs are written on success only");
	cr_expect_eq(intro_dial("db", SOCK_STREAM, 0), -ENOTCONN);
	cr_expect_lt(now_ms() - before, HANG_MS);
	cr_expect_eq(intro_dial("db", SOCK_STREAM, 20), -ENOTCONN);
	cr_expect_geq(now_ms() - before, 20, "it was waited for");
	cr_assert_null(intro_close(NULL));
	cr_assert_null(intro_unref(NULL));
}

TEST(alone, arguments_are_checked)
{
	char long_name[66];

	memset(long_name, 'n', 65);
	long_name[65] = '\0';
	open_nowhere();
	cr_expect_eq(intro_find(in, "", &ref), -EINVAL);
	cr_expect_eq(intro_find(in, ".hidden", &ref), -EINVAL);
	cr_expect_eq(intro_find(in, "a/b", &ref), -EINVAL);
	cr_expect_eq(intro_find(in, long_name, &ref), -EINVAL);
	cr_expect_eq(intro_hold(in, "a b", 0), -EINVAL);
	cr_expect_eq(intro_hold(in, "a", -1), -EBADF);
	cr_expect_eq(intro_take(in, "a\n"), -EINVAL);
	cr_expect_eq(intro_dial("..", SOCK_STREAM, 0), -EINVAL);
	cr_expect_eq(intro_dial("db", SOCK_RAW, 0), -EINVAL);
	cr_expect_eq(intro_place(in, "db", -1, "db.sock", &ref), -EBADF);
	cr_expect_eq(intro_place(in, "db", AT_FDCWD, "../db.sock", &ref), -EINVAL);
	cr_expect_eq(intro_serve(in, "db", &(struct intro_service){ .batch = 17 }, &ref),
		     -EINVAL);
	cr_expect_eq(intro_serve(in, "db", &(struct intro_service){ .batch = -1 }, &ref),
		     -EINVAL);
	cr_expect_eq(intro_serve(in, "db", &(struct intro_service){ .types = 1 << SOCK_RAW },
				 &ref), -EINVAL);
	cr_expect_null(ref);
	cr_expect_eq(intro_cancel(in, 1), -ENOENT);
	cr_expect_eq(intro_answer(in, 1, -1), -ENOENT);
	cr_expect_eq(intro_wait(in, 1, -1, &ev), -ENOENT, "nothing would ever come");
	cr_expect_eq(intro_wait(in, -1, -1, &ev), -EINVAL);
	cr_expect_eq(intro_wait(in, 0, 0, &ev), 0);

	cr_assert_eq(intro_find(in, "db", &ref), 0);
	cr_expect_str_eq(intro_ref_name(ref), "db");
	cr_expect_eq(intro_connect(ref, SOCK_RAW, 0), -EINVAL);
	cr_expect_eq(intro_listeners(ref), -EINVAL, "it does not serve");
	end();
}

TEST(alone, descriptors_are_close_on_exec)
{
	int before = fd_count(), high = 0;

	open_nowhere();
	cr_assert_geq(intro_hold(in, "a", STDIN_FILENO), 0);
	cr_assert_gt(fd_count(), before);
	for (int fd = 3; high < 1000; fd = ++high + 3) {
		int flags = fcntl(fd, F_GETFD);
		char link[32], target[64];
		ssize_t n;

		snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
		n = readlink(link, target, sizeof target - 1);
		target[n < 0 ? 0 : n] = '\0';
		/* the runner's own are not ours to judge */
		if (flags >= 0 && (strstr(target, "timerfd") || strstr(target, "eventpoll")))
			cr_expect(flags & FD_CLOEXEC, "%d is %s", fd, target);
	}
	end();
}

static int use_in_child(void *arg)
{
	int fd = -1;

	(void)arg;
	if (intro_fd(in) != -ECHILD || intro_dispatch(in) != -ECHILD ||
	    intro_next(in, &ev) != -ECHILD || intro_wait(in, 0, 0, &ev) != -ECHILD ||
	    intro_find(in, "b", &ref) != -ECHILD || intro_connect(ref, SOCK_STREAM, 0) != -ECHILD ||
	    intro_cancel(in, 1) != -ECHILD || intro_serve(in, "b", NULL, &ref) != -ECHILD ||
	    intro_answer(in, 1, -1) != -ECHILD || intro_place(in, "b", 0, "b", &ref) != -ECHILD ||
	    intro_listeners(ref) != -ECHILD || intro_hold(in, "b", 0) != -ECHILD ||
	    intro_take(in, "b") != -ECHILD || intro_attest(in, 1) != -ECHILD ||
	    intro_share(in, &fd) != -ECHILD || intro_unref(ref) != NULL)
		return 1;
	return intro_close(in) != NULL || fd != -1;
}

/* claims.md 27 has the same with a broker behind it. */
TEST(alone, is_dead_in_a_forked_child)
{
	open_nowhere();
	cr_assert_eq(intro_find(in, "a", &ref), 0);
	cr_assert_eq(child_call(use_in_child, NULL), 0);
	/* and alive as before in the parent */
	cr_assert_eq(intro_wait(in, 0, 0, &ev), 0);
	cr_assert_gt(intro_connect(ref, SOCK_STREAM, -1), 0);
	end();
}

TEST(alone, errors_have_sentences)
{
	cr_expect_str_eq(intro_strerror(-ENOENT), "no such name in this door");
	cr_expect_str_eq(intro_strerror(-ENOTCONN), "no broker found");
	cr_expect_str_eq(intro_strerror(-EIO), strerrordesc_np(EIO));
	for (int e = -5000; e < 10; e++)
		cr_expect(intro_strerror(e) && *intro_strerror(e), "%d", e);
	cr_expect(intro_strerror(INT32_MIN));
}

/* Requests wait for a broker, are given up when their time is over, and can be cancelled. */
TEST(alone, requests_outlive_the_absence_of_a_broker)
{
	int patient, hurried, cancelled;

	open_nowhere();
	cr_assert_eq(intro_find(in, "a", &ref), 0);
	patient = intro_connect(ref, SOCK_STREAM, -1);
	hurried = intro_connect(ref, SOCK_STREAM, 1);
	cancelled = intro_take(in, "b");
	cr_assert(patient > 0 && hurried > patient && cancelled > hurried);

	cr_assert_eq(intro_cancel(in, cancelled), 0);
	cr_assert(wait_fd(intro_fd(in), POLLIN), "an answer makes the descriptor readable");
	cr_assert_eq(intro_wait(in, cancelled, HANG_MS, &ev), 1);
	cr_assert(ev.what == INTRO_REFUSED && ev.error == -ECANCELED && ev.request == cancelled);
	cr_assert_eq(intro_cancel(in, cancelled), -ENOENT);

	cr_assert_eq(intro_wait(in, 0, HANG_MS, &ev), 1);
	cr_assert(ev.what == INTRO_REFUSED && ev.error == -ETIMEDOUT && ev.request == hurried);

	ref = intro_unref(ref);
	cr_assert_eq(intro_wait(in, patient, HANG_MS, &ev), 1);
	cr_assert(ev.what == INTRO_REFUSED && ev.error == -ECANCELED && ev.ref == NULL);
	cr_assert_eq(intro_wait(in, 0, 0, &ev), 0);
	end();
}

static void on_alarm(int sig)
{
	(void)sig;
}

/* As a stopped process that goes on, which needs no handler. */
TEST(alone, signals_do_not_end_waiting)
{
	struct itimerval often = { { 0, 2000 }, { 0, 2000 } }, never = { { 0, 0 }, { 0, 0 } };
	int64_t before = now_ms();

	open_nowhere();
	MUST(sigaction(SIGALRM, &(struct sigaction){ .sa_handler = on_alarm }, NULL));
	MUST(setitimer(ITIMER_REAL, &often, NULL));
	cr_expect_eq(intro_wait(in, 0, 50, &ev), 0);
	MUST(setitimer(ITIMER_REAL, &never, NULL));
	cr_expect_geq(now_ms() - before, 49);
	end();
}

/* Left queued by intro_wait(), events still wake up whoever polls. */
TEST(alone, events_left_aside_wake_the_poller)
{
	int first, second;

	open_nowhere();
	first = intro_take(in, "a");
	second = intro_take(in, "b");
	cr_assert_eq(intro_cancel(in, first), 0);
	cr_assert_eq(intro_cancel(in, second), 0);
	cr_assert_eq(intro_wait(in, second, HANG_MS, &ev), 1);
	cr_assert(wait_fd(intro_fd(in), POLLIN));
	cr_assert_eq(intro_dispatch(in), 0);
	cr_assert_eq(intro_next(in, &ev), 1);
	cr_assert_eq(ev.request, first);
	cr_assert_eq(intro_next(in, &ev), 0);
	end();
}
