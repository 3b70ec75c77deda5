/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The reaper of reaper.h: threads that read numbers from a pipe and close them.
 *
 * One close that never returns (FUSE) must not keep the others waiting, so there are several
 * threads on the one pipe. Whoever blocks all of them has as many stuck descriptors as there
 * are threads; from then on descriptors pile up against the accounts of those who send them.
 */
#include "reaper.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/sockios.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define REAPER_THREADS 64
#define REAPER_STACK_BYTES ((size_t)64 << 10)
#define REAPER_IDLE_MS 1000
/* Without a close for so long, threads are stuck rather than waiting for a processor. */
#define REAPER_STUCK_MS 10

static _Atomic int threads;
static _Atomic uint32_t closed;

/* What tells that a stream's queue is empty although its peer is gone (marks_learn()). */
static enum { MARKS_NONE, MARKS_SHOWN, MARKS_HIDDEN } marks = MARKS_HIDDEN;

/* Ends when idle; the last to end looks once more, so that no descriptor is left behind by a
 * flush that still counted it. */
static void *reap(void *arg)
{
	int read_end = (int)(intptr_t)arg;
	struct pollfd input = { .fd = read_end, .events = POLLIN };
	int fd;

	do {
		while (poll(&input, 1, REAPER_IDLE_MS) > 0)
			if (read(read_end, &fd, sizeof fd) == (ssize_t)sizeof fd) {
				close(fd);
				closed++;
			}
		threads--;
		if (poll(&input, 1, 0) <= 0)
			return NULL;
		threads++;
	} while (1);
}

static void add_thread(const struct reaper *r)
{
	pthread_attr_t attr;
	pthread_t thread;
	sigset_t all, old;

	threads++;
	pthread_attr_init(&attr);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	pthread_attr_setstacksize(&attr, REAPER_STACK_BYTES);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	if (pthread_create(&thread, &attr, reap, (void *)(intptr_t)r->read_end) != 0)
		threads--;
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	pthread_attr_destroy(&attr);
}

static bool at_mark(int fd)
{
	int mark = 1;

	return ioctl(fd, SIOCATMARK, &mark) < 0 || mark;
}

/* A byte of urgent data that was read stays in a stream's queue, with the descriptors that came
 * with it, and is in no count of bytes. Since Linux 6.10 SIOCATMARK tells of it. */
static void marks_learn(void)
{
	int pair[2];
	char byte = 0;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return;
	if (send(pair[0], &byte, 1, MSG_OOB | MSG_DONTWAIT) < 0)
		marks = errno == EOPNOTSUPP ? MARKS_NONE : MARKS_HIDDEN;
	else if (recv(pair[1], &byte, 1, MSG_OOB | MSG_DONTWAIT) == 1 && at_mark(pair[1]))
		marks = MARKS_SHOWN;
	close(pair[0]);
	close(pair[1]);
}

/* A stream has no packets without bytes. */
static bool stream_is_empty(int fd)
{
	int unread = 1;

	return marks != MARKS_HIDDEN && ioctl(fd, SIOCINQ, &unread) == 0 && unread == 0 &&
	       (marks == MARKS_NONE || !at_mark(fd));
}

int reaper_start(struct reaper *r)
{
	int fds[2];

	marks_learn();
	if (pipe2(fds, O_CLOEXEC | O_NONBLOCK) < 0)
		return -errno;
	r->read_end = fds[0];
	r->write_end = fds[1];
	r->pending = 0;
	r->closed = 0;
	r->since_msec = 0;
	return 0;
}

void reaper_take(struct reaper *r, int fd)
{
	if (r->pending == REAPER_BATCH)
		reaper_flush(r);
	if (r->pending == REAPER_BATCH)
		return; /* every thread is stuck and the pipe is full: it stays open */
	r->fds[r->pending++] = fd;
}

void reaper_dispose(struct reaper *r, int fd, bool stream)
{
	struct pollfd queue = { .fd = fd, .events = POLLIN };

	/* Not a count of bytes: a packet of none can carry descriptors, too. But an end whose
	 * peer is closed is always readable. */
	if (poll(&queue, 1, 0) == 0 || (stream && queue.revents & POLLHUP && stream_is_empty(fd)))
		close(fd);
	else
		reaper_take(r, fd);
}

/* One thread does, unless it is stuck: then what it should have read is still there, behind the
 * last bytes written. */
static bool want_thread(struct reaper *r, size_t written)
{
	struct timespec now;
	uint64_t msec;
	int unread = 0;
	bool stuck;

	clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
	msec = (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
	stuck = closed == r->closed && ioctl(r->read_end, FIONREAD, &unread) == 0 &&
		(size_t)unread > written;
	if (threads > 0 && stuck && msec - r->since_msec < REAPER_STUCK_MS)
		return false;
	r->closed = closed;
	r->since_msec = msec;
	return threads == 0 || (stuck && threads < REAPER_THREADS);
}

void reaper_flush(struct reaper *r)
{
	size_t done = 0;

	if (r->pending == 0)
		return;
	/* Each write is atomic (pipe(7)), so that threads read whole numbers. */
	while (done < r->pending) {
		size_t n = r->pending - done;
		size_t most = PIPE_BUF / sizeof(int);

		if (n > most)
			n = most;
		if (write(r->write_end, r->fds + done, n * sizeof(int)) < 0)
			break;
		done += n;
	}
	for (size_t i = done; i < r->pending; i++)
		r->fds[i - done] = r->fds[i];
	r->pending -= done;
	if (want_thread(r, done * sizeof(int)))
		add_thread(r);
}
