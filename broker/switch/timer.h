/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Deadlines: a binary heap, and one timerfd(2) that wakes the loop at the earliest of them. It
 * is set where that gets earlier or has passed, so that a round of the loop in which nothing is
 * due asks for no time and arms no timer of the kernel's.
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
	int fd;			/* the timerfd: readable at the next deadline, or before */
	uint64_t set_usec;	/* what it was set to; UINT64_MAX: nothing */
};

/* A heap without timers. 0 or a negative errno. Its descriptor is the heap's, to be polled for
 * EPOLLIN | EPOLLET and never read. */
int timer_start(struct timer_heap *heap);

/* CLOCK_BOOTTIME in microseconds. */
uint64_t timer_now(void);

static inline bool timer_armed(const struct timer *t)
{
	return t->place != 0;
}

/* Arm, or move to another deadline. 0 or -ENOMEM. due() may free its timer. */
int timer_arm(struct timer_heap *heap, struct timer *t, uint64_t deadline_usec);
void timer_disarm(struct timer_heap *heap, struct timer *t);

/* Call what is due: whenever the descriptor has become readable. */
void timer_run(struct timer_heap *heap);
