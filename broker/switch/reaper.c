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
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define REAPER_THREADS 64
#define REAPER_STACK_BYTES ((size_t)64 << 10)
#define REAPER_IDLE_MS 1000

static _Atomic int threads;

/* Ends when idle; the last to end looks once more, so that no descriptor is left behind by a
 * flush that still counted it. */
static void *reap(void *arg)
{
	int read_end = (int)(intptr_t)arg;
	struct pollfd input = { .fd = read_end, .events = POLLIN };
	int fd;

	do {
		while (poll(&input, 1, REAPER_IDLE_MS) > 0)
			if (read(read_end, &fd, sizeof fd) == (ssize_t)sizeof fd)
				close(fd);
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

int reaper_start(struct reaper *r)
{
	int fds[2];

	if (pipe2(fds, O_CLOEXEC | O_NONBLOCK) < 0)
		return -errno;
	r->read_end = fds[0];
	r->write_end = fds[1];
	r->pending = 0;
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

void reaper_dispose(struct reaper *r, int fd)
{
	struct pollfd queue = { .fd = fd, .events = POLLIN };

	/* Not SIOCINQ: a packet of no bytes can carry descriptors, too. */
	if (poll(&queue, 1, 0) == 0)
		close(fd);
	else
		reaper_take(r, fd);
}

void reaper_flush(struct reaper *r)
{
	size_t done = 0;
	int unread = 0;

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
	/* One thread does, unless it is stuck: then what it should have read is still there. */
	if (threads == 0 || (threads < REAPER_THREADS &&
			     ioctl(r->read_end, FIONREAD, &unread) == 0 &&
			     (size_t)unread > done * sizeof(int)))
		add_thread(r);
}
