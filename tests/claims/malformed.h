/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A client whose every packet is made byte by byte, since libintro sends none of these, for
 * claim 19; and what becomes of it.
 */
#pragma once

#include "place.h"

/* The header of a FIND, with serial and reference 1. */
#define FIND_DB 1, 0, WIRE_FIND, 0, 1, 0, 0, 0, 1, 0, 0, 0

/* Send as it is; fds of them, all the same descriptor. 0 or a negative errno. */
int raw_bytes(int sock, const void *bytes, size_t len, int fd, size_t fds);

/* Send n copies of a pipe's end with these bytes; what the kernel says, and whether every copy
 * was closed: nobody keeps what came in excess. */
int send_pipe(int sock, const void *bytes, size_t len, size_t n, bool *closed);

/* The broker ends this connection, with or without a last word. */
bool is_ended(int sock);

/* The connection lives: it answers. */
bool lives(int sock);

/* These bytes, on a connection of their own through a door, end it; or it is answered. */
bool ends_sender(const char *door, const void *bytes, size_t len);
bool is_answered(const char *door, const void *bytes, size_t len);

/* A connection that may send descriptors. */
int depositor(const char *door);
