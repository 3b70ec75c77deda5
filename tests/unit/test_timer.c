/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The switch's deadlines: what is due is called, once, in order, and nothing else.
 */
#include <stdio.h>
#include <stdlib.h>

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
	for (int i = 0; i < TIMERS; i++)
		timers[i] = (struct timer){ .due = due };
}

static void end(void)
{
	cr_assert_eq(heap.used, 0);
	free(heap.timers);
	heap = (struct timer_heap){ 0 };
}

TEST(timer, calls_what_is_due_in_order)
{
	begin(count);
	cr_assert_eq(timer_run(&heap), -1);
	for (int i = 0; i < TIMERS; i++)
		cr_assert_eq(timer_arm(&heap, &timers[i], 1 + (uint64_t)(rand() % 500)), 0);
	cr_assert_eq(timer_run(&heap), -1);
	cr_assert_eq(called, TIMERS);
	cr_assert_eq(timer_run(&heap), -1);
	cr_assert_eq(called, TIMERS);
	end();
}

/* Armed, moved and disarmed at random: those that are armed for the past are due. */
TEST(timer, calls_what_is_left_after_changes)
{
	uint64_t now = timer_now();
	int armed = 0, due = 0, ms;

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
	ms = timer_run(&heap);
	cr_assert(ms > 0 && ms <= 3600000 + 10, "%d ms", ms);
	cr_assert_eq(called, due);
	for (int i = 0; i < TIMERS; i++) {
		cr_assert(!timer_armed(&timers[i]) || timers[i].deadline_usec > now);
		timer_disarm(&heap, &timers[i]);
		cr_assert(!timer_armed(&timers[i]));
	}
	end();
}

TEST(timer, says_how_long_to_sleep)
{
	begin(count);
	timer_arm(&heap, &timers[0], timer_now() + 2 * MINUTE);
	timer_arm(&heap, &timers[1], timer_now() + MINUTE);
	cr_assert(timer_run(&heap) <= 60000);
	timer_arm(&heap, &timers[2], UINT64_MAX - 1);
	timer_disarm(&heap, &timers[0]);
	timer_disarm(&heap, &timers[1]);
	/* longer than an int can say; the coarse clock has to move on first */
	for (int64_t until = now_ms() + HANG_MS; timer_run(&heap) != INT32_MAX;)
		cr_assert_lt(now_ms(), until);
	timer_disarm(&heap, &timers[2]);
	cr_assert_eq(timer_run(&heap), -1);
	cr_assert_eq(called, 0);
	end();
}

/* A look at the clock is saved within a tick of it; what was armed meanwhile must not be. */
TEST(timer, notices_what_became_the_earliest)
{
	begin(count);
	timer_arm(&heap, &timers[0], timer_now() + MINUTE);
	for (int i = 1; i <= 200; i++) {
		cr_assert_gt(timer_run(&heap), 0);
		last = 0;
		timer_arm(&heap, &timers[1], 1);
		cr_assert_gt(timer_run(&heap), 0);
		cr_assert_eq(called, i, "an earlier deadline was not looked at");
	}
	timer_disarm(&heap, &timers[0]);
	end();
}

TEST(timer, is_due_when_its_time_has_come)
{
	begin(count);
	timer_arm(&heap, &timers[0], timer_now() + 20000);
	for (int64_t until = now_ms() + HANG_MS; called == 0;) {
		bool early = timer_now() < timers[0].deadline_usec;
		int ms = timer_run(&heap);

		cr_assert(called == 0 || !early || timer_now() >= timers[0].deadline_usec);
		cr_assert(called > 0 || ms > 0, "a loop that sleeps %d ms spins", ms);
		cr_assert_lt(now_ms(), until);
	}
	end();
}

/* What the loop does: a look before it sleeps, which calls nothing, and a run when it wakes up.
 * What the look said is due is called by the run. */
TEST(timer, looks_before_it_sleeps)
{
	begin(count);
	cr_assert_eq(timer_sleep(&heap), -1);
	timer_arm(&heap, &timers[0], timer_now() + MINUTE);
	for (int i = 1; i <= 200; i++) {
		int ms = timer_run(&heap);

		cr_assert(ms > 0 && ms <= 60000, "%d ms", ms);
		ms = timer_sleep(&heap);
		cr_assert(ms > 0 && ms <= 60000, "%d ms", ms);
		last = 0;
		timer_arm(&heap, &timers[1], 1);
		cr_assert_eq(timer_sleep(&heap), 0);
		cr_assert_eq(called, i - 1, "a look calls nothing");
		timer_run(&heap);
		cr_assert_eq(called, i, "the loop goes round until the clock's next tick");
	}
	timer_disarm(&heap, &timers[0]);
	cr_assert_eq(timer_sleep(&heap), -1);
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
	cr_assert_eq(timer_run(&heap), -1);
	cr_assert_eq(called, 5);

	called = 0;
	victim = &timers[2];
	timers[1].due = disarm_victim;
	timer_arm(&heap, &timers[1], 1);
	timer_arm(&heap, victim, 2);
	cr_assert_eq(timer_run(&heap), -1);
	cr_assert_eq(called, 1);

	called = 0;
	for (int i = 0; i < 100; i++) {
		struct timer *t = calloc(1, sizeof *t);

		t->due = free_itself;
		timer_arm(&heap, t, 1 + (uint64_t)(rand() % 100));
	}
	cr_assert_eq(timer_run(&heap), -1);
	cr_assert_eq(called, 100);
	end();
}
