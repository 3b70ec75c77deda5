/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests that cannot be answered yet: for a name to be granted or served, for room in a
 * window, for an agent that opens a socket. Each is charged to its connection and has a
 * deadline.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "list.h"
#include "ref.h"
#include "timer.h"

struct conn;
struct exporter;
struct service;

/* A CONNECT, as it was asked. */
struct request {
	uint64_t deadline_usec;	/* 0: does not wait; UINT64_MAX: for ever */
	uint32_t serial;
	uint32_t ref;		/* a handle, or 0 */
	uint32_t type;		/* SOCK_x */
	char name[65];		/* "" when only the handle counts */
};

struct wait {
	struct request request;
	struct conn *conn;
	uint64_t room_deadline_usec; /* for what is not its client's to wait for; 0: not yet */
	struct list in_conn;	/* conn->waits */
	struct list in_queue;	/* what it waits for */
	struct timer timer;
	/* only while an agent opens a socket for it */
	struct exporter *agent;
	struct service *service;	/* while it is in its queue */
	uint64_t session;
	uint64_t reference;	/* by which the agent was asked: its ref's id */
	uint32_t agent_serial;
	int fd;			/* -1, or the agent's answer until our client can take it */
};

/* Park a request in a queue (of this service, or NULL) until a deadline; takes its account's
 * charge. *wait: the old one when it is being parked again, else set. 0, -EDQUOT, -ENOMEM. */
int wait_park(struct conn *conn, const struct request *request, struct list *queue,
	      struct service *service, uint64_t deadline_usec, struct wait **wait);

/* Ask again for everything in the list, or for the first of it. */
void wait_resume_all(struct list *ready);
void wait_resume_one(struct list *ready);

/* Ask again soon: the kernel, or a quota, had no room. */
void wait_retry_later(struct wait *wait);

/* It is over: free it, with its charge. */
void wait_free(struct wait *wait);

/* The request that a client withdraws, or NULL. */
struct wait *wait_find(struct conn *conn, uint32_t serial);

/* The agent that was to open sockets for these is gone: ask for them anew. */
void wait_agent_gone(struct list *waits);

/* It waits for an agent's answer from now on; it does not any more; the wait that an agent's
 * answer is for, or NULL. */
int wait_for_agent(struct wait *wait, struct exporter *agent);
void wait_leave_agent(struct wait *wait);
struct wait *wait_of_agent(struct conn *agent, uint32_t serial);
