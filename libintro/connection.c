/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Connections of connection.h: opening, losing and finding the broker again, and the turn of
 * the event loop.
 */
#include "connection.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <sys/timerfd.h>

#include "cleanup.h"
#include "clock.h"
#include "receive.h"

/* Between attempts to reach a broker: at once, then this, doubling. */
#define DELAY_FIRST_MS 10u
#define DELAY_MAX_MS 500u

/* Packets received in one dispatch, so that output and timers get their turn. */
#define PACKETS_A_TURN 32

/* "fd:N": sockets joined in a row that may end without a word before N is given up. */
#define FRUITLESS_MAX 2u

uint32_t in_serial_new(struct intro *in)
{
	do {
		if (in->serial == INT32_MAX)
			in->wrapped = true;
		in->serial = in->serial % INT32_MAX + 1;
	} while (in->wrapped && in_request_find(in, in->serial));
	return in->serial;
}

/* 0 turns it off. An expiry that nobody has seen yet is forgotten, so it is never read. */
static void timer_set(struct intro *in, uint64_t when)
{
	struct itimerspec at = {
		.it_value = { .tv_sec = (time_t)(when / 1000000u),
			      .tv_nsec = (long)(when % 1000000u) * 1000 },
	};

	timerfd_settime(in->timer_fd, TFD_TIMER_ABSTIME, &at, NULL);
	in->armed_at = when;
}

void in_timer_at(struct intro *in, uint64_t when)
{
	if (!in->armed_at || when < in->armed_at)
		timer_set(in, when);
}

static void retry_later(struct intro *in)
{
	in->retry_at = in_now() + in->delay_ms * 1000u;
	in->delay_ms = in->delay_ms ? in->delay_ms * 2 : DELAY_FIRST_MS;
	if (in->delay_ms > DELAY_MAX_MS)
		in->delay_ms = DELAY_MAX_MS;
	in_timer_at(in, in->retry_at);
}

static int watch(struct intro *in, int op, uint32_t events)
{
	struct epoll_event e = { .events = events, .data.fd = in->sock };

	return epoll_ctl(in->epoll_fd, op, in->sock, &e) < 0 ? -errno : 0;
}

void in_connection_watch_output(struct intro *in, bool on)
{
	if (in->state != IN_UP || in->writing == on)
		return;
	if (watch(in, EPOLL_CTL_MOD, on ? EPOLLIN | EPOLLOUT : EPOLLIN) == 0)
		in->writing = on;
}

static void connection_dead(struct intro *in)
{
	in->state = IN_DEAD;
	in_timer_at(in, IN_AT_ONCE);
}

void in_connection_lost(struct intro *in, bool broken)
{
	bool wanted;

	if (in->state != IN_UP)
		return;
	/* A child may hold a copy of the socket, which close() alone would leave watched. */
	epoll_ctl(in->epoll_fd, EPOLL_CTL_DEL, in->sock, NULL);
	close(in_steal(&in->sock));
	in->state = IN_DOWN;
	in->writing = false;
	in_output_clear(&in->output);
	in_fetches_clear(in);
	wanted = in_requests_unsend(in);

	if (broken && in->delay_ms == 0)
		in->delay_ms = DELAY_FIRST_MS;
	in->fruitless = in->proven && !broken ? 0 : in->fruitless + 1;
	if (in->door.shared >= 0 && in->fruitless >= FRUITLESS_MAX)
		connection_dead(in);
	else if (wanted)
		retry_later(in);
}

void in_connection_refused(struct intro *in, int error)
{
	in_requests_refused(in, error);
	/* There is a broker, and it talks. */
	in->fruitless = 0;
	in_connection_lost(in, true);
}

/* Use a new socket (taken over). */
static void connection_up(struct intro *in, int sock)
{
	int r;

	in->sock = sock;
	if (watch(in, EPOLL_CTL_ADD, EPOLLIN) < 0) {
		close(in_steal(&in->sock));
		retry_later(in);
		return;
	}
	in->state = IN_UP;
	in->proven = false;
	in->retry_at = 0;
	in->replaying = true;
	r = in_requests_replay(in);
	in->replaying = false;
	if (r < 0)
		in_connection_lost(in, true);
}

