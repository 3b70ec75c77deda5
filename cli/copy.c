/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Each direction is a flow with a pipe in the middle, so that the bytes stay in the kernel
 * (splice(2)); what cannot be spliced (terminals, packets, files opened for appending) goes
 * through a buffer instead. Nothing here relies on O_NONBLOCK, which would be seen by
 * everybody who shares stdin's or stdout's file description.
 */
#include "copy.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "fd.h"

#define CHUNK 65536u	/* bytes; a pipe's default capacity */

enum kind { KIND_OTHER, KIND_SOCKET, KIND_PACKETS };

struct flow {
	int from, to;
	enum kind from_kind, to_kind;
	int pipe[2];
	size_t piped;		/* bytes in the pipe */
	bool plain;		/* splice() refused: use the buffer */
	bool ended;		/* from has no more */
	bool done;		/* nothing flows here any more */
	size_t start, fill;	/* of the buffer */
	char buf[CHUNK];
};

static enum kind kind_of(int fd)
{
	socklen_t len = sizeof(int);
	int type;

	if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) < 0)
		return KIND_OTHER;
	return type == SOCK_STREAM ? KIND_SOCKET : KIND_PACKETS;
}

static int flow_init(struct flow *f, int from, int to)
{
	f->from = from;
	f->to = to;
	f->from_kind = kind_of(from);
	f->to_kind = kind_of(to);
	f->piped = f->start = f->fill = 0;
	f->ended = f->done = false;
	f->pipe[0] = f->pipe[1] = -1;
	f->plain = f->from_kind == KIND_PACKETS || f->to_kind == KIND_PACKETS;
	/* before Linux 6.5 a blocking socket blocks splice() whatever its flags say */
	if (f->to_kind == KIND_SOCKET && !(fcntl(to, F_GETFL) & O_NONBLOCK))
		f->plain = true;
	if (!f->plain && pipe2(f->pipe, O_CLOEXEC | O_NONBLOCK) < 0)
		return -errno;
	return 0;
}

static void flow_close(struct flow *f)
{
	closep(&f->pipe[0]);
	closep(&f->pipe[1]);
}

static bool flow_wants_input(const struct flow *f)
{
	return !f->done && !f->ended && f->fill == 0 && f->piped == 0;
}

static bool flow_wants_output(const struct flow *f)
{
	return !f->done && (f->fill > 0 || f->piped > 0);
}

/* 0, 1 when something came or the end was met, or a negative errno. */
static int flow_read(struct flow *f)
{
	ssize_t n;

	if (!f->plain) {
		n = splice(f->from, NULL, f->pipe[1], NULL, CHUNK,
			   SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
		if (n < 0 && errno == EINVAL) {
			f->plain = true;
		} else {
			if (n < 0)
				return errno == EAGAIN || errno == EINTR ? 0 : -errno;
			f->ended = n == 0;
			f->piped = (size_t)n;
			return 1;
		}
	}

	n = f->from_kind == KIND_OTHER ? read(f->from, f->buf, sizeof f->buf) :
					 recv(f->from, f->buf, sizeof f->buf, MSG_DONTWAIT);
	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	f->ended = n == 0;
	f->start = 0;
	f->fill = (size_t)n;
	return 1;
}

/* What splice() read but will not write: take it back out of the pipe. */
static int flow_unpipe(struct flow *f)
{
	ssize_t n = read(f->pipe[0], f->buf, sizeof f->buf);

	if (n <= 0)
		return n < 0 ? -errno : -EIO;
	f->piped -= (size_t)n;
	f->start = 0;
	f->fill = (size_t)n;
	return 0;
}

static int flow_write(struct flow *f)
{
	ssize_t n;
	int r;

	if (f->piped > 0 && f->fill == 0 && !f->plain) {
		n = splice(f->pipe[0], NULL, f->to, NULL, f->piped,
			   SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
		if (n < 0 && errno == EINVAL) {
			f->plain = true;
		} else {
			if (n < 0)
				return errno == EAGAIN || errno == EINTR ? 0 : -errno;
			f->piped -= (size_t)n;
			return 0;
		}
	}
	if (f->fill == 0) {
		r = flow_unpipe(f);
		if (r < 0)
			return r;
	}

	/* a pipe that polls writable takes PIPE_BUF bytes without blocking */
	if (f->to_kind == KIND_OTHER)
		n = write(f->to, f->buf + f->start, f->fill < PIPE_BUF ? f->fill : PIPE_BUF);
	else
		n = send(f->to, f->buf + f->start, f->fill, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	f->start += (size_t)n;
	f->fill -= (size_t)n;
	return 0;
}

/* The flow is over: tell both sides, as far as they can be told. */
static void flow_finish(struct flow *f)
{
	f->done = true;
	f->fill = f->piped = 0;
	if (f->to_kind != KIND_OTHER)
		shutdown(f->to, SHUT_WR);
	if (!f->ended && f->from_kind != KIND_OTHER)
		shutdown(f->from, SHUT_RD);
}

static int flow_step(struct flow *f, short in, short out)
{
	int r = 0;

	if (f->done)
		return 0;
	if (in && flow_wants_input(f))
		r = flow_read(f);
	/* what was just read most often goes straight on */
	if (r >= 0 && (out || r > 0) && flow_wants_output(f))
		r = f->to_kind == KIND_OTHER && !out ? 0 : flow_write(f);
	if (r < 0 || (f->ended && !flow_wants_output(f)))
		flow_finish(f);
	return r < 0 ? r : 0;
}

static int copy_flows(struct flow *flows, size_t n, const struct flow *until)
{
	int error = 0;

	for (;;) {
		struct pollfd p[4];
		bool going = false;

		for (size_t i = 0; i < n; i++) {
			bool in = flow_wants_input(&flows[i]);
			bool out = flow_wants_output(&flows[i]);

			p[2 * i] = (struct pollfd){ in ? flows[i].from : -1, POLLIN, 0 };
			p[2 * i + 1] = (struct pollfd){ out ? flows[i].to : -1, POLLOUT, 0 };
			going |= !flows[i].done;
		}
		if (!going || (until && until->done))
			return error;
		if (poll(p, 2 * (nfds_t)n, -1) < 0 && errno != EINTR)
			return -errno;
		for (size_t i = 0; i < n; i++) {
			int r = flow_step(&flows[i], p[2 * i].revents, p[2 * i + 1].revents);

			if (r < 0 && !error)
				error = r;
		}
	}
}

int copy_both(struct copy_end a, struct copy_end b, enum copy_until until)
{
	_cleanup_free_ struct flow *flows = malloc(2 * sizeof *flows);
	int r;

	if (!flows)
		return -ENOMEM;
	r = flow_init(&flows[0], a.in, b.out);
	if (r < 0)
		return r;
	r = flow_init(&flows[1], b.in, a.out);
	if (r >= 0)
		r = copy_flows(flows, 2, until == COPY_B_ENDS ? &flows[1] : NULL);
	flow_close(&flows[0]);
	flow_close(&flows[1]);
	return r;
}

int copy_one(int from, int to)
{
	_cleanup_free_ struct flow *flow = malloc(sizeof *flow);
	int r;

	if (!flow)
		return -ENOMEM;
	r = flow_init(flow, from, to);
	if (r < 0)
		return r;
	r = copy_flows(flow, 1, NULL);
	flow_close(flow);
	return r;
}
