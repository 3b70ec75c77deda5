/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The main path: a client asks, both sides get a descriptor.
 */
#pragma once

#include <stdint.h>

struct conn;
struct exporter;
struct grant;
struct ref;
struct request;
struct wait;
struct wire_writer;

/* Who is being introduced, for the service to know. */
struct party {
	const char *door;
	int64_t uid, pid;	/* -1: unknown */
	uint64_t pidfd_inode;	/* 0: unknown */
	uint64_t conn;		/* 0: came by a path */
};

/* One introduction, as INCOMING and FETCH tell the service. */
struct session {
	uint64_t number;
	uint32_t type, way, path;
	const struct ref *ref;
	struct party client;
};

/* Answer a CONNECT now, or park it. wait: it was parked before; freed where it is answered. */
void introduce(struct conn *conn, const struct request *request, struct wait *wait);

/* Give a client the socket that the agent opened for it (wait->fd), or park it again. */
void introduce_fetched(struct wait *wait);

/* A connection was accepted on a grant's path socket (taken over). 0: introduced, or refused by
 * the grant's terms; -EAGAIN: the service has no room, accept no more now. */
int introduce_accepted(struct grant *grant, int fd);

/* Refuse a request, with its audit line. */
void introduce_refuse(struct conn *conn, const struct request *request, int error);

/* Write what the service is told of a session, after wire_begin(). */
void session_write(const struct exporter *e, const struct session *session,
		   struct wire_writer *w);

/* Send an INCOMING with the service's end, taken over on success, at the end of the round.
 * Room was asked for. 0, -EPIPE (it is gone), -EAGAIN. */
int session_send(struct exporter *e, const struct session *session, int fd);
