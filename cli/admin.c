/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Administration of admin.h.
 */
#include "admin.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "../libintro/wire/packet.h"
#include "fd.h"
#include "start.h"

static int64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static int connect_control(const char *base)
{
	static const struct timespec pause = { .tv_nsec = 10 * 1000 * 1000 };
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	int64_t deadline = now_ms() + ADMIN_TIMEOUT_MS;
	_cleanup_close_ int sock = -1;
	int n;

	n = snprintf(sa.sun_path, sizeof sa.sun_path, "%s/control.sock", base);
	if (n < 0 || (size_t)n >= sizeof sa.sun_path)
		return -ENAMETOOLONG;
	sock = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (sock < 0)
		return -errno;
	/* nothing tells when a full backlog has room again (unix(7)) */
	while (connect(sock, (struct sockaddr *)&sa, sizeof sa) < 0) {
		if (errno != EAGAIN && errno != EINTR)
			return -errno;
		if (now_ms() >= deadline)
			return -ETIMEDOUT;
		nanosleep(&pause, NULL);
	}
	return fd_steal(&sock);
}

int admin_open(struct admin *a, bool start)
{
	char base[WHERE_BYTES];
	int r;

	*a = (struct admin){ .sock = -1 };
	r = where_base(start, base);
	if (r < 0)
		return where_failed(r);
	r = connect_control(base);
	if (r < 0)
		return r == -ECONNREFUSED || r == -ENOENT ?
			       where_failed(-ENOTCONN) :
			       failed(r, "cannot connect to the broker in %s", base);
	a->sock = r;
	return CODE_OK;
}

void admin_close(struct admin *a)
{
	closep(&a->sock);
	a->sock = -1;
}

void admin_begin(struct admin *a, struct wire_writer *w, uint8_t buf[static WIRE_PACKET_MAX],
		 enum wire_type type)
{
	wire_begin(w, buf, WIRE_PACKET_MAX, (uint16_t)type, ++a->serial, 0, 0);
}

/* 1, 0 when the deadline has passed, or a negative errno. */
static int wait_for(int sock, short events, int64_t deadline)
{
	for (;;) {
		struct pollfd p = { .fd = sock, .events = events };
		int64_t left = deadline < 0 ? -1 : deadline - now_ms();
		int n;

		if (deadline >= 0 && left <= 0)
			return 0;
		n = poll(&p, 1, (int)left);
		if (n > 0)
			return 1;
		if (n < 0 && errno != EINTR)
			return -errno;
	}
}

int admin_send(struct admin *a, const struct wire_writer *w)
{
	int64_t deadline = now_ms() + ADMIN_TIMEOUT_MS;
	int len = wire_finish(w), r;

	if (len < 0)
		return len;
	for (;;) {
		r = packet_send(a->sock, w->buf, (size_t)len, NULL, 0);
		if (r != -EAGAIN)
			return r == -EPIPE ? -ECONNRESET : r;
		r = wait_for(a->sock, POLLOUT, deadline);
		if (r <= 0)
			return r < 0 ? r : -ETIMEDOUT;
	}
}

int admin_next(struct admin *a, struct wire_message *ret, int timeout_ms)
{
	int64_t deadline = timeout_ms < 0 ? -1 : now_ms() + timeout_ms;

	for (;;) {
		int none[1];
		size_t nfds;
		ssize_t n;
		int r;

		r = wait_for(a->sock, POLLIN, deadline);
		if (r <= 0)
			return r < 0 ? r : -ETIMEDOUT;
		n = packet_recv(a->sock, a->packet, none, 0, &nfds);
		if (n == -EAGAIN)
			continue;
		if (n <= 0)
			return n < 0 ? (int)n : -ECONNRESET;
		r = wire_parse(a->packet, (size_t)n, ret);
		if (r < 0)
			return r;
		if (ret->head.serial != a->serial)
			continue;
		switch (ret->head.type) {
		case WIRE_ROW:
		case WIRE_EVENT:
			return 1;
		case WIRE_REPLY:
			r = wire_i32(ret, TAG_ERROR, 0);
			return r > 0 ? -EPROTO : r;
		default:
			return -EPROTO;
		}
	}
}

int admin_call(struct admin *a, const struct wire_writer *w, struct wire_message *ret)
{
	int r = admin_send(a, w);

	if (r < 0)
		return r;
	do
		r = admin_next(a, ret, ADMIN_TIMEOUT_MS);
	while (r > 0);
	return r;
}
