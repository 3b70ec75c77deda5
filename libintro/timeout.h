/* SPDX-License-Identifier: Apache-2.0 */
/*
 * connect(2) to a Unix socket that may have a full backlog, with a deadline.
 */
#pragma once

#include <stdint.h>
#include <sys/un.h>

/* Connect sock, which is non-blocking. A full backlog gives no wake-up to a non-blocking
 * connect, so until deadline (clock.h; 0: do not wait) it is waited for in a blocking one.
 * Afterwards sock is non-blocking again and has no timeout.
 * 0, or a negative errno: -EAGAIN when the backlog stays full. */
int in_timeout_connect(int sock, const struct sockaddr_un *un, uint64_t deadline);
