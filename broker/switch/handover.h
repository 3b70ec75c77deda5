/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hand-overs: what services are sent of the introductions made in one round of the loop, at
 * its end. A service is then woken once a round and not once an introduction; one that asked
 * for it gets up to sixteen in one packet.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct conn;

/* The most bytes that one message of a hand-over has. */
#define HANDOVER_MESSAGE_MAX 512u

/* Room for one more message to this connection, HANDOVER_MESSAGE_MAX bytes; NULL when out of
 * memory. Nothing is sent until it is committed. */
uint8_t *handover_reserve(struct conn *conn);

/* The message reserved last is so long (positive) and brings this descriptor, now taken over;
 * stream: a SOCK_STREAM. */
void handover_commit(struct conn *conn, int len, int fd, bool stream);

/* The message committed last, in this round, is not to be sent after all: its client was not
 * told. Its descriptor, of the switch's own making, is closed. */
void handover_take_back(struct conn *conn);

/* Send all that were collected; at the end of each round. What the kernel has no room for is
 * tried again soon. */
void handover_flush_all(void);

/* The connection ends: what it was not sent is dropped, which its clients see as the end. */
void handover_drop(struct conn *conn);
