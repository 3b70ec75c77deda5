/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The requests of request.h, one at a time: making, writing and sending them. Answers are
 * answer.c's, the calls that make requests ask.c's, all that concerns many schedule.c's.
 */
#include "request.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "clock.h"
#include "cleanup.h"
#include "connection.h"
#include "lending.h"
#include "wire/message.h"

/* How long after its own waiting time a CONNECT is given up: while nobody has it, and while
 * a broker does, whose answer (or its agent's) must be long overdue. */
#define GRACE_UNSENT_USEC 1000000u
#define GRACE_SENT_USEC 30000000u

/* Some refusals pass without any wake-up, such as a full backlog: look again after this, twice
 * as late each time. */
#define RETRY_FIRST_MS 5u
#define RETRY_MAX_MS 200u

void in_requests_init(struct in_requests *requests)
{
	*requests = (struct in_requests){ .last = &requests->first };
}

static void release(struct in_request *rq)
{
	if (rq->ref && rq->ref->bind == rq)
		rq->ref->bind = NULL;
	if (rq->fd >= 0)
		close(rq->fd);
	free(rq->enclosed);
	free(rq->lending);
	free(rq);
}

void in_requests_clear(struct in_requests *requests)
{
	struct in_request *next;

	for (struct in_request *rq = requests->first; rq; rq = next) {
		next = rq->next;
		release(rq);
	}
	in_requests_init(requests);
}

void in_request_free(struct intro *in, struct in_request *rq)
{
	*rq->at = rq->next;
	if (rq->next)
		rq->next->at = rq->at;
	else
		in->requests.last = rq->at;
	release(rq);
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
	if (ref->leash)
		wire_put_u32(w, TAG_LEASH, 1);
}

static void put_for_ref(struct wire_writer *w, const struct intro *in,
			const struct in_request *rq, const struct intro_ref *ref)
{
	switch (rq->type) {
	case WIRE_SERVE:
		put_service(w, in, ref);
		break;
	case WIRE_FIND:
		wire_put_string(w, TAG_NAME, ref->name);
		break;
	case WIRE_PLACE:
		wire_put_string(w, TAG_NAME, ref->name);
		wire_put_string(w, TAG_FILE, ref->file);
		break;
	case WIRE_CONNECT:
		/* A name that is not there yet has no handle to wait with. */
		if (rq->waits && !ref->lending && ref->type != WIRE_RESTORE)
			wire_put_string(w, TAG_NAME, ref->name);
		wire_put_u32(w, TAG_SOCKTYPE, (uint32_t)rq->socktype);
		wire_put_u64(w, TAG_WAIT, in_left(rq->wait_until));
		break;
	default:
		in_lending_put(w, rq);
		break;
	}
}

static void put_for_name(struct wire_writer *w, const struct in_request *rq)
{
	if (rq->type == WIRE_HOLD || rq->type == WIRE_TAKE)
		wire_put_string(w, TAG_NAME, rq->name);
	if (rq->type == WIRE_ATTEST)
		wire_put_u64(w, TAG_SESSION, rq->session);
	if (rq->type == WIRE_ENCLOSE)
		wire_put_bytes(w, TAG_MESSAGES, rq->enclosed, rq->enclosed_len);
}

/* Write the request's packet: its length or a negative errno, and the descriptor to go with
 * it (borrowed), or -1. */
static int encode(const struct intro *in, const struct in_request *rq, uint8_t *buf,
		  int *ret_fd)
{
	const struct intro_ref *ref = rq->ref;
	struct wire_writer w;
	int fd = rq->type == WIRE_HOLD ? rq->fd : -1;

	if (ref && rq->type == WIRE_PLACE)
		fd = ref->dir;
	if (rq->type == WIRE_ENCLOSE)
		fd = *ret_fd;
	wire_begin(&w, buf, WIRE_PACKET_MAX, rq->type, rq->number, ref ? ref->handle : 0,
		   fd >= 0);
	if (ref)
		put_for_ref(&w, in, rq, ref);
	else
		put_for_name(&w, rq);
	*ret_fd = fd;
	return wire_finish(&w);
}

int in_request_send(struct intro *in, struct in_request *rq)
{
	_cleanup_(in_closep) int theirs = -1;
	uint8_t packet[WIRE_PACKET_MAX];
	int fd, len, r;

	if (rq->ref && rq->ref->state == IN_BROKEN)
		return rq->ref->error;
	/* What was lent or claimed before was another broker's. */
	if (rq->lost || (rq->ref && rq->ref->lending && rq->ref->announced &&
			 rq->ref->state == IN_BINDING))
		return -ECONNRESET;
	if (rq->type == WIRE_ENCLOSE) {
		r = in_lending_pair(rq, &theirs);
		if (r < 0)
			return r;
	}
	fd = theirs;
	/* Its answers will bring descriptors: no client should have to wait for ALLOW then. */
	if (rq->ref && rq->ref->bind == rq && rq->ref->fetch) {
		r = in_output_allow(in);
		if (r < 0 || in->state != IN_UP)
			return r;
	}
	len = encode(in, rq, packet, &fd);
	rq->sent = true;
	rq->retry_at = 0;
	return in_output_send(in, packet, len, fd);
}

uint64_t in_request_end(const struct in_request *rq)
{
	if (rq->wait_until == IN_NEVER)
		return IN_NEVER;
	return rq->wait_until + (rq->sent ? GRACE_SENT_USEC : GRACE_UNSENT_USEC);
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
		in_timer_at(in, in_request_end(rq));
	return number;
}

void in_request_fail(struct intro *in, struct in_request *rq, int error)
{
	rq->failed = error;
	in_timer_at(in, IN_AT_ONCE);
}

void in_request_retry(struct intro *in, struct in_request *rq)
{
	rq->sent = false;
	/* The CANCEL has crossed this answer: nobody else will say so. */
	if (rq->cancelled) {
		in_request_fail(in, rq, -ECANCELED);
		return;
	}
	rq->delay_ms = rq->delay_ms ? rq->delay_ms * 2 : RETRY_FIRST_MS;
	if (rq->delay_ms > RETRY_MAX_MS)
		rq->delay_ms = RETRY_MAX_MS;
	rq->retry_at = in_now() + rq->delay_ms * 1000u;
	in_timer_at(in, rq->retry_at);
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
