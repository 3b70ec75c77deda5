/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Openings of opening.h.
 */
#include "opening.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fd.h"

#define PAUSE_FIRST_MS 5u
#define PAUSE_MOST_MS 200u

static void advance(struct opening *o);

static void drop_fd(struct opening *o)
{
	loop_disarm(o->loop, &o->timer);
	if (o->fd < 0)
		return;
	loop_remove(o->loop, &o->source);
	close(o->fd);
	o->fd = -1;
}

/* result: a negative errno, or 0: o->fd is what was wanted. */
static void finish(struct opening *o, int result)
{
	int fd = result;

	if (result >= 0) {
		loop_disarm(o->loop, &o->timer);
		loop_remove(o->loop, &o->source);
		fd = fd_steal(&o->fd);
		result = fd_set_blocking(fd);
		if (result < 0) {
			close(fd);
			fd = result;
		}
	}
	drop_fd(o);
	o->done(o, fd);
}

static void on_timer(struct loop_timer *timer)
{
	struct opening *o = container_of(timer, struct opening, timer);

	if (o->fd >= 0)
		o->error = -ETIMEDOUT;
	drop_fd(o);
	advance(o);
}

static void on_connected(struct loop_source *source, uint32_t events)
{
	struct opening *o = container_of(source, struct opening, source);
	int error = 0;
	socklen_t len = sizeof error;

	(void)events;
	if (getsockopt(o->fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0)
		error = errno;
	if (error == 0) {
		finish(o, 0);
		return;
	}
	o->error = -error;
	drop_fd(o);
	advance(o);
}

static void on_resolved(struct loop_source *source, uint32_t events)
{
	struct opening *o = container_of(source, struct opening, source);
	int r;

	(void)events;
	r = target_resolved(o->target, o->fd);
	drop_fd(o);
	if (r < 0) {
		o->error = r;
		finish(o, r);
	} else {
		advance(o);
	}
}

/* Wait on o->fd, until the deadline or this long. */
static void watch(struct opening *o, void (*ready)(struct loop_source *, uint32_t),
		  uint32_t events, int64_t until_ms)
{
	int r;

	o->source = (struct loop_source){ .fd = o->fd, .ready = ready };
	r = loop_add(o->loop, &o->source, events);
	if (r < 0) {
		finish(o, r);
		return;
	}
	loop_arm(o->loop, &o->timer, until_ms);
}

static void pause_until_later(struct opening *o)
{
	o->pause_ms = o->pause_ms ? 2 * o->pause_ms : PAUSE_FIRST_MS;
	if (o->pause_ms > PAUSE_MOST_MS)
		o->pause_ms = PAUSE_MOST_MS;
	loop_arm(o->loop, &o->timer, loop_now_ms() + o->pause_ms);
}

/* All addresses were tried in vain. */
static void exhausted(struct opening *o)
{
	bool again = o->error == -EAGAIN || o->error == -ETIMEDOUT;
	int64_t now = loop_now_ms();

	if (now < o->target->patient_ms && (o->error == -ECONNREFUSED || o->error == -ENOENT))
		again = true;
	if (!again || now >= o->deadline_ms) {
		/* a client must not take a missing file for a missing name */
		finish(o, o->error == -EAGAIN ? -ETIMEDOUT :
			  o->error == -ENOENT ? -ECONNREFUSED : o->error);
		return;
	}
	o->next = 0;
	pause_until_later(o);
}

/* Try the next address: true when nothing more is to be done now. */
static bool try_next(struct opening *o)
{
	const struct address *a = &o->target->address[o->next];
	int64_t now = loop_now_ms(), share;

	share = (o->deadline_ms - now) / (o->target->naddresses - o->next);
	o->next++;
	o->fd = socket(a->sa.ss_family, o->type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (o->fd < 0) {
		o->error = -errno;
		return false;
	}
	if (connect(o->fd, (const struct sockaddr *)&a->sa, a->len) == 0) {
		finish(o, 0);
		return true;
	}
	if (errno == EINPROGRESS) {
		watch(o, on_connected, EPOLLOUT, now + (share > 1 ? share : 1));
		return true;
	}
	/* EAGAIN: an AF_UNIX backlog is full, and nothing tells when it has room */
	o->error = -errno;
	drop_fd(o);
	return false;
}

static void advance(struct opening *o)
{
	int r;

	if (loop_now_ms() >= o->deadline_ms) {
		exhausted(o);
		return;
	}
	if (!target_is_fresh(o->target) && o->next == 0) {
		r = target_resolve(o->target, &o->fd);
		if (r < 0)
			finish(o, r);
		else
			watch(o, on_resolved, EPOLLIN, o->deadline_ms);
		return;
	}
	while (o->next < o->target->naddresses && loop_now_ms() < o->deadline_ms)
		if (try_next(o))
			return;
	exhausted(o);
}

void opening_start(struct opening *o)
{
	o->fd = -1;
	o->source.fd = -1;
	o->timer = (struct loop_timer){ .fire = on_timer };
	o->next = 0;
	o->error = -ETIMEDOUT;
	o->pause_ms = 0;
	o->deadline_ms = loop_now_ms() + OPENING_MS;
	advance(o);
}
