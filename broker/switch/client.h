/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What clients may ask, through any door. A client can never reach more than these handlers;
 * a malformed or misplaced message ends its connection and nothing else.
 */
#pragma once

struct conn;
struct wire_message;

/* Handle one message. fd: the descriptor that came with it, or NULL; set to -1 where it was
 * taken over. 0, or a negative errno: end the connection. */
int client_dispatch(struct conn *conn, const struct wire_message *m, int *fd);
