/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For the claims about who sees whom: clients and services in processes of their own, with
 * uids and user namespaces of their own, which tell what they see of each introduction.
 */
#pragma once

#include "harness.h"

/* Uids that need not exist. */
#define CLIENT_UID 20011u
#define SERVICE_UID 20022u
#define BROKER_UID 20033u

enum role {
	PARTY_CLIENT,	/* is introduced when it is told to */
	PARTY_SERVICE,
};

struct party_options {
	enum role role;
	enum wire_way way;
	const char *name;
	const char *door;	/* a directory, or "fd:N"; reached by a descriptor, as a container
				 * reaches what is mounted into it */
	const char *dir;	/* fetch, placed: where the server's socket, NAME, is */
	uid_t uid;		/* when root tests; 0: ours */
	bool own_userns;	/* in a user namespace, as its root */
};

/* What a party sees of a session. Fields of events that its side has none of are -1 or 0. */
struct sight {
	int error;		/* 0 or a negative errno: nothing else counts */
	int way;
	int64_t uid, pid;	/* as the broker attests them */
	uint64_t pidfd_inode, session;
	uint32_t peer_uid;	/* as the kernel does, for its end (SO_PEERCRED) */
	int32_t peer_pid;
	uint64_t inode, cookie;	/* of its end */
};

struct party {
	pid_t pid;
	int sock;
};

/* Start it; a service is ready when this returns. */
void party_start(struct party *ret, const struct party_options *options);

/* Have a client introduced, and hear what it sees. */
void party_meet(struct party *client, struct sight *ret);

/* The same with what the service sees. By the ways fetch and placed it is the server's side;
 * and by held nobody sees anything. */
void party_see(struct party *service, struct sight *ret);

/* Let it close its ends of all sessions. */
void party_release(struct party *p);

/* Whether the other end of a session that it has not released is closed everywhere. */
bool party_is_alone(struct party *p);

/* End it. */
void party_stop(struct party *p);
