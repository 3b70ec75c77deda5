/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Listings for the administrator: rows, sent as fast as they are read and no faster.
 */
#pragma once

#include <stdbool.h>

struct conn;
struct listing;
struct wire_message;

/* A LIST: begin. 0, or a negative errno: end the connection. */
int listing_start(struct conn *conn, const struct wire_message *m);

/* Go on where the connection's queue was full. True when the listing is complete. */
bool listing_continue(struct conn *conn);

void listing_free(struct listing *listing);
