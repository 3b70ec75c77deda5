/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Deadlines: a binary heap. The loop sleeps until the earliest of them.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct timer {
	uint64_t deadline_usec;	/* CLOCK_BOOTTIME */
	size_t place;		/* in the heap, from 1; 0: not armed */
	void (*due)(struct timer *t);
};

struct timer_heap {
	struct timer **timers;
	size_t used, size;
};

/* CLOCK_BOOTTIME in microseconds. */
uint64_t timer_now(void);

static inline bool timer_armed(const struct timer *t)
{
	return t->place != 0;
}

/* Arm, or move to another deadline. 0 or -ENOMEM. due() may free its timer. */
int timer_arm(struct timer_heap *heap, struct timer *t, uint64_t deadline_usec);
void timer_disarm(struct timer_heap *heap, struct timer *t);

/* Call what is due. Returns milliseconds until the next deadline, rounded up, or -1. */
int timer_run(struct timer_heap *heap);

/* The same without calling anything: what is due by now gives 0. */
int timer_sleep(const struct timer_heap *heap);
