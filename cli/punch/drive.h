/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Drives one struct punch on real sockets: one pollable descriptor for an event loop, signals
 * and events to be taken out, the application's datagrams in and out. Knows nothing of command
 * lines, so that an application can be made of it.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../../libintro/punch/punch.h"

struct drive;

/* A datagram of the other end's application; from within drive_step(). It may drive_send(). */
typedef void drive_data_fn(void *arg, const uint8_t *payload, size_t len);

/* Opens the main socket, as carry_open_main(). 0 or a negative errno. */
int drive_new(struct drive **ret, bool v4, bool v6, uint16_t port);
void drive_free(struct drive *d);
/* A socket's port; the main one's (number 0) is for config.locals and port mappings. */
uint16_t drive_port(const struct drive *d, uint16_t socket);

/* Begin, once. data (may be NULL) is called with arg. 0 or a negative errno of punch_new()'s. */
int drive_begin(struct drive *d, const struct punch_config *config, drive_data_fn *data,
		void *arg);

/* Readable when drive_step() has something to do. Borrowed. */
int drive_fd(const struct drive *d);
/* 0 or a negative errno: nothing works any more. */
int drive_step(struct drive *d);

/* The next OUTPUT_SIGNAL or OUTPUT_EVENT; false: none. Until false after each other call. */
bool drive_take(struct drive *d, struct output *ret);

/* punch_signal(), punch_observed(), punch_network(). */
void drive_signal(struct drive *d, const void *signal, size_t len);
void drive_observed(struct drive *d, const struct address *peer);
void drive_network(struct drive *d, const struct punch_local *locals, size_t n);

/* Send by the path, now or with the other datagrams of this step. 0, -ENOTCONN: there is no
 * path; -EPROTO: its first byte is below 64, which is the engine's. */
int drive_send(struct drive *d, const void *bytes, size_t len);

const struct punch_path *drive_path(const struct drive *d);
/* NULL before drive_begin(). */
const struct punch *drive_punch(const struct drive *d);
