/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests that have no answer yet. Each can be put into a packet at any time, and is, again,
 * when the broker was restarted. Answered exactly once.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "wire/protocol.h"

struct intro;
struct intro_ref;
struct wire_message;

struct in_request {
	struct in_request *next, **at;	/* in the order in which they were made */
	uint32_t number;		/* what the caller and the wire know it by */
	uint16_t type;			/* enum wire_type */
	bool sent;			/* this socket's broker has it */
	bool cancelled;			/* not to be asked again */
	int failed;			/* a negative errno, to be told by the next dispatch */
	struct intro_ref *ref;		/* NULL: none */
	struct intro_ref *other;	/* LEND: the parent; SAME; GIVE: the recipient; or NULL */
	struct in_lending *lending;	/* owned. GIVE, SAVE: the terms; else NULL */
	uint8_t *enclosed;		/* owned. ENCLOSE: what is in MESSAGES */
	size_t enclosed_len;		/* bytes */
	int fd;				/* owned. HOLD: what to keep; CONNECT: an O_PATH of the
					 * server's socket, while we connect to it; ENCLOSE: our
					 * end of a pair; else -1 */
	int socktype;			/* CONNECT */
	bool waits;			/* CONNECT: for the name, until wait_until */
	bool lost;			/* what it was about has gone */
	uint32_t path;			/* CONNECT: while fd is there */
	unsigned int delay_ms;		/* between attempts */
	uint64_t wait_until;		/* CONNECT: clock.h */
	uint64_t retry_at;		/* not to be sent, or connected, before; 0: now */
	uint64_t session;		/* ATTEST's; CONNECT: while fd is there */
	uint64_t gift_usec;		/* GIVE: how long it waits */
	char name[WIRE_NAME_MAX + 1];	/* HOLD, TAKE; GIVE: the door; else "" */
};

struct in_requests {
	struct in_request *first, **last;
};

void in_requests_init(struct in_requests *requests);
void in_requests_clear(struct in_requests *requests);

/* A request, in the list and not sent. NULL: no memory. */
struct in_request *in_request_new(struct intro *in, uint16_t type, struct intro_ref *ref);
void in_request_free(struct intro *in, struct in_request *rq);
struct in_request *in_request_find(const struct intro *in, uint32_t number);

/* Send it, or see to a connection. Its number, or a negative errno and it is gone. */
int in_request_start(struct intro *in, struct in_request *rq);

/* When to give it up without an answer (clock.h). */
uint64_t in_request_end(const struct in_request *rq);

/* Send it on this socket. 0 or a negative errno. */
int in_request_send(struct intro *in, struct in_request *rq);

/* Have it asked, or tried, again a little later, and later each time. */
void in_request_retry(struct intro *in, struct in_request *rq);

/* Have it refused by the next dispatch. */
void in_request_fail(struct intro *in, struct in_request *rq, int error);

/* Withdraw it from the broker, if that has it. */
void in_request_withdraw(struct intro *in, struct in_request *rq);

/* Its reference is being released: all that use it are withdrawn and answered. */
void in_requests_forget(struct intro *in, struct intro_ref *ref);

/* And those that have it in .other: what is not sent yet is answered, -ECANCELED. */
void in_requests_forget_other(struct intro *in, const struct intro_ref *ref);

/* Whether one that uses ref waits for its name to be served. */
bool in_requests_wait_for(const struct intro *in, const struct intro_ref *ref);

/* The broker let us not in: all have failed that neither wait nor only renew a binding. */
void in_requests_refused(struct intro *in, int error);

/* There will be no other socket: all have failed. */
void in_requests_fail_all(struct intro *in, int error);

/* A descriptor was lost on its way to us: all that wait for one have failed. */
void in_requests_fail_fds(struct intro *in, int error);

/* A new socket: bindings first, then everything else is asked again. 0 or a negative errno
 * when that cannot be done. */
int in_requests_replay(struct intro *in);

/* The socket is gone: nothing is sent. True when something wants another one. */
bool in_requests_unsend(struct intro *in);

/* Do what is due: tell failures, give up what is too late, try again. The next such moment,
 * IN_NEVER when there is none. */
uint64_t in_requests_due(struct intro *in, uint64_t now);

/* Answer it, with the broker's answer and its descriptor (taken over), and free it. 0, or
 * -EPROTO (the answer makes no sense), or -ENOMEM. */
int in_request_answer(struct intro *in, struct in_request *rq, const struct wire_message *m,
		      int fd);

/* Answer it: INTRO_CONNECTED with fd (taken over). 0 or -ENOMEM. */
int in_request_connected(struct intro *in, struct in_request *rq, int fd, int type,
			 uint32_t way);

/* Answer it: it failed for good. 0 or -ENOMEM. */
int in_request_refuse(struct intro *in, struct in_request *rq, int error);
