/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The loop of loop.h.
 */
#include "loop.h"

#include <errno.h>
#include <limits.h>
#include <sys/epoll.h>
#include <time.h>

#include "fd.h"

int64_t loop_now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

int loop_init(struct loop *loop)
{
	loop->timers = NULL;
	loop->epoll = epoll_create1(EPOLL_CLOEXEC);
	return loop->epoll < 0 ? -errno : 0;
}

void loop_end(struct loop *loop)
{
	closep(&loop->epoll);
	loop->epoll = -1;
}

static int control(struct loop *loop, int op, struct loop_source *source, uint32_t events)
{
	struct epoll_event event = { .events = events, .data.ptr = source };

	if (epoll_ctl(loop->epoll, op, source->fd, &event) < 0)
		return -errno;
	source->events = events;
	return 0;
}

int loop_add(struct loop *loop, struct loop_source *source, uint32_t events)
{
	return control(loop, EPOLL_CTL_ADD, source, events);
}

int loop_change(struct loop *loop, struct loop_source *source, uint32_t events)
{
	return source->events == events ? 0 : control(loop, EPOLL_CTL_MOD, source, events);
}

void loop_remove(struct loop *loop, struct loop_source *source)
{
	if (source->fd >= 0)
		epoll_ctl(loop->epoll, EPOLL_CTL_DEL, source->fd, NULL);
	source->fd = -1;
}

void loop_disarm(struct loop *loop, struct loop_timer *timer)
{
	if (!timer->due_ms)
		return;
	for (struct loop_timer **t = &loop->timers; *t; t = &(*t)->next) {
		if (*t == timer) {
			*t = timer->next;
			break;
		}
	}
	timer->due_ms = 0;
}

void loop_arm(struct loop *loop, struct loop_timer *timer, int64_t due_ms)
{
	loop_disarm(loop, timer);
	timer->due_ms = due_ms;
	timer->next = loop->timers;
	loop->timers = timer;
}

static struct loop_timer *first_due(const struct loop *loop)
{
	struct loop_timer *first = loop->timers;

	for (struct loop_timer *t = first; t; t = t->next)
		if (t->due_ms < first->due_ms)
			first = t;
	return first;
}

int loop_step(struct loop *loop)
{
	struct loop_timer *timer = first_due(loop);
	struct epoll_event event;
	int timeout = -1, n;

	if (timer) {
		int64_t left = timer->due_ms - loop_now_ms();

		timeout = left <= 0 ? 0 : left > INT_MAX ? INT_MAX : (int)left;
	}
	/* one at a time, since what happens may remove other sources */
	n = epoll_wait(loop->epoll, &event, 1, timeout);
	if (n < 0)
		return errno == EINTR ? 0 : -errno;
	if (n > 0) {
		struct loop_source *source = event.data.ptr;

		source->ready(source, event.events);
	}
	/* timers too when descriptors are always ready */
	timer = first_due(loop);
	if (timer && timer->due_ms <= loop_now_ms()) {
		loop_disarm(loop, timer);
		timer->fire(timer);
	}
	return 0;
}
