/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A connection to a broker, over all the sockets that it may need in its life. Owns the one
 * pollable descriptor, the socket and the timer; what is asked over it is request.h's, what
 * it designates reference.h's.
 *
 * Calls of the API never complete other requests than their own: a loss that they notice is
 * written down, and dealt with by the next dispatch, which the timer brings about.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <unistd.h>

#include "door.h"
#include "event.h"
#include "fetch.h"
#include "intro.h"
#include "output.h"
#include "reference.h"
#include "request.h"

/* Events that dispatch queues before it leaves the rest with the kernel. */
#define IN_EVENTS_AHEAD 64u

/* A moment that is always past: the timer fires at the next look. */
#define IN_AT_ONCE 1u

enum in_state {
	IN_DOWN,		/* no socket; a retry is due at retry_at, 0: nothing wants one */
	IN_UP,
	IN_DEAD,		/* "fd:N" whose other end is gone: there is no way back */
};

struct intro {
	pid_t owner;
	int epoll_fd, timer_fd;
	int sock;		/* -1 unless IN_UP */
	enum in_state state;
	struct in_door door;
	bool proven;		/* the broker has said something sensible on this socket */
	bool writing;		/* EPOLLOUT is armed */
	bool replaying;
	unsigned int fruitless;	/* sockets in a row that ended unproven */
	unsigned int delay_ms;	/* before the next attempt; 0: at once */
	uint64_t retry_at;
	uint64_t armed_at;	/* when the timer fires; 0: it is off */
	uint64_t userns;	/* our user namespace, 0: unknown */
	unsigned int batch;	/* descriptors that one packet may bring us */
	uint32_t serial;	/* the last one used */
	bool wrapped;		/* serials have been used before */
	struct in_output output;
	struct in_requests requests;
	struct in_references references;
	struct in_events events;
	struct in_fetch *fetches;
};

/* In another process than the one that opened it. */
static inline bool in_foreign(const struct intro *in)
{
	return in->owner != getpid();
}

/* Something wants a connection: open one now, unless an attempt is already due. */
void in_connection_want(struct intro *in);

/* The socket is of no use any more; broken: through the broker's fault, so that the next
 * attempt is not made at once. Nothing is completed here. */
void in_connection_lost(struct intro *in, bool broken);

/* The broker has not accepted the connection, for this reason. Who waits asks again later. */
void in_connection_refused(struct intro *in, int error);

/* Have EPOLLOUT or not. */
void in_connection_watch_output(struct intro *in, bool on);

/* Receive, send and do what is due, without blocking, until there are limit events.
 * 0 or a negative errno as intro_dispatch(). */
int in_connection_dispatch(struct intro *in, unsigned int limit);

/* Wake up at that moment, or earlier. */
void in_timer_at(struct intro *in, uint64_t when);

/* A number that no request of ours bears. */
uint32_t in_serial_new(struct intro *in);
