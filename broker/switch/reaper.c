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
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define REAPER_THREADS 4
#define REAPER_STACK_BYTES ((size_t)64 << 10)

static void *reap(void *arg)
{
	int pipe = (int)(intptr_t)arg;
	int fd;

	while (read(pipe, &fd, sizeof fd) == (ssize_t)sizeof fd)
		close(fd);
	return NULL;
}

int reaper_start(struct reaper *r)
{
	pthread_attr_t attr;
	pthread_t thread;
	sigset_t all, old;
	int fds[2], err = 0;

	if (pipe2(fds, O_CLOEXEC) < 0)
		return -errno;
	pthread_attr_init(&attr);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	pthread_attr_setstacksize(&attr, REAPER_STACK_BYTES);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	for (int i = 0; i < REAPER_THREADS && err == 0; i++)
		err = pthread_create(&thread, &attr, reap, (void *)(intptr_t)fds[0]);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	pthread_attr_destroy(&attr);
	if (err != 0)
		return -err;
	if (fcntl(fds[1], F_SETFL, O_NONBLOCK) < 0)
		return -errno;
	r->pipe = fds[1];
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
	int unread = 0;

	if (ioctl(fd, SIOCINQ, &unread) == 0 && unread == 0)
		close(fd);
	else
		reaper_take(r, fd);
}

void reaper_flush(struct reaper *r)
{
	size_t done = 0;

	/* Each write is atomic (pipe(7)), so that threads read whole numbers. */
	while (done < r->pending) {
		size_t n = r->pending - done;
		size_t most = PIPE_BUF / sizeof(int);

		if (n > most)
			n = most;
		if (write(r->pipe, r->fds + done, n * sizeof(int)) < 0)
			break;
		done += n;
	}
	for (size_t i = done; i < r->pending; i++)
		r->fds[i - done] = r->fds[i];
	r->pending -= done;
}
