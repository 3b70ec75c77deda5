/* SPDX-License-Identifier: Apache-2.0 */
/*
 * All requests together, as in request.h: asking again on a new socket, failing, and what is
 * due when.
 */
#include <errno.h>

#include "clock.h"
#include "connection.h"
#include "placed.h"

/* The broker has introduced us, and the rest is ours to do. */
static bool placing(const struct in_request *rq)
{
	return rq->type == WIRE_CONNECT && rq->fd >= 0;
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

bool in_requests_wait_for(const struct intro *in, const struct intro_ref *ref)
{
	for (const struct in_request *rq = in->requests.first; rq; rq = rq->next)
		if (rq->ref == ref && rq->waits)
			return true;
	return false;
}

void in_requests_refused(struct intro *in, int error)
{
	for (struct in_request *rq = in->requests.first; rq; rq = rq->next) {
		/* What was bound before is to be bound again. */
		bool again = rq->ref && rq->ref->bind == rq && rq->ref->announced;

		if (!again && !rq->waits && !placing(rq))
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

void in_requests_forget_other(struct intro *in, const struct intro_ref *ref)
{
	for (struct in_request *rq = in->requests.first; rq; rq = rq->next) {
		if (rq->other != ref)
			continue;
		rq->other = NULL;
		rq->lost = true;
		if (!rq->sent)
			in_request_fail(in, rq, -ECANCELED);
	}
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
		if (!rq->sent && !rq->failed && !placing(rq))
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

/* What is due for one request, which may be gone afterwards. Its next moment. */
static uint64_t request_due(struct intro *in, struct in_request *rq, uint64_t now)
{
	uint64_t end = in_request_end(rq);
	int r;

	if (!rq->failed && now >= end) {
		in_request_withdraw(in, rq);
		rq->failed = -ETIMEDOUT;
	}
	if (!rq->failed && rq->retry_at && now >= rq->retry_at) {
		rq->retry_at = 0;
		if (placing(rq))
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
