/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Opening a socket to a target without blocking: one address after the other, within a
 * deadline. For the agent, which does so for every introduction by `fetch`.
 */
#pragma once

#include <stdint.h>

#include "loop.h"
#include "target.h"

#define OPENING_MS 10000	/* deadline of one opening */

struct opening {
	struct loop *loop;
	struct target *target;	/* shared; outlives us */
	/* Called once: fd is a connected, blocking descriptor (the callee's), or a negative
	 * errno. The opening is over and may be freed there. */
	void (*done)(struct opening *opening, int fd);
	int type;		/* SOCK_x */

	struct loop_source source;
	struct loop_timer timer;
	int fd;			/* owned */
	uint32_t next;		/* address to be tried */
	int64_t deadline_ms;
	int error;		/* the last address's; also of use in done() */
	unsigned int pause_ms;
};

/* Fill in the first four fields, then start. done() may be called before it returns. */
void opening_start(struct opening *opening);
