/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Making the descriptor behind INTRO_DOOR=fd:N.
 */
#include <errno.h>
#include <poll.h>

#include "cleanup.h"
#include "clock.h"
#include "connection.h"
#include "exchange.h"

/* A broker answers in microseconds; this only bounds the wait for one that is stuck. */
#define SHARE_MS 5000

int intro_share(struct intro *in, int *ret_fd)
{
	uint64_t deadline = in_deadline(SHARE_MS);
	_cleanup_(in_closep) int sock = -1;
	uint8_t packet[WIRE_PACKET_MAX];
	struct wire_message m;
	struct wire_writer w;
	int fd, r;

	if (in_foreign(in))
		return -ECHILD;
	if (in->state == IN_DEAD)
		return -ECONNRESET;
	r = in_door_connect(&in->door, deadline, &sock);
	if (r < 0)
		return r == -ENOENT || r == -ECONNREFUSED ? -ENOTCONN : r;
	wire_begin(&w, packet, sizeof packet, WIRE_SHARE, 1, 0, 0);
	r = in_exchange(sock, packet, wire_finish(&w), deadline, &m, &fd);
	if (r < 0)
		return r;
	if (fd >= 0)
		close(fd);
	*ret_fd = in_steal(&sock);
	return 0;
}
