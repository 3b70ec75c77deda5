/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One leg of a relayed session: the machine of relay_leg.h.
 *
 *	GREETING --COOKIE--> READY --relay_leg_bind()--> BINDING --BOUND--> BOUND
 *
 * A bound leg repeats its BIND: it keeps the NAT's mapping and the session alive, notices a
 * relay that has forgotten us, and its answer brings the next cookie.
 */
#include "relay_leg.h"

#include <errno.h>
#include <string.h>

#include "relay_wire.h"

/* The first wait fits a near relay, the later ones do not load a far or dead one. */
#define RETRY_FIRST_US 50000u
#define RETRY_MAX_US 20000000u

/* Well under the 30 s after which Linux forgets a UDP flow. */
#define KEEPALIVE_US 15000000u

/* A bound leg whose BIND was sent so often without an answer (in 1.5 s) is not bound any more,
 * as far as it can know. */
#define BOUND_TRIES 5u

static uint64_t retry_after(unsigned int tries)
{
	uint64_t wait = tries < 16 ? (uint64_t)RETRY_FIRST_US << tries : RETRY_MAX_US;

	return wait < RETRY_MAX_US ? wait : RETRY_MAX_US;
}

static void enter(struct relay_leg *leg, enum relay_leg_state state, uint64_t due_us)
{
	leg->state = state;
	leg->due_us = due_us;
	leg->tries = 0;
}

void relay_leg_init(struct relay_leg *leg, const struct address *relay, struct random *random,
		    uint64_t now_us)
{
	memset(leg, 0, sizeof *leg);
	leg->relay = *relay;
	random_bytes(random, leg->nonce, sizeof leg->nonce);
	leg->heard_us = now_us;
	enter(leg, RELAY_LEG_GREETING, now_us);
}

void relay_leg_bind(struct relay_leg *leg, const uint8_t session[static RELAY_SESSION_BYTES],
		    uint64_t now_us)
{
	memcpy(leg->session, session, sizeof leg->session);
	leg->has_session = true;
	leg->peer = (struct address){ 0 };
	leg->error = 0;
	leg->retry_after_s = 0;
	leg->stale = 0;
	if (leg->state == RELAY_LEG_IDLE)
		enter(leg, RELAY_LEG_GREETING, now_us);
	/* a cookie that is not good any more is refused at once, and we greet again */
	else if (leg->state != RELAY_LEG_GREETING)
		enter(leg, RELAY_LEG_BINDING, now_us);
}

void relay_leg_moved(struct relay_leg *leg, uint64_t now_us)
{
	if (leg->state == RELAY_LEG_IDLE || leg->state == RELAY_LEG_REFUSED)
		return;
	leg->stale = 0;
	enter(leg, RELAY_LEG_GREETING, now_us);
}

static size_t put(const struct relay_leg *leg, enum relay_type type, uint8_t *out)
{
	struct relay_message m = { .type = type };

	memcpy(m.session, leg->session, sizeof m.session);
	memcpy(m.nonce, leg->nonce, sizeof m.nonce);
	memcpy(m.cookie, leg->cookie, sizeof m.cookie);
	return relay_put(&m, out);
}

size_t relay_leg_next(struct relay_leg *leg, uint64_t now_us,
		      uint8_t out[static RELAY_CONTROL_BYTES])
{
	enum relay_type type = RELAY_HELLO;

	if (now_us < leg->due_us)
		return 0;
	switch (leg->state) {
	case RELAY_LEG_IDLE:
	case RELAY_LEG_REFUSED:
		leg->due_us = UINT64_MAX;
		return 0;
	case RELAY_LEG_GREETING:
	case RELAY_LEG_READY:
		break;
	case RELAY_LEG_BOUND:
		if (leg->tries == BOUND_TRIES)
			leg->state = RELAY_LEG_BINDING;
		type = RELAY_BIND;
		break;
	case RELAY_LEG_BINDING:
		type = RELAY_BIND;
		break;
	}
	leg->due_us = now_us + retry_after(leg->tries++);
	return put(leg, type, out);
}

uint64_t relay_leg_deadline(const struct relay_leg *leg)
{
	return leg->due_us;
}

size_t relay_leg_close(struct relay_leg *leg, uint8_t out[static RELAY_CONTROL_BYTES])
{
	bool bound = leg->state == RELAY_LEG_BINDING || leg->state == RELAY_LEG_BOUND;

	enter(leg, RELAY_LEG_IDLE, UINT64_MAX);
	return bound ? put(leg, RELAY_CLOSE, out) : 0;
}

