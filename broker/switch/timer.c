/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The deadlines of timer.h.
 */
#include "timer.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <time.h>

uint64_t timer_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_BOOTTIME, &ts);
	return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

static void set(struct timer_heap *heap, size_t place, struct timer *t)
{
	heap->timers[place - 1] = t;
	t->place = place;
}

static struct timer *at(const struct timer_heap *heap, size_t place)
{
	return heap->timers[place - 1];
}

static void settle(struct timer_heap *heap, struct timer *t)
{
	size_t place = t->place;

	for (; place > 1; place /= 2) {
		struct timer *above = at(heap, place / 2);

		if (above->deadline_usec <= t->deadline_usec)
			break;
		set(heap, place, above);
	}
	for (;;) {
		size_t below = place * 2;

		if (below < heap->used &&
		    at(heap, below + 1)->deadline_usec < at(heap, below)->deadline_usec)
			below++;
		if (below > heap->used || at(heap, below)->deadline_usec >= t->deadline_usec)
			break;
		set(heap, place, at(heap, below));
		place = below;
	}
	set(heap, place, t);
}

int timer_arm(struct timer_heap *heap, struct timer *t, uint64_t deadline_usec)
{
	if (!t->place) {
		if (heap->used == heap->size) {
			size_t size = heap->size ? heap->size * 2 : 16;
			struct timer **timers;

			timers = reallocarray(heap->timers, size, sizeof(struct timer *));
			if (!timers)
				return -ENOMEM;
			heap->timers = timers;
			heap->size = size;
		}
		set(heap, ++heap->used, t);
	}
	t->deadline_usec = deadline_usec;
	settle(heap, t);
	return 0;
}

void timer_disarm(struct timer_heap *heap, struct timer *t)
{
	size_t place = t->place;
	struct timer *last;

	if (!place)
		return;
	t->place = 0;
	last = at(heap, heap->used--);
	if (last == t)
		return;
	set(heap, place, last);
	settle(heap, last);
}

/* The last look at the clock: the tick it was in, and what the earliest deadline was then. */
static struct {
	struct timespec tick;
	uint64_t first;
	int sleep_msec;
} last;

/* Within a tick of the coarse clock, which costs next to nothing, nothing new is due unless
 * something earlier was armed. */
static bool looked_just_now(const struct timer_heap *heap)
{
	struct timespec now;
	bool same;

	clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
	same = now.tv_nsec == last.tick.tv_nsec && now.tv_sec == last.tick.tv_sec;
	last.tick = now;
	return same && last.sleep_msec > 0 && at(heap, 1)->deadline_usec >= last.first;
}

static int sleep_from(const struct timer_heap *heap, uint64_t now)
{
	uint64_t left;

	last.first = at(heap, 1)->deadline_usec;
	left = last.first > now ? (last.first - now + 999) / 1000 : 0;
	last.sleep_msec = left > INT_MAX ? INT_MAX : (int)left;
	return last.sleep_msec;
}

int timer_run(struct timer_heap *heap)
{
	uint64_t now;

	if (heap->used == 0)
		return -1;
	if (looked_just_now(heap))
		return last.sleep_msec;
	for (now = timer_now(); heap->used > 0 && at(heap, 1)->deadline_usec <= now;) {
		struct timer *t = at(heap, 1);

		timer_disarm(heap, t);
		t->due(t);
	}
	last.first = UINT64_MAX;
	if (heap->used == 0)
		return -1;
	return sleep_from(heap, now);
}

int timer_sleep(const struct timer_heap *heap)
{
	if (heap->used == 0)
		return -1;
	/* Nothing earlier was armed since the last look, within this round. */
	if (at(heap, 1)->deadline_usec == last.first)
		return last.sleep_msec;
	return sleep_from(heap, timer_now());
}