static void connection_try(struct intro *in)
{
	int sock, r;

	in->retry_at = 0;
	r = in_door_connect(&in->door, 0, &sock);
	if (r == 0)
		connection_up(in, sock);
	else if (r == -ECONNRESET && in->door.shared >= 0)
		connection_dead(in);
	else
		retry_later(in);
}

void in_connection_want(struct intro *in)
{
	if (in->state == IN_DOWN && !in->retry_at)
		connection_try(in);
}

static void timer_run(struct intro *in)
{
	uint64_t now = in_now(), due;

	timer_set(in, 0);
	if (in->state == IN_DOWN && in->retry_at && now >= in->retry_at)
		connection_try(in);
	if (in->state == IN_UP && in->output.retry_at && now >= in->output.retry_at)
		in_output_flush(in);
	if (in->state == IN_DEAD) {
		in_requests_fail_all(in, -ECONNRESET);
		in_references_break(in, -ECONNRESET);
	}

	due = in_requests_due(in, now);
	if (in->state == IN_DOWN && in->retry_at && in->retry_at < due)
		due = in->retry_at;
	if (in->output.retry_at && in->output.retry_at < due)
		due = in->output.retry_at;
	if (due != IN_NEVER)
		in_timer_at(in, due);
}

int in_connection_dispatch(struct intro *in, unsigned int limit)
{
	int r = 1;

	for (int i = 0; r > 0 && i < PACKETS_A_TURN; i++) {
		if (in->state != IN_UP || in->events.count >= limit)
			break;
		r = in_receive(in);
	}
	if (in->state == IN_UP && in->writing)
		in_output_flush(in);
	if (in->armed_at && in_now() >= in->armed_at)
		timer_run(in);
	return r < 0 ? r : 0;
}

/* Choose among the doors found: the first behind which a broker answers now, else the first
 * whose directory is there. 0 or a negative errno. */
static int choose(struct intro *in, const struct in_door *doors, int n)
{
	int first = -1, error = -ENOTCONN;

	for (int i = 0; i < n; i++) {
		int sock, r = in_door_connect(&doors[i], 0, &sock);

		if (r == -EACCES || (r == -ECONNRESET && doors[i].shared >= 0)) {
			error = r;
			continue;
		}
		if (r == 0 || r == -EAGAIN) {
			in->door = doors[i];
			if (r == 0)
				connection_up(in, sock);
			return 0;
		}
		if (first < 0 && in_door_expected(&doors[i]))
			first = i;
	}
	if (first < 0)
		return error;
	in->door = doors[first];
	return 0;
}

int intro_open(struct intro **ret, const char *door)
{
	struct in_door doors[IN_DOORS];
	struct epoll_event e = { .events = EPOLLIN };
	struct stat st;
	struct intro *in;
	int n, r;

	n = in_door_find(doors, door);
	if (n < 0)
		return n;
	in = calloc(1, sizeof *in);
	if (!in)
		return -ENOMEM;
	in->owner = getpid();
	in->sock = -1;
	in->batch = 1;
	in->userns = stat("/proc/self/ns/user", &st) == 0 ? st.st_ino : 0;
	in_output_init(&in->output);
	in_requests_init(&in->requests);
	in_events_init(&in->events);

	in->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	in->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (in->epoll_fd < 0 || in->timer_fd < 0 ||
	    epoll_ctl(in->epoll_fd, EPOLL_CTL_ADD, in->timer_fd, &e) < 0)
		r = -errno;
	else
		r = choose(in, doors, n);
	if (r < 0) {
		intro_close(in);
		return r;
	}
	*ret = in;
	return 0;
}

struct intro *intro_close(struct intro *in)
{
	if (!in)
		return NULL;
	in_requests_clear(&in->requests);
	in_references_clear(&in->references);
	in_events_clear(&in->events);
	in_fetches_clear(in);
	in_output_clear(&in->output);
	in_closep(&in->sock);
	in_closep(&in->timer_fd);
	in_closep(&in->epoll_fd);
	free(in);
	return NULL;
}

int intro_fd(const struct intro *in)
{
	return in_foreign(in) ? -ECHILD : in->epoll_fd;
}

int intro_dispatch(struct intro *in)
{
	return in_foreign(in) ? -ECHILD : in_connection_dispatch(in, IN_EVENTS_AHEAD);
}
