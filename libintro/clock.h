/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Moments and deadlines inside libintro: microseconds of CLOCK_MONOTONIC, which is what
 * timerfd and the wire's WAIT count in too.
 */
#pragma once

#include <limits.h>
#include <stdint.h>
#include <time.h>

#define IN_NEVER UINT64_MAX

static inline uint64_t in_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000u + (uint64_t)ts.tv_nsec / 1000u;
}

/* The moment timeout_ms from now; IN_NEVER for -1. */
static inline uint64_t in_deadline(int timeout_ms)
{
	return timeout_ms < 0 ? IN_NEVER : in_now() + (uint64_t)timeout_ms * 1000u;
}

/* Microseconds until a deadline, 0 when it is past. */
static inline uint64_t in_left(uint64_t deadline)
{
	uint64_t now;

	if (deadline == IN_NEVER)
		return IN_NEVER;
	now = in_now();
	return deadline > now ? deadline - now : 0;
}

/* The same as poll(2) wants it: milliseconds rounded up, -1 for IN_NEVER. */
static inline int in_left_ms(uint64_t deadline)
{
	uint64_t left = in_left(deadline);

	if (left == IN_NEVER)
		return -1;
	left = (left + 999) / 1000;
	return left > INT_MAX ? INT_MAX : (int)left;
}
