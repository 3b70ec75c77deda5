/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The switch's deadlines: what is due is called, once, in order, and nothing else.
 */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "../../broker/switch/timer.h"
#include "harness.h"

enum { TIMERS = 1000 };

#define MINUTE UINT64_C(60000000)

static struct timer_heap heap;
static struct timer timers[TIMERS];
static uint64_t last;	/* deadline of the one that was due last */
static int called;

static void count(struct timer *t)
{
	cr_assert(!timer_armed(t));
	cr_assert_geq(t->deadline_usec, last);
	last = t->deadline_usec;
	called++;
}

static void begin(void (*due)(struct timer *t))
{
	last = 0;
	called = 0;
	srand(1);
	cr_assert_eq(timer_start(&heap), 0);
	for (int i = 0; i < TIMERS; i++)
		timers[i] = (struct timer){ .due = due };
}

static void end(void)
{
	cr_assert_eq(heap.used, 0);
	free(heap.timers);
	close(heap.fd);
}

/* Does the loop wake up within so many milliseconds? */
static bool wakes(int ms)
{
	return poll(&(struct pollfd){ .fd = heap.fd, .events = POLLIN }, 1, ms) > 0;
}

TEST(timer, calls_what_is_due_in_order)
{
	begin(count);
	timer_run(&heap);
	cr_assert(!wakes(0));
	for (int i = 0; i < TIMERS; i++)
		cr_assert_eq(timer_arm(&heap, &timers[i], 1 + (uint64_t)(rand() % 500)), 0);
	cr_assert(wakes(HANG_MS));
	timer_run(&heap);
	cr_assert_eq(called, TIMERS);
	timer_run(&heap);
	cr_assert_eq(called, TIMERS);
	end();
}

/* Armed, moved and disarmed at random: those that are armed for the past are due. */
TEST(timer, calls_what_is_left_after_changes)
{
	uint64_t now = timer_now();
	int armed = 0, due = 0;

	begin(count);
	for (int i = 0; i < 50 * TIMERS; i++) {
		struct timer *t = &timers[rand() % TIMERS];
		uint64_t deadline = 1 + (uint64_t)(rand() % 10000);

		if (rand() % 3 == 0)
			timer_disarm(&heap, t);
		else
			cr_assert_eq(timer_arm(&heap, t, rand() % 2 ? deadline :
							 now + 60 * MINUTE + deadline), 0);
	}
	for (int i = 0; i < TIMERS; i++) {
		armed += timer_armed(&timers[i]);
		due += timer_armed(&timers[i]) && timers[i].deadline_usec < now;
	}
	cr_assert(due > 0 && armed > due);
	cr_assert_eq(heap.used, (size_t)armed);
	timer_run(&heap);
	cr_assert(!wakes(0), "it sleeps for the rest");
	cr_assert_eq(called, due);
	for (int i = 0; i < TIMERS; i++) {
		cr_assert(!timer_armed(&timers[i]) || timers[i].deadline_usec > now);
		timer_disarm(&heap, &timers[i]);
		cr_assert(!timer_armed(&timers[i]));
	}
	end();
}

/* Whatever was armed and disarmed before, the loop is not awake later than the earliest. */
TEST(timer, notices_what_became_the_earliest)
{
	begin(count);
	timer_arm(&heap, &timers[0], timer_now() + MINUTE);
	for (int i = 1; i <= 200; i++) {
		cr_assert(!wakes(0));
		last = 0;
		timer_arm(&heap, &timers[1], 1);
		cr_assert(wakes(HANG_MS));
		cr_assert_eq(called, i - 1, "arming calls nothing");
		timer_run(&heap);
		cr_assert_eq(called, i);
	}
	timer_disarm(&heap, &timers[0]);
	end();
}

/* The earliest is disarmed: the loop may wake up at its time once, and then sleeps on. */
TEST(timer, sleeps_on_for_what_is_later)
{
	begin(count);
	timer_arm(&heap, &timers[0], UINT64_MAX - 1);
	timer_arm(&heap, &timers[1], timer_now() + MINUTE);
	timer_arm(&heap, &timers[2], 1);
	timer_disarm(&heap, &timers[2]);
	cr_assert(wakes(HANG_MS));
	timer_run(&heap);
	cr_assert(!wakes(0));
	cr_assert_eq(heap.set_usec, timers[1].deadline_usec);
	timer_disarm(&heap, &timers[1]);
	timer_run(&heap);
	cr_assert(!wakes(0), "it sleeps as long as a clock can run");
	cr_assert_eq(called, 0);
	timer_disarm(&heap, &timers[0]);
	end();
}

TEST(timer, is_due_when_its_time_has_come)
{
	begin(count);
	for (int i = 1; i <= 20; i++) {
		timer_arm(&heap, &timers[0], timer_now() + 1000);
		while (called < i) {
			bool early = timer_now() < timers[0].deadline_usec;

			timer_run(&heap);
			cr_assert(called < i || !early ||
				  timer_now() >= timers[0].deadline_usec);
			cr_assert(called == i || wakes(HANG_MS), "it overslept");
		}
	}
	end();
}

/* Its own arms it again, the next disarms the one after it, which then is not called, and the
 * others free themselves. */
static struct timer *victim;

static void again(struct timer *t)
{
	if (++called < 5)
		timer_arm(&heap, t, t->deadline_usec);
}

static void disarm_victim(struct timer *t)
{
	(void)t;
	called++;
	timer_disarm(&heap, victim);
}

static void free_itself(struct timer *t)
{
	called++;
	free(t);
}

TEST(timer, may_be_changed_by_what_it_calls)
{
	begin(count);
	timers[0].due = again;
	timer_arm(&heap, &timers[0], 1);
	timer_run(&heap);
	cr_assert_eq(called, 5);

	called = 0;
	victim = &timers[2];
	timers[1].due = disarm_victim;
	timer_arm(&heap, &timers[1], 1);
	timer_arm(&heap, victim, 2);
	timer_run(&heap);
	cr_assert_eq(called, 1);

	called = 0;
	for (int i = 0; i < 100; i++) {
		struct timer *t = calloc(1, sizeof *t);

		t->due = free_itself;
		timer_arm(&heap, t, 1 + (uint64_t)(rand() % 100));
	}
	timer_run(&heap);
	cr_assert_eq(called, 100);
	end();
}
