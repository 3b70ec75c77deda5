/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sockets that the broker has asked us for (INTRO_FETCH) and that were not answered yet. The
 * caller knows them by numbers of ours, since the broker's are only good on one socket.
 */
#pragma once

#include <stdint.h>

struct intro;

struct in_fetch {
	struct in_fetch *next;
	int number;
	uint32_t serial;	/* the broker's */
};

/* Note one. Its number, or -ENOMEM. */
int in_fetch_new(struct intro *in, uint32_t serial);

/* Answer and forget it: a descriptor (borrowed) or a negative errno. 0, -ENOENT when there is
 * none such, or why the descriptor cannot be sent (the broker is then told of a failure). */
int in_fetch_answer(struct intro *in, int number, int fd_or_error);

/* Tell the broker that nothing came of it. */
void in_fetch_refuse(struct intro *in, uint32_t serial, int error);

/* Forget all: the socket that they came by is gone. */
void in_fetches_clear(struct intro *in);
