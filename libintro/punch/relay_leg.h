/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The relay's protocol as one of its two legs speaks it: a client's half, without sockets. The
 * relay forwards datagrams between the two legs that named the same session; it sees addresses,
 * lengths and times, and no key. relay.h is the other half.
 *
 *	HELLO -> COOKIE		proves that the leg's address is its own; can be done before
 *				there is a session, so that a bind takes one way only
 *	BIND  -> BOUND		binds this address to the session, and tells the quota
 *	DATA			8 bytes of header, then the payload, either way
 *	REFUSED			why, and when to come again
 *	CLOSE			ends the session for both legs
 *
 * A leg is known by its nonce, which both sides repeat: who has not seen it can neither answer
 * for the relay nor bind, move or close in the leg's name. Who reads the leg's traffic can; the
 * payload's own protection is not the relay's matter.
 *
 * HELLO, COOKIE, BIND, BOUND and CLOSE are all RELAY_CONTROL_BYTES long, so that nothing is
 * amplified.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "address.h"
#include "random.h"

#define RELAY_CONTROL_BYTES 96u
#define RELAY_HEADER_BYTES 8u		/* before each payload */
#define RELAY_SESSION_BYTES 7u		/* of a session's number, random, the offerer's choice */

enum relay_type {
	RELAY_HELLO = 0x20,
	RELAY_COOKIE,
	RELAY_BIND,
	RELAY_BOUND,
	RELAY_DATA,
	RELAY_REFUSED,
	RELAY_CLOSE,
};

enum relay_leg_state {
	RELAY_LEG_IDLE,
	RELAY_LEG_GREETING,	/* HELLO was sent */
	RELAY_LEG_READY,	/* has a cookie */
	RELAY_LEG_BINDING,	/* BIND was sent: DATA may follow at once */
	RELAY_LEG_BOUND,
	RELAY_LEG_REFUSED,	/* see .error and .retry_after_s; relay_leg_bind() tries again */
};

struct relay_quota {
	uint64_t bytes;		/* of payload, both ways together; 0: not limited */
	uint32_t packets_s;	/* packets per second each way; 0: not limited */
	uint32_t idle_s;	/* a session without traffic ends after */
	uint32_t lasts_s;	/* and each one after; 0: not limited */
};

struct relay_leg {
	struct address relay;
	enum relay_leg_state state;
	uint8_t nonce[8];	/* of this leg: the relay's answers repeat it */
	uint8_t cookie[16];
	uint8_t session[RELAY_SESSION_BYTES];
	bool has_session;
	struct relay_quota quota;	/* RELAY_LEG_BOUND */
	struct address observed;	/* this leg's address as the relay sees it; none before */
	struct address peer;	/* the other leg's as the relay sees it, once it is bound */
	/* RELAY_LEG_REFUSED: -EADDRINUSE (two others have the session), -ENOSPC (the relay is
	 * full), -EUSERS (too many of this IP), -EDQUOT (the quota is used up), -ECONNRESET
	 * (the other leg closed the session) */
	int error;
	uint32_t retry_after_s;
	uint64_t due_us;	/* the next (re)transmission; UINT64_MAX: none */
	uint64_t heard_us;	/* when the relay was last heard */
	unsigned int tries;
	unsigned int stale;	/* cookies refused since the last one that was not */
};

/* Begin to greet. */
void relay_leg_init(struct relay_leg *leg, const struct address *relay, struct random *random,
		    uint64_t now_us);
/* Bind to this session as soon as there is a cookie: now, or later by itself. */
void relay_leg_bind(struct relay_leg *leg, const uint8_t session[static RELAY_SESSION_BYTES],
		    uint64_t now_us);

/* A control datagram to send to leg->relay now, written to out; its length, or 0: none is due.
 * Call until 0, at each deadline and after each other call. A bound leg that hears nothing binds
 * anew (its address may have changed) and keeps its NAT's mapping alive. */
size_t relay_leg_next(struct relay_leg *leg, uint64_t now_us,
		      uint8_t out[static RELAY_CONTROL_BYTES]);
uint64_t relay_leg_deadline(const struct relay_leg *leg);
/* Our address changed, or the path is silent: greet and bind again at once. */
void relay_leg_moved(struct relay_leg *leg, uint64_t now_us);

/* Leave: a CLOSE to send once to leg->relay, and nothing is due any more. 0: nothing to send. */
size_t relay_leg_close(struct relay_leg *leg, uint8_t out[static RELAY_CONTROL_BYTES]);

enum relay_leg_got {
	RELAY_GOT_NOTHING,	/* not the relay's, or not to be believed */
	RELAY_GOT_CONTROL,	/* the state may have changed */
	RELAY_GOT_DATA,		/* payload points into the packet */
};
enum relay_leg_got relay_leg_receive(struct relay_leg *leg, uint64_t now_us,
				     const struct address *from, const void *packet, size_t len,
				     const uint8_t **payload, size_t *payload_len);

/* The header that stands before each payload for the other leg. Useful from BINDING on. */
void relay_leg_header(const struct relay_leg *leg, uint8_t out[static RELAY_HEADER_BYTES]);
