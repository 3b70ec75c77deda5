/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the engine wants done: datagrams to send, sockets to open and close, signals for the
 * other end, and events. The engine's machines put such things in, whoever drives them takes
 * them out, in order, after each call; nothing is done behind a driver's back.
 *
 * Sockets are numbers. Number 0 is the driver's main socket, open from the start; others are
 * opened when OUTPUT_OPEN says so, and the driver then says punch_opened() or survey_opened().
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "address.h"

#define OUTPUT_BYTES_MAX 1400u		/* of a datagram or a signal */

enum output_kind {
	OUTPUT_SEND,		/* bytes, from socket, to an address; ttl 0: the usual one */
	OUTPUT_OPEN,		/* a new UDP socket with this number */
	OUTPUT_CLOSE,
	OUTPUT_SIGNAL,		/* bytes, to the other end's punch_signal(), by any channel */
	OUTPUT_EVENT,		/* bytes: a struct of the machine that says it (punch.h) */
};

/* To which port a new socket is bound. */
enum output_bind {
	OUTPUT_BIND_ANY,
	OUTPUT_BIND_EVEN,	/* an even port above 1023 */
	OUTPUT_BIND_LOW,	/* one in 512-1023: needs CAP_NET_BIND_SERVICE */
};

struct output {
	enum output_kind kind;
	uint16_t socket;
	uint8_t ttl;			/* OUTPUT_SEND */
	uint8_t family;			/* OUTPUT_OPEN: 4 or 6 */
	enum output_bind bind;		/* OUTPUT_OPEN */
	struct address to;		/* OUTPUT_SEND */
	size_t len;
	const uint8_t *bytes;		/* until the next call of the machine */
};

/* A queue of them: bytes in one buffer that grows to what a burst needs. */
struct output_queue {
	uint8_t *buf;
	size_t size, head, tail;
	bool lost;			/* something did not fit, or there was no memory */
};

/* Copies o and its bytes to the queue's end. */
void output_put(struct output_queue *q, const struct output *o);
/* Takes the first one out; false: none is there. ret's bytes are valid until the next put. */
bool output_take(struct output_queue *q, struct output *ret);
void output_free(struct output_queue *q);
