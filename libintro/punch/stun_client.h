/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One Binding transaction of a STUN client: its request, when to send it again, and whether a
 * message is its answer. Sans-I/O; who asks keeps the socket.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "address.h"
#include "random.h"
#include "stun.h"

/* Sent at 0, 100, 300 and 700 ms, given up at 1,100: RFC 8489's 500 ms are meant for servers
 * that may be overloaded by all of their clients at once, and nobody waits for an answer of
 * theirs for seconds. */
#define STUN_ASK_TRIES 4u
#define STUN_ASK_FIRST_US 100000u

/* Once a server's round trip time is known, requests follow each other at twice that, and at
 * this: silence is then an answer after four of them. */
#define STUN_ASK_APART_MIN_US 80000u

/* Enough of a request for whole answers, IPv6 addresses and all (stun_server.h). */
#define STUN_ASK_BYTES 48u

struct stun_ask {
	uint8_t id[STUN_ID_BYTES];
	struct address to;
	uint32_t change;		/* STUN_CHANGE_IP | STUN_CHANGE_PORT; 0: no CHANGE-REQUEST */
	uint16_t response_port;		/* 0: none */
	uint64_t apart_us;		/* between two requests; 0: as for a server not yet met */
	unsigned int tries;		/* sent so often */
	uint64_t next_us;		/* to be sent again, or given up */
};

/* A new transaction, first sent at start_us. */
void stun_ask_begin(struct stun_ask *ask, struct random *random, const struct address *to,
		    uint64_t start_us);

/* Its request; the length in bytes. */
size_t stun_ask_write(const struct stun_ask *ask, uint8_t out[static STUN_ASK_BYTES]);

enum stun_ask_due {
	STUN_ASK_WAIT,
	STUN_ASK_SEND,		/* now: counted as sent */
	STUN_ASK_SILENT,	/* nobody answers */
};
enum stun_ask_due stun_ask_due(struct stun_ask *ask, uint64_t now_us);

/* Whether a parsed message is its answer: a success or error response with its id that can be
 * understood. */
bool stun_ask_is(const struct stun_ask *ask, const struct stun_message *m);
