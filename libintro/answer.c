/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Answers to requests: what they mean to the caller, as events.
 */
#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "connection.h"
#include "lending.h"
#include "placed.h"
#include "wire/message.h"

int in_request_refuse(struct intro *in, struct in_request *rq, int error)
{
	struct intro_event ev = IN_EVENT(INTRO_REFUSED);
	struct intro_ref *ref = rq->ref;
	bool binding = ref && ref->bind == rq, quiet = rq->type == WIRE_ALLOW;

	ev.error = error;
	ev.request = (int)rq->number;
	ev.ref = ref;
	in_request_free(in, rq);
	if (binding && ref->announced) {
		if (ref->type == WIRE_FIND && error == -ENOENT &&
		    in_requests_wait_for(in, ref)) {
			in_reference_absent(ref);
			return 0;
		}
		return in_reference_broken(in, ref, error);
	}
	if (binding) {
		ref->state = IN_BROKEN;
		ref->error = error;
	}
	return quiet ? 0 : in_event_push(in, &ev);
}

int in_request_connected(struct intro *in, struct in_request *rq, int fd, int type,
			 uint32_t way)
{
	struct intro_event ev = IN_EVENT(INTRO_CONNECTED);

	ev.request = (int)rq->number;
	ev.fd = fd;
	ev.type = type;
	ev.session = rq->session;
	ev.path = (enum intro_path)rq->path;
	ev.way = (enum intro_way)way;
	ev.ref = rq->ref;
	in_request_free(in, rq);
	return in_event_push(in, &ev);
}

static int done(struct intro *in, struct in_request *rq, const struct wire_message *m)
{
	struct intro_event ev = IN_EVENT(INTRO_DONE);
	struct intro_ref *ref = rq->ref;
	bool quiet = false;
	int r;

	ev.request = (int)rq->number;
	ev.ref = ref;
	r = in_lending_answer(rq, m, &ev);
	if (r < 0)
		return r;
	if (rq->type == WIRE_ALLOW) {
		in_request_free(in, rq);
		in_output_allowed(in, 0);
		return 0;
	}
	if (ref && ref->bind == rq) {
		quiet = ref->announced;
		in_reference_bound(ref);
	}
	in_request_free(in, rq);
	return quiet ? 0 : in_event_push(in, &ev);
}

static int connected(struct intro *in, struct in_request *rq, const struct wire_message *m,
		     int fd)
{
	uint32_t way = wire_u32(m, TAG_WAY, 0);

	rq->session = wire_u64(m, TAG_SESSION, 0);
	rq->path = wire_u32(m, TAG_PATH, 0);
	if (way < WAY_LISTEN || way > WAY_PLACED || rq->path < PATH_LOCAL ||
	    rq->path > PATH_SPLICED) {
		close(fd);
		return -EPROTO;
	}
	if (way != WAY_PLACED)
		return in_request_connected(in, rq, fd, rq->socktype, way);
	rq->fd = fd;
	rq->sent = false;
	in_placed_try(in, rq);
	return 0;
}

/* What was deposited may be no socket at all. */
static int taken(struct intro *in, struct in_request *rq, int fd)
{
	int type = 0;
	socklen_t len = sizeof type;

	if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) < 0)
		type = 0;
	rq->path = PATH_LOCAL;
	return in_request_connected(in, rq, fd, type, rq->type == WIRE_TAKE ? WAY_HELD : 0);
}

int in_request_answer(struct intro *in, struct in_request *rq, const struct wire_message *m,
		      int fd)
{
	int error = wire_i32(m, TAG_ERROR, 0);
	bool brings = rq->type == WIRE_CONNECT || rq->type == WIRE_TAKE ||
		      rq->type == WIRE_ATTEST;

	if (error > 0 || error < -WIRE_ERRNO_MAX || (fd >= 0) != (brings && error == 0)) {
		if (fd >= 0)
			close(fd);
		return -EPROTO;
	}
	if (error < 0 && rq->type == WIRE_ALLOW) {
		in_request_free(in, rq);
		in_output_allowed(in, error);
		return 0;
	}
	/* One descriptor at a time: it has not seen yet that we took the one before. And one that
	 * is above it may just be saved. */
	if (error == -EAGAIN && (rq->type == WIRE_TAKE || rq->type == WIRE_ATTEST ||
				 rq->type == WIRE_SAVE)) {
		in_request_retry(in, rq);
		return 0;
	}
	/* Whoever waits is not refused by the broker, but by an agent whose server is down:
	 * most often it is being restarted. */
	if (error == -ECONNREFUSED && rq->type == WIRE_CONNECT && rq->waits) {
		in_request_retry(in, rq);
		return 0;
	}
	if (error < 0)
		return in_request_refuse(in, rq, error);
	if (rq->type == WIRE_CONNECT)
		return connected(in, rq, m, fd);
	return brings ? taken(in, rq, fd) : done(in, rq, m);
}
