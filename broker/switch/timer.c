/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The deadlines of timer.h.
 */
#include "timer.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/timerfd.h>
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

/* Wake the loop then, unless it is to wake up earlier. */
static void wake_at(struct timer_heap *heap, uint64_t deadline_usec)
{
	struct itimerspec when = {
		.it_value.tv_sec = (time_t)(deadline_usec / 1000000),
		/* a nanosecond later, since at zero a timer is not set at all */
		.it_value.tv_nsec = (long)(deadline_usec % 1000000 * 1000 + 1),
	};

	if (deadline_usec >= heap->set_usec)
		return;
	heap->set_usec = deadline_usec;
	timerfd_settime(heap->fd, TFD_TIMER_ABSTIME, &when, NULL);
}

int timer_start(struct timer_heap *heap)
{
	int fd = timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC | TFD_NONBLOCK);

	if (fd < 0)
		return -errno;
	*heap = (struct timer_heap){ .fd = fd, .set_usec = UINT64_MAX };
	return 0;
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
	wake_at(heap, deadline_usec);
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

void timer_run(struct timer_heap *heap)
{
	heap->set_usec = UINT64_MAX;
	while (heap->used > 0 && at(heap, 1)->deadline_usec <= timer_now()) {
		struct timer *t = at(heap, 1);

		timer_disarm(heap, t);
		t->due(t);
	}
	if (heap->used > 0)
		wake_at(heap, at(heap, 1)->deadline_usec);
}
