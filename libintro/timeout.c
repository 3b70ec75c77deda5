/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The connect of timeout.h.
 */
#include "timeout.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/time.h>

#include "clock.h"

static int connect_once(int sock, const struct sockaddr_un *un)
{
	return connect(sock, (const struct sockaddr *)un, sizeof *un) < 0 ? -errno : 0;
}

/* 0 means "for ever" to the kernel, which is right for IN_NEVER and wrong for no time left. */
static int set_timeout(int sock, uint64_t usec)
{
	struct timeval tv = { 0 };

	if (usec != IN_NEVER)
		tv = (struct timeval){ .tv_sec = (time_t)(usec / 1000000u),
				       .tv_usec = (suseconds_t)(usec % 1000000u) };
	return setsockopt(sock, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof tv) < 0 ? -errno : 0;
}

int in_timeout_connect(int sock, const struct sockaddr_un *un, uint64_t deadline)
{
	int r = connect_once(sock, un), flags, reset;
	uint64_t left;

	if (r != -EAGAIN || in_left(deadline) == 0)
		return r;

	flags = fcntl(sock, F_GETFL);
	if (flags < 0 || fcntl(sock, F_SETFL, flags & ~O_NONBLOCK) < 0)
		return -errno;
	while ((r == -EAGAIN || r == -EINTR) && (left = in_left(deadline)) > 0) {
		r = set_timeout(sock, left);
		if (r == 0)
			r = connect_once(sock, un);
	}
	if (r == -EINTR)
		r = -EAGAIN;
	reset = set_timeout(sock, IN_NEVER);
	if (fcntl(sock, F_SETFL, flags) < 0)
		return -errno;
	return r < 0 ? r : reset;
}
