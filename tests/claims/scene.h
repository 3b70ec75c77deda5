/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the tests of claims share: a broker under attack, which must come out of it as it went
 * in, and the messages that a client of the bare protocol sends without waiting.
 */
#pragma once

#include "../harness.h"

#define HOUR_USEC (UINT64_C(3600) * 1000000)

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

/* Begin a message. */
struct message {
	uint8_t buf[WIRE_PACKET_MAX];
	struct wire_writer w;
};
struct wire_writer *message(struct message *m, enum wire_type type, uint32_t serial,
			    uint32_t ref, uint8_t nfds);

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

/* Both ends work. Closes them. */
void expect_linked(int a, int b);

/* A socket whose other end is closed everywhere, with nothing in it. Closes it. */
void expect_eof(int fd);

/* The broker ends this connection, whatever it sent before. Closes it. */
void expect_end(int sock);

/* Nothing comes on this connection until the broker has answered a FIND of a name that is
 * not there; true when that answer is the next packet. */
bool quiet(int sock);

/* A client and a service, both new, meet through the host door; all is closed again. */
void strangers_meet(const struct scene *s);

/* Resident memory of the switch in KiB. */
long room_memory(const struct scene *s);

/* ---- descriptors whose close blocks ---- */

/* A TCP socket with SO_LINGER and unsent data: closing its last copy takes a minute. release()
 * ends what it waits for. */
struct lingering {
	int fd;			/* to be deposited; -1 when closed */
	int peer, listener;
};
void lingering_make(struct lingering *l);
void lingering_release(struct lingering *l);
