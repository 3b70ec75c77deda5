/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a connection has not taken yet: packets without descriptors, in order. A connection
 * with a queue is not read, so that only events that we send on our own can lengthen it.
 */
#pragma once

#include <stdbool.h>

struct conn;

/* Send what is queued. True when nothing is left and the connection is not doomed. */
bool queue_flush(struct conn *conn);

void queue_clear(struct conn *conn);
