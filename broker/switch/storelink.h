/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The switch's channel to the store room: requests in their order, asked again when that room
 * was started anew, and their answers. The room is started when there is the first.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../channel.h"
#include "list.h"

struct ask;
struct conn;

/* What becomes of a request. */
struct ask_handler {
	/* A STORE_ROW for it. */
	void (*row)(struct ask *ask, const struct wire_message *m);
	/* The answer; m: NULL where there is none, error saying why. It is freed afterwards. */
	void (*done)(struct ask *ask, const struct wire_message *m, int error);
	bool once;	/* whether it was done cannot be known: not asked again */
};

/* Embed it first. */
struct ask {
	const struct ask_handler *handler;
	struct list in_asks;
	uint32_t serial;
	bool sent;
	struct conn *conn;	/* whose request it serves; NULL: nobody's, or gone */
	uint32_t client_serial;
	size_t len;
	uint8_t packet[512];	/* a URI may be longer: see storelink_ask() */
	uint8_t *large;		/* owned; NULL: packet */
};

/* A number for the next message. */
uint32_t storelink_serial(void);

/* Send what w holds for ask (taken over). Calls done() at once where there is no store. */
void storelink_ask(struct ask *ask, const struct wire_writer *w);

/* The parent's answer to WANT_STORE: a channel (taken over), or why not. */
void storelink_open(int fd, int error);

/* For each request of a connection. */
void storelink_each(void (*each)(struct ask *ask, void *arg), void *arg);
