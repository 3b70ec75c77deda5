/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sockets and packets for the workers: plain blocking calls that end the process on
 * failure, the same on the way to the product and to the floor, so that only the broker
 * differs.
 */
#pragma once

#include <fcntl.h>
#include <stddef.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "slice.h"
#include "wire/message.h"

#define RAW_NAME "name-00000"	/* the names of a bench, all of this width */
#define RAW_DIGITS (sizeof("name-") - 1)
#define RAW_NAMES_MAX 100000u

union raw_control {
	struct cmsghdr align;
	char space[CMSG_SPACE(sizeof(int) * WIRE_BATCH_MAX)];
};

static inline void raw_address(struct sockaddr_un *ret, const char *path)
{
	*ret = (struct sockaddr_un){ .sun_family = AF_UNIX };
	if (strlen(path) >= sizeof(ret->sun_path)) {
		errno = ENAMETOOLONG;
		slice_die("%s", path);
	}
	strcpy(ret->sun_path, path);
}

static inline int raw_connect(const struct sockaddr_un *address, int type)
{
	int sock = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);

	if (sock < 0 || connect(sock, (const struct sockaddr *)address, sizeof(*address)) < 0)
		slice_die("cannot connect to %s", address->sun_path);
	return sock;
}

static inline int raw_listen(const char *path, int type)
{
	struct sockaddr_un address;
	int sock = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);

	raw_address(&address, path);
	unlink(path);
	if (sock < 0 || bind(sock, (struct sockaddr *)&address, sizeof(address)) < 0 ||
	    listen(sock, SOMAXCONN) < 0)
		slice_die("cannot listen on %s", path);
	return sock;
}

/* fd: borrowed, -1: none. */
static inline void raw_send(int sock, const void *buf, size_t len, int fd)
{
	struct iovec iov = { .iov_base = (void *)(uintptr_t)buf, .iov_len = len };
	struct msghdr mh = { .msg_iov = &iov, .msg_iovlen = 1 };
	union raw_control control;

	if (fd >= 0) {
		mh.msg_control = &control;
		mh.msg_controllen = CMSG_LEN(sizeof(int));
		control.align.cmsg_level = SOL_SOCKET;
		control.align.cmsg_type = SCM_RIGHTS;
		control.align.cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(&control.align), &fd, sizeof(int));
	}
	if (sendmsg(sock, &mh, MSG_NOSIGNAL) < 0)
		slice_die("sending to the broker");
}

/* One packet, or what a stream has. At most max descriptors into fds; their number is added
 * to *nfds. Returns the length, never 0. */
static inline size_t raw_recv(int sock, void *buf, size_t size, int *fds, size_t max,
			      size_t *nfds)
{
	struct iovec iov = { .iov_base = buf, .iov_len = size };
	union raw_control control;
	struct msghdr mh = { .msg_iov = &iov, .msg_iovlen = 1,
			     .msg_control = max > 0 ? &control : NULL,
			     .msg_controllen = max > 0 ? CMSG_LEN(sizeof(int) * max) : 0 };
	struct cmsghdr *c;
	ssize_t n;

	do
		n = recvmsg(sock, &mh, MSG_CMSG_CLOEXEC);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		slice_die("receiving from the broker");
	if (n == 0 || mh.msg_flags & (MSG_CTRUNC | MSG_TRUNC)) {
		errno = 0;
		slice_die(n ? "the broker sent more than was asked for" :
			      "the broker closed the connection");
	}
	c = max > 0 ? CMSG_FIRSTHDR(&mh) : NULL;
	if (c && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS) {
		size_t got = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);

		memcpy(fds + *nfds, CMSG_DATA(c), got * sizeof(int));
		*nfds += got;
	}
	return (size_t)n;
}

/* One round trip: a packet of the wire protocol and its REPLY, which must not be an error. */
static inline void raw_call(int sock, const void *packet, size_t len, int fd)
{
	uint8_t buf[WIRE_PACKET_MAX];
	struct wire_message m;
	size_t nfds = 0, got;
	int error;

	raw_send(sock, packet, len, fd);
	got = raw_recv(sock, buf, sizeof(buf), NULL, 0, &nfds);
	error = wire_parse(buf, got, &m);
	if (!error && m.head.type != WIRE_REPLY)
		error = -EPROTO;
	if (!error)
		error = wire_i32(&m, TAG_ERROR, 0);
	if (error) {
		errno = -error;
		slice_die("request %u was refused", ((const uint8_t *)packet)[2]);
	}
}

/* Cheap enough for the hot path: is this a REPLY whose first tag is not ERROR? */
static inline bool raw_reply_good(const uint8_t *buf, size_t len)
{
	return len >= WIRE_HEADER_BYTES && buf[2] == WIRE_REPLY && buf[3] == 0 &&
	       (len < WIRE_HEADER_BYTES + 2 || (buf[WIRE_HEADER_BYTES] != TAG_ERROR));
}

/* As many descriptors as we may have. */
static inline void raw_files_raise(void)
{
	struct rlimit files;

	getrlimit(RLIMIT_NOFILE, &files);
	files.rlim_cur = files.rlim_max;
	setrlimit(RLIMIT_NOFILE, &files);
}

/* Write number into the digits of a RAW_NAME. */
static inline void raw_name_number(char *name, unsigned int number)
{
	for (size_t i = sizeof(RAW_NAME) - 2; i >= RAW_DIGITS; i--, number /= 10)
		name[i] = (char)('0' + number % 10);
}
