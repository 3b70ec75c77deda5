/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where the broker is: finding a door, and opening a connection through it. Knows nothing of
 * messages, except the one JOIN that opens a connection over a shared one.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define IN_DOOR_PATH 1024u	/* bytes with the final NUL; longer paths are refused */
#define IN_DOORS 2u		/* places looked at when nobody names one */

struct in_door {
	int shared;		/* N of "fd:N", else -1 */
	char path[IN_DOOR_PATH]; /* of the socket, absolute; "" with "fd:N" */
};

/* The doors to try, best first: the one that text names, else the one in $INTRO_DOOR, else
 * the user's and the system's. Nothing is looked at but what text or $INTRO_DOOR names.
 * The number of doors written to ret, or a negative errno: -ENOTCONN nothing is there,
 * -EBADF a wrong N, -EINVAL, -ENAMETOOLONG. */
int in_door_find(struct in_door ret[IN_DOORS], const char *text);

/* A new connection through the door, close-on-exec; waits until deadline (clock.h; 0: not at
 * all) for room in a full backlog. 0, or a negative errno:
 * -ENOENT, -ECONNREFUSED no broker there now; -EAGAIN the backlog is still full;
 * -ECONNRESET the shared connection is dead for good. */
int in_door_connect(const struct in_door *door, uint64_t deadline, int *ret);

/* Whether a broker may be expected there: the socket's directory exists. */
bool in_door_expected(const struct in_door *door);
