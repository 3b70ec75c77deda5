/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The relay's messages as bytes: one writer, one strict parser, no state. Used by both halves,
 * relay_leg.c and relay.c.
 *
 *	offset	bytes
 *	0	1	type (enum relay_type)
 *	1	7	session; zero in HELLO and COOKIE
 *	8	...	DATA: the payload, to the datagram's end
 *	8	8	nonce of the leg that sends it or that it is for
 *	16	1	version
 *	17	16	cookie: COOKIE, BIND, BOUND (the next one)
 *	33	19	the leg's address as seen: COOKIE, BOUND
 *	52	19	the other leg's; BOUND
 *	71	20	quota: bytes 8, packets/s 4, idle s 4, lifetime s 4; BOUND
 *	17	5	REFUSED: reason 1, retry after s 4
 *
 * Numbers are big-endian, an address is family 1, port 2, IP 16. What a type does not use is
 * zero, and refused where it is not.
 */
#pragma once

#include "relay_leg.h"

#define RELAY_VERSION 1u
#define RELAY_NONCE_BYTES 8u
#define RELAY_COOKIE_BYTES 16u
#define RELAY_REFUSED_BYTES 64u		/* all others but DATA: RELAY_CONTROL_BYTES */

enum relay_reason {
	RELAY_STALE = 1,	/* the cookie is not this address's, or too old: greet again */
	RELAY_TAKEN,		/* two other legs have the session */
	RELAY_FULL,		/* the relay has no place */
	RELAY_CROWDED,		/* it has none for this IP address */
	RELAY_SPENT,		/* the session's quota is used up */
};

struct relay_message {
	enum relay_type type;
	uint8_t session[RELAY_SESSION_BYTES];
	uint8_t nonce[RELAY_NONCE_BYTES];
	uint8_t cookie[RELAY_COOKIE_BYTES];
	struct address observed, peer;
	struct relay_quota quota;
	enum relay_reason reason;
	uint32_t retry_after_s;
	const uint8_t *payload;		/* DATA: points into the packet */
	size_t payload_len;
};

/* 0, or -EPROTO: not a message of this protocol, whole and well-formed. Fields that the type
 * does not have are zero. */
int relay_parse(const void *packet, size_t len, struct relay_message *ret);

/* Writes any type but DATA; its length in bytes. */
size_t relay_put(const struct relay_message *m, uint8_t out[static RELAY_CONTROL_BYTES]);

/* The header of DATA. */
void relay_put_header(const uint8_t session[static RELAY_SESSION_BYTES],
		      uint8_t out[static RELAY_HEADER_BYTES]);

/* What a reason is as a negative errno. */
int relay_reason_error(enum relay_reason reason);
