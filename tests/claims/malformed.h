/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the tests of claim 19 share: a door "bad" with a neighbour in it and a service that greets,
 * and packets sent as they are.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "usage.h"

struct place {
	struct broker b;
	char door[PATH_BYTES];
	int neighbour, fds, parent_fds;
	uint32_t serial;
	pid_t db, room;
};

void place_start(struct place *p);
/* Nobody but the sender has noticed. */
void place_check(struct place *p);
/* Check, and that no descriptor is left. */
void place_end(struct place *p);

/* A good request, to be spoilt. */
#define FIND_DB 1, 0, WIRE_FIND, 0, 1, 0, 0, 0, 1, 0, 0, 0

/* Send as it is; fds of them, all the same descriptor. 0 or a negative errno. */
int send_bytes(int sock, const void *bytes, size_t len, int fd, size_t fds);

/* The broker ends this connection, with or without a last word; it answers on it. */
bool is_ended(int sock);
bool lives(int sock);
/* On a connection of its own. */
bool ends_sender(const char *door, const void *bytes, size_t len);
bool is_answered(const char *door, const void *bytes, size_t len);

/* A connection that may send descriptors. */
int depositor(const char *door);
