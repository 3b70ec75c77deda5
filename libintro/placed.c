/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Connecting to placed sockets, as in placed.h.
 */
#include "placed.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "cleanup.h"
#include "clock.h"
#include "connection.h"
#include "timeout.h"

int in_placed_connect(int opath, int type, uint64_t deadline, int *ret)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	_cleanup_(in_closep) int sock = -1;
	int flags, r;

	snprintf(un.sun_path, sizeof un.sun_path, "/proc/self/fd/%d", opath);
	sock = socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (sock < 0)
		return -errno;
	r = in_timeout_connect(sock, &un, deadline);
	if (r == -ENOENT)
		return access("/proc/self/fd", F_OK) < 0 ? -EOPNOTSUPP : -ECONNREFUSED;
	if (r < 0)
		return r;
	flags = fcntl(sock, F_GETFL);
	if (flags < 0 || fcntl(sock, F_SETFL, flags & ~O_NONBLOCK) < 0)
		return -errno;
	*ret = in_steal(&sock);
	return 0;
}

bool in_placed_try(struct intro *in, struct in_request *rq)
{
	int sock, r;

	r = in_placed_connect(rq->fd, rq->socktype, 0, &sock);
	if (r == 0) {
		in_request_connected(in, rq, sock, rq->socktype, WAY_PLACED);
		return true;
	}
	if ((r != -EAGAIN && r != -ECONNREFUSED) || in_left(rq->wait_until) == 0) {
		in_request_refuse(in, rq, r == -EAGAIN ? -ETIMEDOUT : r);
		return true;
	}
	/* Nobody listens: the server is being restarted, and the broker will soon know its
	 * new socket. */
	if (r == -ECONNREFUSED)
		close(in_steal(&rq->fd));
	in_request_retry(in, rq);
	return false;
}
