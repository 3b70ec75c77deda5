/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The requests of request.h: the list, the packets, the times. Answers are answer.c's, the
 * calls that make requests ask.c's.
 */
#include "request.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "clock.h"
#include "connection.h"
#include "placed.h"
#include "wire/message.h"

/* The largest request: a header, a name, a file and four numbers. */
#define REQUEST_BYTES 256u

/* How long after its own waiting time a CONNECT is given up: while nobody has it, and while
 * a broker does, whose answer (or its agent's) must be long overdue. */
#define GRACE_UNSENT_USEC 1000000u
#define GRACE_SENT_USEC 30000000u

void in_requests_init(struct in_requests *requests)
{
	*requests = (struct in_requests){ .last = &requests->first };
}

static void unlink_request(struct in_requests *requests, struct in_request *rq)
{
	*rq->at = rq->next;
	if (rq->next)
		rq->next->at = rq->at;
	else
		requests->last = rq->at;
}

static void request_free(struct in_requests *requests, struct in_request *rq)
{
	unlink_request(requests, rq);
	if (rq->ref && rq->ref->bind == rq)
		rq->ref->bind = NULL;
	if (rq->fd >= 0)
		close(rq->fd);
	free(rq);
}

void in_requests_clear(struct in_requests *requests)
{
	while (requests->first)
		request_free(requests, requests->first);
}

void in_request_free(struct intro *in, struct in_request *rq)
{
	request_free(&in->requests, rq);
}

struct in_request *in_request_new(struct intro *in, uint16_t type, struct intro_ref *ref)
{
	struct in_request *rq = malloc(sizeof *rq);

	if (!rq)
		return NULL;
	*rq = (struct in_request){
		.at = in->requests.last,
		.number = in_serial_new(in),
		.type = type,
		.ref = ref,
		.fd = -1,
		.wait_until = IN_NEVER,
	};
	*in->requests.last = rq;
	in->requests.last = &rq->next;
	return rq;
}

struct in_request *in_request_find(const struct intro *in, uint32_t number)
{
	struct in_request *rq = in->requests.first;

	while (rq && rq->number != number)
		rq = rq->next;
	return rq;
}

static void put_service(struct wire_writer *w, const struct intro *in,
			const struct intro_ref *ref)
{
	wire_put_string(w, TAG_NAME, ref->name);
	wire_put_u32(w, TAG_SOCKTYPES, ref->types);
	wire_put_u32(w, TAG_WAY, ref->fetch ? WAY_FETCH : WAY_PAIR);
	if (ref->batch > 1)
		wire_put_u32(w, TAG_BATCH, ref->batch);
	if (in->userns)
		wire_put_u64(w, TAG_USERNS, in->userns);
}

/* Write the request's packet: its length or a negative errno, and the descriptor to go with
 * it (borrowed), or -1. */
static int encode(const struct intro *in, const struct in_request *rq, uint8_t *buf,
		  int *ret_fd)
{
	const struct intro_ref *ref = rq->ref;
	struct wire_writer w;
	int fd = rq->type == WIRE_HOLD ? rq->fd : rq->type == WIRE_PLACE ? ref->dir : -1;

	wire_begin(&w, buf, REQUEST_BYTES, rq->type, rq->number, ref ? ref->handle : 0,
		   fd >= 0);
	switch (rq->type) {
	case WIRE_SERVE:
		put_service(&w, in, ref);
		break;
	case WIRE_FIND:
		wire_put_string(&w, TAG_NAME, ref->name);
		break;
	case WIRE_PLACE:
		wire_put_string(&w, TAG_NAME, ref->name);
		wire_put_string(&w, TAG_FILE, ref->file);
		break;
	case WIRE_CONNECT:
		/* A name that is not there yet has no handle to wait with. */
		if (rq->waits)
			wire_put_string(&w, TAG_NAME, ref->name);
		wire_put_u32(&w, TAG_SOCKTYPE, (uint32_t)rq->socktype);
		wire_put_u64(&w, TAG_WAIT, in_left(rq->wait_until));
		break;
	case WIRE_HOLD:
	case WIRE_TAKE:
		wire_put_string(&w, TAG_NAME, rq->name);
		break;
	case WIRE_ATTEST:
		wire_put_u64(&w, TAG_SESSION, rq->session);
		break;
	default:
		break;
	}
	*ret_fd = fd;
	return wire_finish(&w);
}

int in_request_send(struct intro *in, struct in_request *rq)
{
	uint8_t packet[REQUEST_BYTES];
	int fd, len, r;

	if (rq->ref && rq->ref->state == IN_BROKEN && !rq->waits)
		return rq->ref->error;
	/* Its answers will bring descriptors: no client should have to wait for ALLOW then. */
	if (rq->type == WIRE_SERVE && rq->ref->fetch) {
		r = in_output_allow(in);
		if (r < 0 || in->state != IN_UP)
			return r;
	}
	len = encode(in, rq, packet, &fd);
	rq->sent = true;
	rq->retry_at = 0;
	return in_output_send(in, packet, len, fd);
}

