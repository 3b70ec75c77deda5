/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Carries out what one of the engine's machines wants (output.h): its sockets by number, its
 * datagrams both ways, its deadline. What is not for the network, signals and events, is kept
 * for the caller to take. The drive (drive.h) and the survey (look.h) are made of it.
 *
 * It is one pollable descriptor in the caller's own event loop. Not thread-safe; several share
 * nothing.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../../libintro/punch/output.h"

struct carry;

/* The machine's calls, `it` their first argument. */
struct carry_machine {
	void *it;
	void (*opened)(void *it, uint64_t now_us, uint16_t socket, const struct address *local,
		       int error);
	void (*datagram)(void *it, uint64_t now_us, uint16_t socket, const struct address *from,
			 const void *packet, size_t len);
	void (*timer)(void *it, uint64_t now_us);
	uint64_t (*deadline)(const void *it);
	bool (*take)(void *it, struct output *ret);
};

/* 0 or a negative errno. */
int carry_new(struct carry **ret);
/* Closes every socket. The machine is the caller's. */
void carry_free(struct carry *c);

/* Opens the main socket, number 0, for both families on one port, or for one of them (the other
 * one's flag false). port 0: any. IPv6 is left out where the host has none. 0 or a
 * negative errno. */
int carry_open_main(struct carry *c, bool v4, bool v6, uint16_t port);

/* Begin: from now on the machine is served. */
void carry_begin(struct carry *c, const struct carry_machine *machine);

/* Readable when carry_step() has something to do. Borrowed. */
int carry_fd(const struct carry *c);
/* Do it. 0 or a negative errno: nothing works any more. */
int carry_step(struct carry *c);
/* Carry out what the machine wants. After every call of the machine that the caller made. */
void carry_out(struct carry *c);

/* Signals and events, in order: valid until the next call. */
bool carry_take(struct carry *c, struct output *ret);

/* A datagram of the caller's own, from the machine's socket; sent by the next carry_out(). */
void carry_send(struct carry *c, uint16_t socket, const struct address *to, const void *header,
		size_t header_len, const void *bytes, size_t len);

/* The local port of one of the sockets; 0: it is not open. */
uint16_t carry_port(const struct carry *c, uint16_t socket);

/* Datagrams that went out, and that the kernel did not take. */
void carry_count(const struct carry *c, uint64_t *ret_sent, uint64_t *ret_lost);

/* Microseconds of CLOCK_MONOTONIC. */
uint64_t carry_now_us(void);
