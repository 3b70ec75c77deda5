/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The window of replay.h: a ring of bits, cleared as the top moves on.
 */
#include "replay.h"

#include <string.h>

static uint64_t *word(struct replay *r, uint32_t number)
{
	return &r->used[number % REPLAY_WINDOW / 64];
}

bool replay_take(struct replay *r, uint32_t number)
{
	uint64_t bit = 1ull << number % 64;

	if (number == 0)
		return false;
	if (number > r->top) {
		if (number - r->top >= REPLAY_WINDOW)
			memset(r->used, 0, sizeof r->used);
		else
			for (uint32_t n = r->top + 1; n != number; n++)
				*word(r, n) &= ~(1ull << n % 64);
		*word(r, number) &= ~bit;
		r->top = number;
	} else if (r->top - number >= REPLAY_WINDOW) {
		return false;
	}
	if (*word(r, number) & bit)
		return false;
	*word(r, number) |= bit;
	return true;
}
