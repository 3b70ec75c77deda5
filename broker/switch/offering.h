/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What those ask who offer something: serve a name, place a socket, keep a descriptor, answer
 * for a socket opened. Handlers of client.c's table, which see to it that fd is there where
 * it is required.
 */
#pragma once

struct conn;
struct wire_message;

int on_serve(struct conn *conn, const struct wire_message *m, int *fd);
int on_place(struct conn *conn, const struct wire_message *m, int *fd);
int on_hold(struct conn *conn, const struct wire_message *m, int *fd);
int on_take(struct conn *conn, const struct wire_message *m, int *fd);
int on_listeners(struct conn *conn, const struct wire_message *m, int *fd);
int on_fetched(struct conn *conn, const struct wire_message *m, int *fd);
int on_attest(struct conn *conn, const struct wire_message *m, int *fd);
