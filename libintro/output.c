/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The packets of output.h.
 */
#include "output.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "connection.h"
#include "wire/message.h"
#include "wire/packet.h"

/* What a packet in the queue costs, with its allocation. */
#define PACKET_COST(len) (sizeof(struct in_packet) + (len))

/* Descriptors in flight are limited per user (getrlimit(2), RLIMIT_NOFILE), without any
 * wake-up when there is room again. */
#define REFS_RETRY_USEC 10000u

void in_output_init(struct in_output *output)
{
	*output = (struct in_output){ .last = &output->first };
}

static void packet_pop(struct in_output *output)
{
	struct in_packet *p = output->first;

	output->first = p->next;
	if (!p->next)
		output->last = &output->first;
	output->bytes -= PACKET_COST(p->len);
	if (p->fd >= 0)
		close(p->fd);
	free(p);
}

void in_output_clear(struct in_output *output)
{
	while (output->first)
		packet_pop(output);
	in_output_init(output);
}

static int packet_push(struct intro *in, const void *packet, size_t len, int fd)
{
	struct in_output *output = &in->output;
	struct in_packet *p;

	/* What is asked again was once taken: it is bounded by that. */
	if (output->bytes + PACKET_COST(len) > IN_OUTPUT_MAX && !in->replaying)
		return -ENOBUFS;
	p = malloc(PACKET_COST(len));
	if (!p)
		return -ENOMEM;
	*p = (struct in_packet){ .fd = -1, .len = len };
	if (fd >= 0) {
		p->fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
		if (p->fd < 0) {
			free(p);
			return -errno;
		}
	}
	memcpy(p->data, packet, len);
	*output->last = p;
	output->last = &p->next;
	output->bytes += PACKET_COST(len);
	return 0;
}

/* The connection's end, as sendmsg(2) tells it; all else is about the descriptor sent. */
static bool is_loss(int error)
{
	return error == -EPIPE || error == -ECONNRESET || error == -ENOTCONN ||
	       error == -ECONNREFUSED;
}

static void wait_for_room(struct intro *in, int error)
{
	in_connection_watch_output(in, error == -EAGAIN);
	if (error == -EAGAIN)
		return;
	in->output.retry_at = in_now() + REFS_RETRY_USEC;
	in_timer_at(in, in->output.retry_at);
}

int in_output_allow(struct intro *in)
{
	struct in_request *rq;
	int r;

	if (in->output.allow != IN_ALLOW_UNASKED)
		return 0;
	rq = in_request_new(in, WIRE_ALLOW, NULL);
	if (!rq)
		return -ENOMEM;
	in->output.allow = IN_ALLOW_ASKED;
	r = in_request_send(in, rq);
	if (r < 0) {
		in_request_free(in, rq);
		in->output.allow = IN_ALLOW_UNASKED;
	}
	return r;
}

int in_output_send(struct intro *in, const void *packet, int len, int fd)
{
	struct in_output *output = &in->output;
	int r;

	if (len < 0)
		return len;
	if (fd >= 0 && output->allow == IN_ALLOW_UNASKED) {
		r = in_output_allow(in);
		if (r < 0)
			return r;
		if (in->state != IN_UP)
			return 0;
	}
	if (fd >= 0 && output->allow == IN_ALLOW_REFUSED)
		return output->refused;
	if (output->first || (fd >= 0 && output->allow != IN_ALLOWED))
		return packet_push(in, packet, (size_t)len, fd);

	r = packet_send(in->sock, packet, (size_t)len, &fd, fd >= 0);
	if (r == -EAGAIN || r == -ETOOMANYREFS || r == -ENOBUFS || r == -ENOMEM) {
		wait_for_room(in, r);
		return packet_push(in, packet, (size_t)len, fd);
	}
	if (r == 0 || (fd >= 0 && !is_loss(r)))
		return r;
	in_connection_lost(in, false);
	return 0;
}

/* A packet that was queued cannot be sent for its descriptor's sake: whoever waits for it
 * is told. */
static void packet_refused(struct intro *in, const struct in_packet *p, int error)
{
	struct wire_message m;
	struct in_request *rq;

	if (wire_parse(p->data, p->len, &m) < 0)
		return;
	if (m.head.type == WIRE_FETCHED) {
		in_fetch_refuse(in, m.head.serial, error);
		return;
	}
	rq = in_request_find(in, m.head.serial);
	if (rq)
		in_request_fail(in, rq, error);
}

void in_output_flush(struct intro *in)
{
	struct in_output *output = &in->output;

	output->retry_at = 0;
	while (in->state == IN_UP && output->first) {
		struct in_packet *p = output->first;
		int r = 0;

		if (p->fd >= 0 && output->allow == IN_ALLOW_ASKED)
			break;
		if (p->fd >= 0 && output->allow == IN_ALLOW_REFUSED)
			r = output->refused;
		else
			r = packet_send(in->sock, p->data, p->len, &p->fd, p->fd >= 0);
		if (r == -EAGAIN || r == -ETOOMANYREFS || r == -ENOBUFS || r == -ENOMEM) {
			wait_for_room(in, r);
			return;
		}
		if (r < 0 && (p->fd < 0 || is_loss(r))) {
			in_connection_lost(in, false);
			return;
		}
		if (r < 0)
			packet_refused(in, p, r);
		packet_pop(output);
	}
	in_connection_watch_output(in, false);
}

void in_output_allowed(struct intro *in, int error)
{
	in->output.allow = error ? IN_ALLOW_REFUSED : IN_ALLOWED;
	in->output.refused = error;
	in_output_flush(in);
}
