/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Connections: a program's channel to us, through one door. Reading, writing and ending; what
 * its messages mean is client.c's and admin.c's.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "account.h"
#include "list.h"
#include "peer.h"
#include "source.h"
#include "table.h"

struct door;
struct handle;
struct handover;
struct listing;
struct maker;
struct recent;

/* Descriptors that may be on their way to a connection. A client asks, waits and receives,
 * so that one would do; with four the kernel is asked how much is unread only at each fourth
 * introduction. A service that does not keep up makes its clients wait until it has worked off
 * half of its window: with 64 their p99 was three times what it is with 16, at the same rate. */
#define CONN_WINDOW_CLIENT 4u
#define CONN_WINDOW_SERVER 16u

/* Packets without descriptors that may wait for a slow reader. */
#define CONN_QUEUE_MAX 512u

struct conn {
	/* what an introduction touches, together */
	struct source source;
	uint32_t flight, window;	/* descriptors on their way to it, and how many may be */
	uint32_t batch;			/* descriptors that it takes in one packet */
	bool doomed;			/* ends with this round: nothing reaches it any more */
	bool server;
	bool deposits;			/* may send descriptors */
	bool reap;			/* its queue may hold some: close it in the reaper */
	struct account *account;	/* the door's */
	struct user *user;
	struct handover *handover;	/* owned; what it will be sent this round */
	struct list queue;		/* packets that it has not taken yet */
	struct list in_flights;		/* while flight > 0 */
	uint64_t id;
	struct recent *recent;		/* owned; its own ring, once it has asked who somebody is */
	struct door *door;
	char *who;			/* owned; the audit's words for it */
	uint32_t who_len;
	struct peer peer;
	uint64_t pidfd_inode;		/* 0: not asked yet, or unknown */
	struct table handles;

	struct list in_door, in_board;
	struct table fetches;		/* waits for this agent's answers, by serial */
	struct list waits;
	struct list slot_waits;		/* waits for room in its own window */
	struct list starved;		/* its exporters whose clients wait for its window */
	struct list leashes;		/* live sessions that it is to shut down at their end */
	struct handle *broken, **broken_last;	/* owned: that it is to be told of yet */
	struct maker *maker;		/* NULL: it has lent and given nothing yet */
	struct list in_watchers;
	struct list in_doomed;
	struct listing *listing;	/* owned; a LIST under way */
	uint32_t queued;
	uint32_t fetch_serial;
	uint32_t watch_serial, watch_dropped;
	bool admin;
	bool asking;			/* the store is, for it: not to be read meanwhile */
	bool shared;			/* takes JOIN and nothing else */
	bool dead;
	bool lingers;			/* dead, with descriptors in its peer's queue */
};

/* A new connection through a door, of the given socket (taken over in any case). joined: the
 * socket was deposited, so its description is shared with a stranger. NULL: it was refused. */
struct conn *conn_new(struct door *door, int fd, bool joined);

/* Its end: requests, names and what it served are gone. Freed at the end of the round; or, where
 * its peer has not read what it was sent, when that is read or thrown away: until then it is in
 * flight and charged. A second call does not wait for that. */
void conn_close(struct conn *conn);

/* Close it at the end of the round: for where its objects are still being walked. */
void conn_doom(struct conn *conn);

/* It serves: a wider window. */
void conn_make_server(struct conn *conn);

/* Room in a service's socket for more than a window, while it is sent what it asked for. */
void conn_widen(struct conn *conn, bool wide);

/* Let it send descriptors from now on. */
void conn_allow_descriptors(struct conn *conn);

/* Send a packet without descriptors, or queue it. What does not even fit the queue ends the
 * connection (conn_doom): it is not reading. len may be a negative errno of wire_finish(). */
void conn_send(struct conn *conn, const void *packet, int len);

/* Send a packet with descriptors (borrowed), where flight_room() said yes. 0 or a negative
 * errno, with nothing sent. */
int conn_send_fds(struct conn *conn, const void *packet, int len, const int *fds, size_t nfds);

/* Answer a request without descriptors: success, or an error. */
void conn_reply(struct conn *conn, uint32_t serial, int error);

void conn_tell_broken(struct conn *conn, uint32_t ref, int error);

/* Wake up when it has taken something from its queue. */
void conn_await_drain(struct conn *conn);

/* The inode of its process's pidfd, asked once; 0 when the kernel does not tell. */
uint64_t conn_pidfd_inode(struct conn *conn);
