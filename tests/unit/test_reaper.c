/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Closing what may block: broker/switch/reaper.h. The kernel has many ways to make close(2)
 * wait; here it is SO_LINGER, for longer than a test may last.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../../broker/switch/reaper.h"
#include "harness.h"

static struct reaper reaper;

static void start(void)
{
	cr_assert_eq(reaper_start(&reaper), 0);
}

/* What the reaper has of its own stays open as long as the process. */
static void stop(void)
{
	close(reaper.read_end);
	close(reaper.write_end);
}

static bool is_closed(void *arg)
{
	return fcntl(*(int *)arg, F_GETFD) < 0 && errno == EBADF;
}

TEST(reaper, closes_what_it_takes)
{
	int fds[3 * REAPER_BATCH];
	bool all = true;

	start();
	for (size_t i = 0; i < sizeof fds / sizeof fds[0]; i++) {
		fds[i] = MUST(open("/dev/null", O_RDONLY | O_CLOEXEC));
		reaper_take(&reaper, fds[i]);
	}
	reaper_flush(&reaper);
	cr_assert_eq(reaper.pending, 0);
	for (size_t i = 0; i < sizeof fds / sizeof fds[0]; i++)
		all = all && wait_until(is_closed, &fds[i]);
	cr_assert(all);

	/* and again, after its threads have had time to end or not */
	fds[0] = MUST(open("/dev/null", O_RDONLY | O_CLOEXEC));
	reaper_take(&reaper, fds[0]);
	reaper_flush(&reaper);
	cr_assert(wait_until(is_closed, &fds[0]));
	stop();
}

/* A connected TCP socket with unsent data which lingers for a minute. */
static int lingering(int *ret_peer)
{
	struct sockaddr_in sa = { .sin_family = AF_INET,
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct linger linger = { .l_onoff = 1, .l_linger = 60 };
	int listener = MUST(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)), fd;
	static char block[65536];
	socklen_t len = sizeof sa;

	MUST(bind(listener, (struct sockaddr *)&sa, sizeof sa));
	MUST(listen(listener, 1));
	MUST(getsockname(listener, (struct sockaddr *)&sa, &len));
	fd = MUST(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
	MUST(connect(fd, (struct sockaddr *)&sa, len));
	*ret_peer = MUST(accept4(listener, NULL, NULL, SOCK_CLOEXEC));
	close(listener);
	while (send(fd, block, sizeof block, MSG_NOSIGNAL | MSG_DONTWAIT) > 0)
		;
	MUST(setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger));
	return fd;
}

/* A reset ends the lingering. */
static void release(int peer)
{
	struct linger now = { .l_onoff = 1, .l_linger = 0 };

	MUST(setsockopt(peer, SOL_SOCKET, SO_LINGER, &now, sizeof now));
	close(peer);
}

TEST(reaper, one_stuck_close_does_not_keep_the_others)
{
	enum { STUCK = 6 };
	int peers[STUCK], fds[STUCK], last;

	start();
	for (int i = 0; i < STUCK; i++) {
		fds[i] = lingering(&peers[i]);
		reaper_take(&reaper, fds[i]);
		reaper_flush(&reaper);
	}
	last = MUST(open("/dev/null", O_RDONLY | O_CLOEXEC));
	reaper_take(&reaper, last);
	/* each flush may add a thread where the others are stuck */
	for (int i = 0; i < 1000 && !is_closed(&last); i++) {
		int more = MUST(open("/dev/null", O_RDONLY | O_CLOEXEC));

		reaper_take(&reaper, more);
		reaper_flush(&reaper);
		poll(NULL, 0, 1);
	}
	cr_assert(is_closed(&last));
	for (int i = 0; i < STUCK; i++)
		release(peers[i]);
	for (int i = 0; i < STUCK; i++)
		cr_assert(wait_until(is_closed, &fds[i]));
	stop();
}

/* An end of a session, whose queue has this many bytes and a lingering socket in it. */
static void dispose_with_queue(size_t bytes)
{
	int pair[2], peer, fd = lingering(&peer), mine;

	start();
	MUST(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair));
	cr_assert_eq(packet_send(pair[0], "x", bytes, &fd, 1), 0);
	close(fd);
	close(pair[0]);
	mine = pair[1];
	/* must not wait: the test's own time limit is shorter than the lingering */
	reaper_dispose(&reaper, mine, false);
	cr_assert(!is_closed(&mine), "it is not closed here");
	reaper_flush(&reaper);
	release(peer);
	cr_assert(wait_until(is_closed, &mine));
	stop();
}

TEST(reaper, leaves_an_end_with_a_queue_to_its_threads, .timeout = 30)
{
	dispose_with_queue(1);
}

TEST(reaper, knows_that_an_empty_packet_can_carry_descriptors, .timeout = 30)
{
	dispose_with_queue(0);
}

TEST(reaper, closes_an_end_without_a_queue_at_once)
{
	int pair[2];

	start();
	MUST(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair));
	reaper_dispose(&reaper, pair[1], true);
	cr_assert(is_closed(&pair[1]));
	close(pair[0]);
	stop();
}

TEST(reaper, closes_a_stream_without_a_queue_whose_peer_is_closed)
{
	int pair[2];

	start();
	MUST(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair));
	close(pair[0]);
	reaper_dispose(&reaper, pair[1], true);
	cr_assert(is_closed(&pair[1]));
	stop();
}

/* Bytes of a stream with a lingering socket; urgent ones may have been read, but stay. */
static void dispose_stream(int flags, bool read)
{
	struct iovec iov = { .iov_base = (char[]){ "x" }, .iov_len = 1 };
	char control[CMSG_SPACE(sizeof(int))] = { 0 };
	struct msghdr mh = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control,
			     .msg_controllen = sizeof control };
	struct cmsghdr *c = CMSG_FIRSTHDR(&mh);
	int pair[2], peer, fd = lingering(&peer), mine;
	char byte;

	start();
	MUST(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair));
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(c), &fd, sizeof fd);
	cr_assert_eq(sendmsg(pair[0], &mh, flags), 1);
	if (read)
		cr_assert_eq(recv(pair[1], &byte, 1, flags), 1);
	close(fd);
	close(pair[0]);
	mine = pair[1];
	reaper_dispose(&reaper, mine, true);
	cr_assert(!is_closed(&mine), "it is not closed here");
	reaper_flush(&reaper);
	release(peer);
	cr_assert(wait_until(is_closed, &mine));
	stop();
}

TEST(reaper, leaves_a_stream_with_a_queue_to_its_threads, .timeout = 30)
{
	dispose_stream(0, false);
}

TEST(reaper, knows_that_urgent_data_stays_when_it_was_read, .timeout = 30)
{
	dispose_stream(MSG_OOB, true);
}
