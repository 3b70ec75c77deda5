/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Way "placed": the broker gives us an O_PATH descriptor of the server's own socket file, and
 * we connect to it ourselves, so that the server sees who we are.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct in_request;
struct intro;

/* Connect a new socket of type to the file behind opath (borrowed), waiting until deadline
 * (clock.h; 0: not at all) for room in its backlog. 0 and a blocking, close-on-exec socket,
 * or a negative errno: -EAGAIN the backlog is full; -ECONNREFUSED nobody listens there any
 * more; -EPROTOTYPE it is of another type; -EOPNOTSUPP there is no /proc. */
int in_placed_connect(int opath, int type, uint64_t deadline, int *ret);

/* One attempt for a CONNECT whose .fd is such a descriptor. True when the request was
 * answered and is gone, false when it will be tried or asked again at its .retry_at. */
bool in_placed_try(struct intro *in, struct in_request *rq);
