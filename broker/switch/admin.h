/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Administration: what whoever can open control.sock may ask.
 */
#pragma once

struct conn;
struct wire_message;

/* Handle one message of a connection. 0, or a negative errno: end it. */
int admin_dispatch(struct conn *conn, const struct wire_message *m);
