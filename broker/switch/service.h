/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Services: a broker-wide name, and what stands behind it now. The name outlives whoever
 * serves it, for as long as a grant, a holder or a waiting client needs it.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "list.h"
#include "ref.h"

struct wait;

/* Types of socket that can be served and asked for, as bits. */
#define SOCKET_TYPES (1u << SOCK_STREAM | 1u << SOCK_DGRAM | 1u << SOCK_SEQPACKET)

/* A connection that takes descriptors, or opens sockets, for a service. */
struct exporter {
	struct conn *conn;
	struct service *service;
	uint32_t id;		/* the handle's number on that connection */
	uint32_t way;		/* WAY_PAIR or WAY_FETCH */
	uint32_t types;		/* bits (1 << SOCK_x) */
	bool ends_sessions;	/* it shuts them down: a leash is possible */
	bool same_userns;	/* uids mean the same to it as to us */
	struct handle *handle;
	struct list fetches;	/* waits for sockets that it was asked to open */
	uint32_t fetching;	/* their number */
	struct list in_starved;	/* of its connection, while its window is full */
};

struct service {
	struct list waits;		/* for it to be served, or for room */
	struct list grants;		/* their in_service */
	struct placement *placement;	/* NULL: none */
	struct door *held_door;		/* who is charged for it */
	struct user *held_user;
	struct list in_board;
	/* what an introduction touches, last, beside the name: among thousands of names these
	 * lines come from memory */
	struct ref root;
	struct exporter *exporter;	/* NULL: nobody */
	uint64_t introductions;
	uint32_t pins;			/* users on the stack: not to be freed now */
	int held;			/* -1, or a descriptor to be handed out */
	uint32_t name_len;
	char name[];
};

/* The service of a name, made when make is set. NULL: absent, or out of memory. */
struct service *service_get(const char *name, bool make);

/* Somebody serves it now: whoever waits goes on. */
void service_up(struct service *service);

/* Free it when nothing needs it any more. To be called where something was taken away. */
void service_settle(struct service *service);

/* Does a client find anything behind it? */
static inline bool service_is_up(const struct service *service)
{
	return service->exporter || service->placement || service->held >= 0;
}

/* Let handle's connection serve through it. terms: the fields way, types, ends_sessions and
 * same_userns. 0, -EBUSY, -ENOMEM. */
int exporter_new(struct handle *handle, const struct exporter *terms);
void exporter_free(struct exporter *exporter);

/* Go on with its service's waits and listeners when it has taken something. */
void exporter_await_room(struct exporter *exporter);

/* Keep fd (taken over on success) for the service. 0, -EBUSY, -EDQUOT. */
int service_hold(struct service *service, struct conn *by, int fd);
/* Stop keeping it: the descriptor, now the caller's, or -1. */
int service_unhold(struct service *service);
