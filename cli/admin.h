/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A client of control.sock: one request at a time, every wait bounded.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "../libintro/wire/message.h"

struct admin {
	int sock;
	uint32_t serial;
	uint8_t packet[WIRE_PACKET_MAX];	/* what was received last */
};

/* Find the broker (start.h) and connect. Complains itself: CODE_OK or an exit code. */
int admin_open(struct admin *a, bool start);
void admin_close(struct admin *a);

/* Begin a request in buf, a packet's size. */
void admin_begin(struct admin *a, struct wire_writer *w, uint8_t buf[static WIRE_PACKET_MAX],
		 enum wire_type type);

/* Send it. 0 or a negative errno. */
int admin_send(struct admin *a, const struct wire_writer *w);

/* The next message about the last request: 1 a ROW or an EVENT, 0 its reply, which said
 * success, or a negative errno: what the reply said, -ETIMEDOUT, -ECONNRESET. *ret is valid
 * until the next call. timeout_ms -1: for ever. */
int admin_next(struct admin *a, struct wire_message *ret, int timeout_ms);

/* Send and wait for the reply: 0 or a negative errno. */
int admin_call(struct admin *a, const struct wire_writer *w, struct wire_message *ret);

/* How long a broker that lives may take. */
#define ADMIN_TIMEOUT_MS 10000
