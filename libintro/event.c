/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The queue of event.h, and the calls that take events from it.
 */
#include "event.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "clock.h"
#include "connection.h"

/* Events that a caller who waits for one particular answer may leave behind. */
#define EVENTS_ASIDE 1024u

void in_events_init(struct in_events *events)
{
	*events = (struct in_events){ .last = &events->first };
}

static void event_free(struct in_event *e)
{
	if (e->event.fd >= 0)
		close(e->event.fd);
	free(e);
}

void in_events_clear(struct in_events *events)
{
	while (events->first) {
		struct in_event *e = events->first;

		events->first = e->next;
		event_free(e);
	}
	in_events_init(events);
}

int in_event_push(struct intro *in, const struct intro_event *ev)
{
	struct in_event *e = malloc(sizeof *e);

	if (!e) {
		if (ev->fd >= 0)
			close(ev->fd);
		return -ENOMEM;
	}
	e->next = NULL;
	e->event = *ev;
	*in->events.last = e;
	in->events.last = &e->next;
	in->events.count++;
	return 0;
}

static struct in_event *event_unlink(struct in_events *events, struct in_event **at)
{
	struct in_event *e = *at;

	*at = e->next;
	if (!e->next)
		events->last = at;
	events->count--;
	return e;
}

void in_events_forget(struct intro *in, const struct intro_ref *ref)
{
	struct in_event **at = &in->events.first;

	while (*at) {
		struct intro_event *ev = &(*at)->event;

		if (ev->ref != ref) {
			at = &(*at)->next;
			continue;
		}
		if (ev->what == INTRO_FETCH)
			in_fetch_answer(in, ev->request, -ECONNREFUSED);
		if (ev->what == INTRO_FETCH || ev->what == INTRO_INCOMING ||
		    ev->what == INTRO_BROKEN) {
			event_free(event_unlink(&in->events, at));
			continue;
		}
		ev->ref = NULL;
		at = &(*at)->next;
	}
}

/* Take the first event that answers request, or the first of all (0). */
static bool take(struct intro *in, int request, struct intro_event *ret)
{
	for (struct in_event **at = &in->events.first; *at; at = &(*at)->next) {
		if (request != 0 && (*at)->event.request != request)
			continue;
		*ret = (*at)->event;
		free(event_unlink(&in->events, at));
		return true;
	}
	return false;
}

int intro_next(struct intro *in, struct intro_event *ret)
{
	if (in_foreign(in))
		return -ECHILD;
	return take(in, 0, ret);
}

/* One turn of waiting: 1 there may be news, 0 the time is over, or a negative errno. */
static int turn(struct intro *in, int request, uint64_t deadline)
{
	struct epoll_event e;
	int n, r;

	if (request > 0 && !in_request_find(in, (uint32_t)request))
		return -ENOENT;
	if (in->state == IN_DEAD && !in->requests.first)
		return -ECONNRESET;
	if (in->events.count >= EVENTS_ASIDE)
		return -ENOBUFS;
	n = epoll_wait(in->epoll_fd, &e, 1, in_left_ms(deadline));
	/* This comes without any handler, too, when a stopped process goes on: signal(7). */
	if (n < 0 && errno == EINTR)
		return 1;
	if (n <= 0)
		return n < 0 ? -errno : 0;
	r = in_connection_dispatch(in, request > 0 ? EVENTS_ASIDE : IN_EVENTS_AHEAD);
	return r < 0 ? r : 1;
}

int intro_wait(struct intro *in, int request, int timeout_ms, struct intro_event *ret)
{
	uint64_t deadline = in_deadline(timeout_ms);
	int r = 1;

	if (in_foreign(in))
		return -ECHILD;
	if (request < 0)
		return -EINVAL;
	while (r > 0 && !take(in, request, ret))
		r = turn(in, request, deadline);
	/* What was left aside must not go unnoticed by someone who polls intro_fd() next. */
	if (request > 0 && in->events.first)
		in_timer_at(in, IN_AT_ONCE);
	return r;
}
