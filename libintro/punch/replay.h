/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which numbers have been used: a window behind the highest one (RFC 6479). As wide as a spray,
 * whose probes come in any order.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define REPLAY_WINDOW 4096u

struct replay {
	uint32_t top;		/* the highest number used; 0: none, and never a number */
	uint64_t used[REPLAY_WINDOW / 64];
};

/* true where the number is new, and from now on it is not. */
bool replay_take(struct replay *r, uint32_t number);
