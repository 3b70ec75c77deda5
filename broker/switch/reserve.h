/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two descriptors kept in reserve, so that a full descriptor table does not stop
 * introductions by pair, which need two for a moment.
 */
#pragma once

#include <stdbool.h>

/* Fill the reserve. 0 or a negative errno. */
int reserve_start(void);

/* socketpair(2), close-on-exec, where need be out of the reserve. 0 or a negative errno. */
int reserve_pair(int type, int pair[2]);

/* Is it in use? Then nothing else is to take its places: no connection is accepted. */
bool reserve_lent(void);

/* Fill it again; at the end of each round. */
void reserve_refill(void);
