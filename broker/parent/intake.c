/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pipes read to their ends, as intake.h says.
 */
#include "intake.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

#include "../room.h"

/* Take what is there: 1, 0 at the end, or a negative errno. */
static int intake_take(struct intake *in)
{
	uint8_t *bytes = realloc(in->bytes, in->len + 65536);
	ssize_t n;

	if (!bytes)
		return -ENOMEM;
	in->bytes = bytes;
	n = read(in->fd, bytes + in->len, 65536);
	if (n < 0)
		return errno == EINTR ? 1 : -errno;
	in->len += (size_t)n;
	if (in->len > in->max)
		return -EFBIG;
	return n > 0;
}

int intake_read(struct intake *in, size_t n)
{
	uint64_t deadline = room_clock_us() + INTAKE_DEADLINE_US;
	struct pollfd fds[INTAKES_MAX];
	size_t open = n;

	for (size_t i = 0; i < n; i++)
		fds[i] = (struct pollfd){ in[i].fd, POLLIN, 0 };
	while (open > 0) {
		uint64_t now = room_clock_us();

		if (now >= deadline)
			return -ETIMEDOUT;
		if (poll(fds, n, (int)((deadline - now) / 1000) + 1) < 0) {
			if (errno == EINTR)
				continue;
			return -errno;
		}
		for (size_t i = 0; i < n; i++) {
			int r = fds[i].revents ? intake_take(&in[i]) : 1;

			if (r < 0)
				return r;
			if (r == 0) {
				fds[i].fd = -1;
				open--;
			}
		}
	}
	return 0;
}
