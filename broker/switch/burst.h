/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whether to look for another connection at a listener before the loop goes round. Where many
 * come at once that saves a round each, and a service that takes batches gets them as one; where
 * they come one by one a look finds nothing, and is taken ever more rarely.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* Accepted in one round at most. */
#define BURST_MAX 16u

#define BURST_SKIP_MAX 63u

struct burst {
	uint8_t skip;	/* looks to be left out now */
	uint8_t last;	/* and how many that were */
};

static inline bool burst_look(struct burst *b)
{
	if (b->skip == 0)
		return true;
	b->skip--;
	return false;
}

static inline void burst_seen(struct burst *b, bool more)
{
	if (more)
		b->last = 0;
	else if (b->last < BURST_SKIP_MAX)
		b->last = (uint8_t)(b->last * 2 + 1);
	b->skip = b->last;
}
