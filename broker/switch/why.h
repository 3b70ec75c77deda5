/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Why a name would, or would not, be introduced through a door now, and what would change
 * that. Complete, therefore only for the administrator.
 */
#pragma once

struct conn;
struct wire_message;

/* A WHY: answer it. 0, or a negative errno: end the connection. */
int why_answer(struct conn *conn, const struct wire_message *m);
