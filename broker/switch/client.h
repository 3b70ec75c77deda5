/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What clients may ask, through any door. A client can never reach more than these handlers;
 * a malformed or misplaced message ends its connection and nothing else.
 */
#pragma once

#include <stdbool.h>

struct conn;
struct wire_message;

/* Handle one message. fd: the descriptor that came with it, or NULL; set to -1 where it was
 * taken over. 0, or a negative errno: end the connection. */
int client_dispatch(struct conn *conn, const struct wire_message *m, int *fd);

/* Is a deposited descriptor an end of a socketpair(2) of packets? Then it takes descriptors
 * no more, and may become a connection. */
bool client_may_join(int fd);