int in_request_start(struct intro *in, struct in_request *rq)
{
	int number = (int)rq->number, r = 0;

	if (in->state == IN_DEAD)
		r = -ECONNRESET;
	else if (in->state == IN_UP)
		r = in_request_send(in, rq);
	else
		in_connection_want(in);
	if (r < 0) {
		in_request_free(in, rq);
		return r;
	}
	if (rq->wait_until != IN_NEVER)
		in_timer_at(in, rq->wait_until + (rq->sent ? GRACE_SENT_USEC
							   : GRACE_UNSENT_USEC));
	return number;
}

void in_request_fail(struct intro *in, struct in_request *rq, int error)
{
	rq->failed = error;
	in_timer_at(in, IN_AT_ONCE);
}

void in_request_withdraw(struct intro *in, struct in_request *rq)
{
	uint8_t packet[WIRE_HEADER_BYTES];
	struct wire_writer w;

	if (!rq->sent || in->state != IN_UP)
		return;
	wire_begin(&w, packet, sizeof packet, WIRE_CANCEL, rq->number, 0, 0);
	if (in_output_send(in, packet, wire_finish(&w), -1) < 0)
		in_connection_lost(in, false);
}

void in_requests_fail_fds(struct intro *in, int error)
{
	for (struct in_request *rq = in->requests.first; rq; rq = rq->next) {
		if (!rq->sent || (rq->type != WIRE_CONNECT && rq->type != WIRE_TAKE &&
				  rq->type != WIRE_ATTEST && rq->type != WIRE_LISTENERS))
			continue;
		in_request_withdraw(in, rq);
		in_request_fail(in, rq, error);
	}
}

void in_requests_fail_all(struct intro *in, int error)
{
	for (struct in_request *rq = in->requests.first; rq; rq = rq->next)
		in_request_fail(in, rq, error);
}

void in_requests_forget(struct intro *in, struct intro_ref *ref)
{
	struct in_request *next;

	for (struct in_request *rq = in->requests.first; rq; rq = next) {
		struct intro_event ev = IN_EVENT(INTRO_REFUSED);
		bool binds = rq == ref->bind;

		next = rq->next;
		if (rq->ref != ref)
			continue;
		ev.request = (int)rq->number;
		ev.error = -ECANCELED;
		/* The DROP that follows undoes a binding. */
		if (!binds)
			in_request_withdraw(in, rq);
		in_request_free(in, rq);
		if (!binds || !ref->announced)
			in_event_push(in, &ev);
	}
	if (in->events.first)
		in_timer_at(in, IN_AT_ONCE);
}

static void resend(struct intro *in, struct in_request *rq)
{
	int r = rq->cancelled ? -ECANCELED : in_request_send(in, rq);

	if (r < 0)
		in_request_fail(in, rq, r);
}

static void forget_allow(struct intro *in)
{
	struct in_request *next;

	for (struct in_request *rq = in->requests.first; rq; rq = next) {
		next = rq->next;
		if (rq->type == WIRE_ALLOW)
			in_request_free(in, rq);
	}
}

int in_requests_replay(struct intro *in)
{
	forget_allow(in);
	for (uint32_t i = 0; i < in->references.size && in->state == IN_UP; i++) {
		struct intro_ref *ref = in->references.slot[i];
		struct in_request *rq;

		if (!ref || ref->state == IN_BROKEN)
			continue;
		rq = in_reference_bind(in, ref);
		if (!rq)
			return -ENOMEM;
		resend(in, rq);
	}
	for (struct in_request *rq = in->requests.first; rq && in->state == IN_UP;
	     rq = rq->next)
		if (!rq->sent && !rq->failed && !(rq->type == WIRE_CONNECT && rq->fd >= 0))
			resend(in, rq);
	return 0;
}

bool in_requests_unsend(struct intro *in)
{
	bool wanted = in_references_unbind(in);

	for (struct in_request *rq = in->requests.first; rq; rq = rq->next) {
		rq->sent = false;
		wanted |= rq->type != WIRE_ALLOW;
	}
	return wanted;
}

static uint64_t latest(const struct in_request *rq)
{
	if (rq->wait_until == IN_NEVER)
		return IN_NEVER;
	return rq->wait_until + (rq->sent ? GRACE_SENT_USEC : GRACE_UNSENT_USEC);
}

/* What is due for one request, which may be gone afterwards. Its next moment. */
static uint64_t request_due(struct intro *in, struct in_request *rq, uint64_t now)
{
	uint64_t end = latest(rq);
	int r;

	if (!rq->failed && now >= end) {
		in_request_withdraw(in, rq);
		rq->failed = -ETIMEDOUT;
	}
	if (!rq->failed && rq->retry_at && now >= rq->retry_at) {
		rq->retry_at = 0;
		if (rq->fd >= 0)
			return in_placed_try(in, rq) ? IN_NEVER : rq->retry_at;
		r = in->state == IN_UP ? in_request_send(in, rq) : 0;
		if (r < 0)
			rq->failed = r;
	}
	if (rq->failed) {
		in_request_refuse(in, rq, rq->failed);
		return IN_NEVER;
	}
	return rq->retry_at && rq->retry_at < end ? rq->retry_at : end;
}

uint64_t in_requests_due(struct intro *in, uint64_t now)
{
	uint64_t next_due = IN_NEVER;
	struct in_request *next;

	for (struct in_request *rq = in->requests.first; rq; rq = next) {
		uint64_t due;

		next = rq->next;
		due = request_due(in, rq, now);
		if (due < next_due)
			next_due = due;
	}
	return next_due;
}
