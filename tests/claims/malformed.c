/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The sender of malformed.h.
 */
#include "malformed.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

int raw_bytes(int sock, const void *bytes, size_t len, int fd, size_t fds)
{
	struct iovec iov = { .iov_base = (void *)bytes, .iov_len = len };
	struct msghdr mh = { .msg_iov = &iov, .msg_iovlen = 1 };
	union {
		struct cmsghdr align;
		char space[CMSG_SPACE(sizeof(int) * PACKET_FDS_MAX)];
	} control;
	int all[PACKET_FDS_MAX];

	if (fds > 0) {
		for (size_t i = 0; i < fds; i++)
			all[i] = fd;
		memset(&control, 0, sizeof control);
		mh.msg_control = &control;
		mh.msg_controllen = CMSG_SPACE(sizeof(int) * fds);
		control.align.cmsg_level = SOL_SOCKET;
		control.align.cmsg_type = SCM_RIGHTS;
		control.align.cmsg_len = CMSG_LEN(sizeof(int) * fds);
		memcpy(CMSG_DATA(&control.align), all, sizeof(int) * fds);
	}
	return sendmsg(sock, &mh, MSG_NOSIGNAL) < 0 ? -errno : 0;
}

bool is_ended(int sock)
{
	for (;;) {
		_cleanup_raw_ struct raw last = { .nfds = 0 };
		ssize_t n = raw_recv(sock, &last);

		if (n == -ETIMEDOUT)
			return false;
		if (n <= 0)
			return true;
	}
}

bool lives(int sock)
{
	static const uint8_t find[] = { 1, 0, WIRE_FIND, 0, 0xff, 0xff, 0xff, 0x7f, 0, 0, 0, 0,
					TAG_NAME, 0, 2, 0, 'd', 'b' };

	if (raw_bytes(sock, find, sizeof find, -1, 0) < 0)
		return false;
	for (;;) {
		_cleanup_raw_ struct raw packet = { .nfds = 0 };

		if (raw_recv(sock, &packet) <= 0)
			return false;
		if (packet.m.head.type == WIRE_REPLY && packet.m.head.serial == 0x7fffffff)
			return true;
	}
}

bool ends_sender(const char *door, const void *bytes, size_t len)
{
	int sock = raw_open(door);
	bool ended;

	raw_bytes(sock, bytes, len, -1, 0);
	ended = is_ended(sock);
	close(sock);
	return ended;
}

bool is_answered(const char *door, const void *bytes, size_t len)
{
	int sock = raw_open(door);
	bool answered = raw_bytes(sock, bytes, len, -1, 0) == 0 && lives(sock);

	close(sock);
	return answered;
}

int depositor(const char *door)
{
	static const uint8_t allow[] = { 1, 0, WIRE_ALLOW, 0, 9, 0, 0, 0, 0, 0, 0, 0 };
	int sock = raw_open(door);
	struct raw reply;

	MUST(send(sock, allow, sizeof allow, 0));
	cr_assert_eq(raw_reply(sock, 9, &reply), 0);
	return sock;
}

int send_pipe(int sock, const void *bytes, size_t len, size_t n, bool *closed)
{
	int ends[2], r;

	MUST(pipe2(ends, O_CLOEXEC));
	r = raw_bytes(sock, bytes, len, ends[1], n);
	close(ends[1]);
	*closed = wait_fd(ends[0], POLLHUP);
	close(ends[0]);
	return r;
}
