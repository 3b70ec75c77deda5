/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Packets on their way to the broker, in order. Those with a descriptor wait, and everything
 * behind them, until the broker has said that it takes descriptors from this connection
 * (ALLOW), which is asked for when the first of them comes.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define IN_OUTPUT_MAX (1u << 20) /* bytes queued, beyond what the kernel took */

struct intro;

enum in_allow { IN_ALLOW_UNASKED, IN_ALLOW_ASKED, IN_ALLOWED, IN_ALLOW_REFUSED };

struct in_packet {
	struct in_packet *next;
	int fd;			/* owned; -1: none */
	size_t len;
	uint8_t data[];
};

struct in_output {
	struct in_packet *first, **last;
	size_t bytes;
	enum in_allow allow;
	int refused;		/* why, when IN_ALLOW_REFUSED */
	uint64_t retry_at;	/* the kernel had no room for a descriptor; 0: no */
};

void in_output_init(struct in_output *output);

/* Forget what was not sent and what was allowed: that connection is over. */
void in_output_clear(struct in_output *output);

/* Send a packet now, or queue a copy (of the borrowed fd too). 0, also when the connection
 * turns out to be lost, or a negative errno: -ENOBUFS, -ENOMEM, -EMFILE, or why the
 * descriptor cannot be sent. */
int in_output_send(struct intro *in, const void *packet, int len, int fd);

/* Send what can be sent now. */
void in_output_flush(struct intro *in);

/* The broker's answer to ALLOW: 0 or a negative errno. */
void in_output_allowed(struct intro *in, int error);

/* Ask for ALLOW ahead of need. 0 or a negative errno. */
int in_output_allow(struct intro *in);