static enum relay_leg_got got_cookie(struct relay_leg *leg, uint64_t now_us,
				     const struct relay_message *m)
{
	if (leg->state != RELAY_LEG_GREETING && leg->state != RELAY_LEG_READY)
		return RELAY_GOT_NOTHING;
	memcpy(leg->cookie, m->cookie, sizeof leg->cookie);
	leg->observed = m->observed;
	if (leg->has_session)
		enter(leg, RELAY_LEG_BINDING, now_us);
	else
		enter(leg, RELAY_LEG_READY, now_us + KEEPALIVE_US);
	return RELAY_GOT_CONTROL;
}

static enum relay_leg_got got_bound(struct relay_leg *leg, uint64_t now_us,
				    const struct relay_message *m)
{
	if (leg->state != RELAY_LEG_BINDING && leg->state != RELAY_LEG_BOUND)
		return RELAY_GOT_NOTHING;
	memcpy(leg->cookie, m->cookie, sizeof leg->cookie);
	leg->observed = m->observed;
	leg->peer = m->peer;
	leg->quota = m->quota;
	leg->stale = 0;
	enter(leg, RELAY_LEG_BOUND, now_us + KEEPALIVE_US);
	return RELAY_GOT_CONTROL;
}

static enum relay_leg_got got_refused(struct relay_leg *leg, uint64_t now_us,
				      const struct relay_message *m)
{
	if (leg->state != RELAY_LEG_BINDING && leg->state != RELAY_LEG_BOUND)
		return RELAY_GOT_NOTHING;
	if (m->reason == RELAY_STALE) {
		/* the first time at once; a relay that never takes its own cookies is not
		 * to be asked once per round trip */
		enter(leg, RELAY_LEG_GREETING,
		      leg->stale == 0 ? now_us : now_us + retry_after(leg->stale));
		leg->stale++;
		return RELAY_GOT_CONTROL;
	}
	leg->error = relay_reason_error(m->reason);
	leg->retry_after_s = m->retry_after_s;
	enter(leg, RELAY_LEG_REFUSED, UINT64_MAX);
	return RELAY_GOT_CONTROL;
}

static enum relay_leg_got got_close(struct relay_leg *leg)
{
	if (leg->state != RELAY_LEG_BINDING && leg->state != RELAY_LEG_BOUND)
		return RELAY_GOT_NOTHING;
	leg->error = -ECONNRESET;
	leg->retry_after_s = 0;
	enter(leg, RELAY_LEG_REFUSED, UINT64_MAX);
	return RELAY_GOT_CONTROL;
}

static enum relay_leg_got got_control(struct relay_leg *leg, uint64_t now_us,
				      const struct relay_message *m)
{
	bool ours = leg->has_session &&
		    memcmp(m->session, leg->session, sizeof leg->session) == 0;

	if (memcmp(m->nonce, leg->nonce, sizeof leg->nonce) != 0)
		return RELAY_GOT_NOTHING;
	if (m->type == RELAY_COOKIE)
		return got_cookie(leg, now_us, m);
	if (!ours)
		return RELAY_GOT_NOTHING;
	switch (m->type) {
	case RELAY_BOUND:
		return got_bound(leg, now_us, m);
	case RELAY_REFUSED:
		return got_refused(leg, now_us, m);
	case RELAY_CLOSE:
		return got_close(leg);
	default:
		return RELAY_GOT_NOTHING;
	}
}

enum relay_leg_got relay_leg_receive(struct relay_leg *leg, uint64_t now_us,
				     const struct address *from, const void *packet, size_t len,
				     const uint8_t **payload, size_t *payload_len)
{
	struct relay_message m;
	enum relay_leg_got got;

	if (leg->state == RELAY_LEG_IDLE || !address_equal(from, &leg->relay) ||
	    relay_parse(packet, len, &m) < 0)
		return RELAY_GOT_NOTHING;
	if (m.type == RELAY_DATA) {
		/* while we greet anew, the address before may still be bound */
		if (!leg->has_session || leg->state == RELAY_LEG_REFUSED ||
		    memcmp(m.session, leg->session, sizeof leg->session) != 0)
			return RELAY_GOT_NOTHING;
		*payload = m.payload;
		*payload_len = m.payload_len;
		leg->heard_us = now_us;
		return RELAY_GOT_DATA;
	}
	got = got_control(leg, now_us, &m);
	if (got == RELAY_GOT_CONTROL)
		leg->heard_us = now_us;
	return got;
}

void relay_leg_header(const struct relay_leg *leg, uint8_t out[static RELAY_HEADER_BYTES])
{
	relay_put_header(leg->session, out);
}
