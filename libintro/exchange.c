/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The exchange of exchange.h.
 */
#include "exchange.h"

#include <errno.h>
#include <poll.h>

#include "cleanup.h"
#include "clock.h"
#include "wire/packet.h"

/* Wait for the socket to be ready. 0 or a negative errno. */
static int wait_for(int sock, short events, uint64_t deadline)
{
	struct pollfd p = { .fd = sock, .events = events };
	int n;

	do
		n = poll(&p, 1, in_left_ms(deadline));
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : n == 0 ? -ETIMEDOUT : 0;
}

static int send_all(int sock, const uint8_t *packet, int len, uint64_t deadline)
{
	int r;

	if (len < 0)
		return len;
	while ((r = packet_send(sock, packet, (size_t)len, NULL, 0)) == -EAGAIN) {
		r = wait_for(sock, POLLOUT, deadline);
		if (r < 0)
			return r;
	}
	return r == -EPIPE || r == -ENOTCONN ? -ECONNRESET : r;
}

int in_exchange(int sock, uint8_t *packet, int len, uint64_t deadline,
		struct wire_message *m, int *ret_fd)
{
	uint32_t serial = 0;
	int r = send_all(sock, packet, len, deadline);

	/* Whoever was not let in may find no reader any more, but the reason. */
	if (r < 0 && r != -ECONNRESET)
		return r;
	if (wire_parse(packet, (size_t)len, m) == 0)
		serial = m->head.serial;
	for (;;) {
		_cleanup_(in_closep) int fd = -1;
		size_t nfds = 0;
		ssize_t n;

		r = wait_for(sock, POLLIN, deadline);
		if (r < 0)
			return r;
		n = packet_recv(sock, packet, &fd, 1, &nfds);
		if (n == -EAGAIN)
			continue;
		if (n <= 0)
			return n == 0 ? -ECONNRESET : (int)n;
		r = wire_parse(packet, (size_t)n, m);
		if (r < 0)
			return r;
		if (m->head.nfds != nfds)
			return -EPROTO;
		r = wire_i32(m, TAG_ERROR, 0);
		/* serial 0: the connection was not accepted */
		if (m->head.type != WIRE_REPLY ||
		    (m->head.serial != serial && (m->head.serial != 0 || r >= 0)))
			continue;
		if (r > 0 || r < -WIRE_ERRNO_MAX)
			return -EPROTO;
		if (r < 0)
			return r;
		*ret_fd = in_steal(&fd);
		return 0;
	}
}
