/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The channel of channel.h: one message per packet, with room for one descriptor.
 */
#include "channel.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

union control {
	struct cmsghdr align;
	char space[CMSG_SPACE(sizeof(int))];
};

int channel_send(int sock, const void *packet, size_t len, int fd)
{
	struct iovec iov = { .iov_base = (void *)packet, .iov_len = len };
	struct msghdr mh = { .msg_iov = &iov, .msg_iovlen = 1 };
	union control control;
	ssize_t n;

	if (fd >= 0) {
		mh.msg_control = &control;
		mh.msg_controllen = CMSG_LEN(sizeof fd);
		control.align.cmsg_level = SOL_SOCKET;
		control.align.cmsg_type = SCM_RIGHTS;
		control.align.cmsg_len = CMSG_LEN(sizeof fd);
		memcpy(CMSG_DATA(&control.align), &fd, sizeof fd);
	}

	/* Not packet_send(), which never waits: a room has no poll() in its list of system
	 * calls, and the socket is a blocking one. */
	do
		n = sendmsg(sock, &mh, MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : 0;
}

ssize_t channel_recv(int sock, void *buf, int flags, int *ret_fd)
{
	struct iovec iov = { .iov_base = buf, .iov_len = WIRE_PACKET_MAX };
	struct msghdr mh = { .msg_iov = &iov, .msg_iovlen = 1 };
	union control control;
	struct cmsghdr *c;
	int fd = -1;
	ssize_t n;

	mh.msg_control = &control;
	mh.msg_controllen = CMSG_LEN(sizeof fd);
	do
		n = recvmsg(sock, &mh, flags | MSG_CMSG_CLOEXEC);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;

	c = CMSG_FIRSTHDR(&mh);
	if (c && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS &&
	    c->cmsg_len == CMSG_LEN(sizeof fd))
		memcpy(&fd, CMSG_DATA(c), sizeof fd);
	if (mh.msg_flags & (MSG_TRUNC | MSG_CTRUNC) || n == 0) {
		if (fd >= 0)
			close(fd);
		if (n == 0)
			return 0;
		if (mh.msg_flags & MSG_TRUNC)
			return -EMSGSIZE;
		return fd >= 0 ? -EPROTO : -EMFILE;
	}
	*ret_fd = fd;
	return n;
}
