/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a peer does with the application's datagrams, so that a third program can measure a path:
 * it sends them back; or with a socket on the loopback (--listen), passes them on to whoever sent
 * something there last, and what is sent there goes out by the path.
 */
#pragma once

#include "../loop.h"
#include "drive.h"

struct echo {
	struct drive *drive;		/* borrowed */
	struct loop_source source;	/* the loopback socket; fd -1: none */
	struct address user;		/* who sent last */
};

/* port 0: no socket. 0 or a negative errno. */
int echo_begin(struct echo *e, struct loop *loop, struct drive *drive, uint16_t port);
void echo_end(struct echo *e, struct loop *loop);

/* For drive_begin(); arg: the struct echo. */
void echo_data(void *arg, const uint8_t *payload, size_t len);
