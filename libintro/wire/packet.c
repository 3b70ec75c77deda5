/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Packets of packet.h.
 */
#include "packet.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

union control {
	struct cmsghdr align;
	char space[CMSG_SPACE(sizeof(int) * PACKET_FDS_MAX)];
};

int packet_send(int sock, const void *buf, size_t len, const int *fds, size_t nfds)
{
	struct iovec iov = { .iov_base = (void *)buf, .iov_len = len };
	struct msghdr mh = { .msg_iov = &iov, .msg_iovlen = 1 };
	union control control;
	ssize_t n;

	if (nfds > 0) {
		struct cmsghdr *c = &control.align;

		if (nfds > WIRE_BATCH_MAX)
			return -EINVAL;
		mh.msg_control = &control;
		mh.msg_controllen = CMSG_LEN(sizeof(int) * nfds);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int) * nfds);
		memcpy(CMSG_DATA(c), fds, sizeof(int) * nfds);
	}

	do
		n = sendmsg(sock, &mh, MSG_DONTWAIT | MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : 0;
}

#ifndef SCM_PIDFD
#define SCM_PIDFD 4		/* unix(7), Linux 6.5 */
#endif

/* Take the descriptors out of the control data: their number. A pidfd is nothing we ask for, but
 * whoever else has a copy of our socket can (SO_PASSPIDFD). */
static size_t take_fds(struct msghdr *mh, int *fds)
{
	size_t n = 0;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(mh); c; c = CMSG_NXTHDR(mh, c)) {
		if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_PIDFD &&
		    c->cmsg_len == CMSG_LEN(sizeof(int))) {
			int pidfd;

			memcpy(&pidfd, CMSG_DATA(c), sizeof pidfd);
			if (pidfd >= 0)
				close(pidfd);
		}
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		memcpy(fds, CMSG_DATA(c), n * sizeof(int));
	}
	return n;
}

ssize_t packet_take(int sock, void *buf, int *fds, size_t max, size_t *ret_nfds, int *ret_flags)
{
	struct iovec iov = { .iov_base = buf, .iov_len = WIRE_PACKET_MAX };
	struct msghdr mh = { .msg_iov = &iov, .msg_iovlen = 1 };
	union control control;
	ssize_t n;

	if (max > PACKET_FDS_MAX)
		return -EINVAL;
	if (max > 0) {
		mh.msg_control = &control;
		/* CMSG_LEN, not CMSG_SPACE, whose padding has room for one more */
		mh.msg_controllen = CMSG_LEN(sizeof(int) * max);
	}

	do
		n = recvmsg(sock, &mh, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	*ret_nfds = max > 0 && mh.msg_controllen > 0 ? take_fds(&mh, fds) : 0;
	*ret_flags = mh.msg_flags;
	return n;
}

ssize_t packet_take_plain(int sock, void *buf)
{
	ssize_t n;

	do
		n = recv(sock, buf, WIRE_PACKET_MAX, MSG_DONTWAIT | MSG_TRUNC);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : n;
}

ssize_t packet_recv(int sock, void *buf, int *fds, size_t max, size_t *ret_nfds)
{
	int got[WIRE_BATCH_MAX], flags;
	size_t ngot;
	ssize_t n;

	if (max > WIRE_BATCH_MAX)
		return -EINVAL;
	n = packet_take(sock, buf, got, max, &ngot, &flags);
	/* Said once, when the peer has closed without reading what we sent; what it had sent
	 * before is still there. */
	if (n == -ECONNRESET) {
		n = packet_take(sock, buf, got, max, &ngot, &flags);
		n = n <= 0 ? -ECONNRESET : n;
	}
	if (n < 0)
		return n;
	if (flags & MSG_TRUNC)
		n = -EMSGSIZE;
	else if (flags & MSG_CTRUNC)
		n = max > 0 && ngot < max ? -EMFILE : -EPROTO;
	if (n <= 0) {
		/* An empty packet cannot be told from the end, and nobody sends one. */
		for (size_t i = 0; i < ngot; i++)
			close(got[i]);
		ngot = 0;
	}
	if (n < 0)
		return n;
	memcpy(fds, got, ngot * sizeof(int));
	*ret_nfds = ngot;
	return n;
}
