/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the tests of claims share: a broker under attack, which must come out of it as it went
 * in, and the messages that a client of the bare protocol sends without waiting.
 */
#pragma once

#include "../harness.h"

/* A broker, and what it looked like before. */
struct scene {
	struct broker b;
	pid_t room;		/* the switch's */
	int parent_fds, room_fds;
};

/* Start one. options may be NULL; .countable is set. */
void scene_start(struct scene *s, const struct broker_options *options);

/* What is open now is what shall be open at the end: after doors and grants were made. */
void scene_settled(struct scene *s);

/* The switch is the one that was there, it introduces strangers to each other, and both rooms
 * have the descriptors that they had. */
void scene_check(struct scene *s);

/* The same, where the switch was killed on purpose. */
void scene_check_restarted(struct scene *s);

/* Check, and stop the broker. */
void scene_end(struct scene *s);

/* ---- administration ---- */

/* Begin an administration message: a door, and a name where it is not NULL. */
struct message {
	uint8_t buf[WIRE_PACKET_MAX];
	struct wire_writer w;
};
struct wire_writer *message(struct message *m, enum wire_type type, uint32_t serial,
			    uint32_t ref, uint8_t nfds);

/* Ask on a connection of its own: 0 or a negative errno. */
int administer(const struct scene *s, const struct wire_writer *w);

/* Set one limit of a door; of a uid; remove a door; a grant. */
int limit_door(const struct scene *s, const char *door, enum wire_tag what, uint32_t max);
int limit_uid(const struct scene *s, uint32_t uid, enum wire_tag what, uint32_t max);
int remove_door(const struct scene *s, const char *door);
int ungrant(const struct scene *s, const char *door, const char *name);
/* A grant of a service under another name. rights as broker_grant()'s. */
int grant_as(const struct scene *s, const char *door, const char *name, const char *service,
	     uint32_t rights);

/* One number from a `LIST usage` row of a door. */
uint64_t door_usage(const struct scene *s, const char *door, enum wire_tag what);

/* ---- clients and services ---- */

/* A connection to the broker through a door ("host" is open in user mode). */
int enter(const struct scene *s, const char *door);

/* A connection that serves a name through a door. */
int serve(const struct scene *s, const char *door, const char *name, enum wire_way way);

/* Send a CONNECT without waiting for its reply. */
void ask(int sock, uint32_t serial, const char *name, int type, uint64_t wait_us);

/* Ask and wait for the reply: the introduced descriptor or a negative errno. */
int dial(int sock, const char *name);

/* The descriptor of the reply to serial, which must be the next packet, or its error. */
int answer(int sock, uint32_t serial);

/* The next packet must be of this type: its descriptor (-1: none came). ret may be NULL. */
int expect(int sock, enum wire_type type, struct raw *ret);

/* Allow descriptors on a connection; deposit one. */
void allow(int sock);
int hold(int sock, uint32_t serial, const char *name, int fd);

/* The broker ends this connection, whatever it sent before. Closes it. */
void expect_end(int sock);

/* Nothing comes on this connection until the broker has answered a FIND of a name that is
 * not there; true when that answer is the next packet. */
bool quiet(int sock);

/* A client and a service, both new, meet through the host door; all is closed again. */
void strangers_meet(const struct scene *s);

/* Resident memory of the switch in KiB. */
long room_memory(const struct scene *s);

/* ---- processes that die ---- */

/* A process that has done act(), and now waits for its end. It has nothing of ours. */
pid_t doomed(void (*act)(void));
/* Stop a process by SIGSTOP, and wait until it has stopped. */
void stop(pid_t pid);

/* ---- descriptors whose close blocks ---- */

/* A TCP socket with SO_LINGER and unsent data: closing its last copy takes a minute. release()
 * ends what it waits for. */
struct lingering {
	int fd;			/* to be deposited; -1 when closed */
	int peer, listener;
};
void lingering_make(struct lingering *l);
void lingering_release(struct lingering *l);
