/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an agent asks of the broker: to serve a name, to place a socket, for the doors'
 * listeners.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "agent.h"
#include "fd.h"
#include "refusal.h"

#define BUSY_PAUSE_MS 100	/* between tries for a name that is not free */
#define BATCH 16		/* introductions a packet, where the program is one process */

static void refuse(struct agent *a, enum wanted wanted, int error)
{
	agent_end(a, refused(wanted, a->plan->name, a->door, error));
}

static void ask_serve(struct agent *a)
{
	struct intro_service service = {
		.types = a->plan->types,
		.fetch = a->plan->deliver == DELIVER_OPEN,
		.leash = a->plan->deliver == DELIVER_STDIO || a->plan->deliver == DELIVER_OPEN,
		.batch = a->plan->deliver == DELIVER_SOCKPAIR ? BATCH : 1,
	};
	int r = intro_serve(a->in, a->plan->name, &service, &a->served);

	if (r < 0)
		refuse(a, WANTED_SERVE, r);
	else
		a->serve_request = r;
}

static void ask_place(struct agent *a)
{
	const char *slash = strrchr(a->plan->place, '/');
	const char *file = slash ? slash + 1 : a->plan->place;
	_cleanup_close_ int dir = -1;
	char directory[4096];
	int n, r;

	n = snprintf(directory, sizeof directory, "%.*s",
		     slash ? (int)(slash - a->plan->place) + 1 : 1, slash ? a->plan->place : ".");
	dir = n > 0 && (size_t)n < sizeof directory ?
		      open(directory, O_PATH | O_DIRECTORY | O_CLOEXEC) :
		      -1;
	if (dir < 0) {
		agent_end(a, failed(-errno, "cannot place \"%s\": the directory %s", a->plan->name,
				    directory));
		return;
	}
	r = intro_place(a->in, a->plan->name, dir, file, &a->placed);
	if (r < 0)
		refuse(a, WANTED_PLACE, r);
	else
		a->place_request = r;
}

static void ask_again(struct loop_timer *timer)
{
	struct agent *a = container_of(timer, struct agent, busy_timer);

	if (!a->served && a->plan->deliver != DELIVER_NOTHING)
		ask_serve(a);
	if (!a->placed && a->plan->place && !a->ending)
		ask_place(a);
}

void offer_begin(struct agent *a)
{
	a->busy_until_ms = a->plan->wait_ms < 0 ? INT64_MAX :
						  loop_now_ms() + a->plan->wait_ms;
	a->busy_timer.fire = ask_again;
	ask_again(&a->busy_timer);
}

/* The name is served by somebody else: try again, while there is time. */
static bool again(struct agent *a, const struct intro_event *e)
{
	if (e->error != -EBUSY || loop_now_ms() >= a->busy_until_ms)
		return false;
	loop_arm(&a->loop, &a->busy_timer, loop_now_ms() + BUSY_PAUSE_MS);
	return true;
}

static void on_refused(struct agent *a, const struct intro_event *e)
{
	if (e->request == a->serve_request) {
		a->serve_request = 0;
		a->served = intro_unref(a->served);
		if (!again(a, e))
			refuse(a, WANTED_SERVE, e->error);
	} else if (e->request == a->place_request) {
		a->place_request = 0;
		a->placed = intro_unref(a->placed);
		if (!again(a, e))
			refuse(a, WANTED_PLACE, e->error);
	} else if (e->request == a->listeners_request) {
		a->listeners_request = 0;
		agent_end(a, failed(e->error, "cannot get the doors' listeners for \"%s\"",
				    a->plan->name));
	}
}

static void add_listener(struct agent *a, const struct intro_event *e)
{
	size_t used = strlen(a->listener_names);

	/* one slot is the private listener's */
	if (a->nlisteners + 1 >= LISTENERS_MAX) {
		complain("\"%s\" is granted in more than %u doors: the door %s is left out",
			 a->plan->name, LISTENERS_MAX - 1, e->door);
		close(e->fd);
		return;
	}
	/* a program that was not told of O_NONBLOCK accepts until it is told that it may not */
	fd_set_blocking(e->fd);
	snprintf(a->listener_names + used, sizeof a->listener_names - used, "%s%s",
		 used ? ":" : "", e->door);
	a->listeners[a->nlisteners++] = e->fd;
}

static bool everything_asked_for(const struct agent *a)
{
	return (a->served || a->plan->deliver == DELIVER_NOTHING) &&
	       (a->placed || !a->plan->place);
}

static void on_done(struct agent *a, const struct intro_event *e)
{
	if (e->request == a->serve_request) {
		a->serve_request = 0;
		if (a->plan->listen_doors) {
			int r = intro_listeners(a->served);

			if (r < 0)
				agent_end(a, failed(r, "cannot get the doors' listeners"));
			else
				a->listeners_request = r;
		}
	} else if (e->request == a->place_request) {
		a->place_request = 0;
	} else if (e->request == a->listeners_request) {
		a->listeners_request = 0;
	} else {
		return;
	}
	if (!a->ending && everything_asked_for(a) && !a->serve_request && !a->place_request &&
	    !a->listeners_request)
		agent_offered(a);
}

void offer_event(struct agent *a, const struct intro_event *e)
{
	switch (e->what) {
	case INTRO_DONE:
		on_done(a, e);
		break;
	case INTRO_REFUSED:
		on_refused(a, e);
		break;
	case INTRO_LISTENER:
		add_listener(a, e);
		break;
	case INTRO_BROKEN:
		if (e->ref && (e->ref == a->served || e->ref == a->placed) && !a->ending)
			agent_end(a, failed(e->error, "\"%s\" may no longer be served through the "
					    "door %s", a->plan->name, a->door));
		break;
	default:
		break;
	}
}

void offer_withdraw(struct agent *a)
{
	loop_disarm(&a->loop, &a->busy_timer);
	a->serve_request = a->place_request = a->listeners_request = 0;
	a->served = intro_unref(a->served);
	a->placed = intro_unref(a->placed);
}
