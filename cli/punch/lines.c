/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The lines of lines.h. The descriptors' flags are left alone: they are shared with whoever
 * started us.
 */
#include "lines.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "../loop.h"

/* ---- in ---- */

/* What is there once: its bytes, 0 at the end, or a negative errno. */
static ssize_t read_some(struct lines_in *in, int fd)
{
	char *from = in->buf, *end;
	ssize_t n;

	do
		n = read(fd, in->buf + in->used, LINES_IN_BYTES - in->used);
	while (n < 0 && errno == EINTR);
	if (n <= 0)
		return n < 0 ? -errno : 0;
	in->used += (size_t)n;
	while ((end = memchr(from, '\n', in->used - (size_t)(from - in->buf)))) {
		*end = '\0';
		if (!in->skipping)
			in->line(in, from);
		in->skipping = false;
		from = end + 1;
	}
	in->used -= (size_t)(from - in->buf);
	memmove(in->buf, from, in->used);
	if (in->used == LINES_IN_BYTES) {
		if (!in->skipping)
			in->line(in, NULL);
		in->skipping = true;
		in->used = 0;
	}
	return n;
}

static void in_ready(struct loop_source *source, uint32_t events)
{
	struct lines_in *in = container_of(source, struct lines_in, source);
	ssize_t n = events & (EPOLLIN | EPOLLHUP | EPOLLERR) ? read_some(in, source->fd) : 0;

	if (n == 0 || (n < 0 && n != -EAGAIN))
		loop_remove(in->loop, source);
}

int lines_in_begin(struct lines_in *in, struct loop *loop, int fd,
		   void (*line)(struct lines_in *in, const char *line))
{
	int r;

	in->loop = loop;
	in->line = line;
	in->used = 0;
	in->skipping = false;
	in->source = (struct loop_source){ .fd = fd, .ready = in_ready };
	r = loop_add(loop, &in->source, EPOLLIN);
	if (r != -EPERM)
		return r;
	while (read_some(in, fd) > 0)
		;
	return 0;
}

/* ---- out ---- */

#define END_MS 1000		/* for who reads slowly */

/* A pipe that is writable takes PIPE_BUF without waiting. */
static bool is_writable(int fd, int ms)
{
	struct pollfd p = { .fd = fd, .events = POLLOUT };

	return poll(&p, 1, ms) > 0;
}

static void write_some(struct lines_out *out, int ms)
{
	while (out->fd >= 0 && out->head < out->tail && is_writable(out->fd, ms)) {
		size_t len = out->tail - out->head;
		ssize_t n = write(out->fd, out->buf + out->head, len < PIPE_BUF ? len : PIPE_BUF);

		if (n >= 0)
			out->head += (size_t)n;
		else if (errno != EINTR && errno != EAGAIN)
			out->fd = -1;
		else if (errno == EAGAIN)
			return;
	}
	if (out->head == out->tail || out->fd < 0)
		out->head = out->tail = 0;
}

static void out_ready(struct loop_source *source, uint32_t events)
{
	struct lines_out *out = container_of(source, struct lines_out, source);

	(void)events;
	write_some(out, 0);
	if (out->head == out->tail)
		loop_remove(out->loop, source);
}

void lines_out_begin(struct lines_out *out, struct loop *loop, int fd)
{
	out->loop = loop;
	out->fd = fd;
	out->head = out->tail = 0;
	out->lost = false;
	out->source = (struct loop_source){ .fd = -1, .ready = out_ready };
}

void lines_out_put(struct lines_out *out, const char *line, size_t len)
{
	if (out->head > 0) {
		memmove(out->buf, out->buf + out->head, out->tail - out->head);
		out->tail -= out->head;
		out->head = 0;
	}
	if (out->fd < 0 || len > LINES_OUT_BYTES - out->tail) {
		out->lost = true;
		return;
	}
	memcpy(out->buf + out->tail, line, len);
	out->tail += len;
	write_some(out, 0);
	if (out->head < out->tail && out->source.fd < 0) {
		out->source.fd = out->fd;
		if (loop_add(out->loop, &out->source, EPOLLOUT) < 0)
			out->source.fd = -1;
	}
}

void lines_out_end(struct lines_out *out)
{
	write_some(out, END_MS);
	loop_remove(out->loop, &out->source);
}
