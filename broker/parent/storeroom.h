/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The parent's side of the store room: it is started when the switch wants it, has its channel
 * with the switch alone, and ends with it. For keeper_channel.c and parent.c.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "../room.h"
#include "../sandbox.h"
#include "base.h"

struct storeroom {
	struct sandbox_options sandbox;	/* whom it becomes */
	const char *path;		/* --state; NULL: the mode's own */
	bool own_user;			/* system mode: another one than the switch's */
	bool used;			/* there may be something from before */
	int dir;			/* of its files; -1: not opened yet */
	uint64_t started_us;		/* the last time; 0: never */
	struct room room;
};

/* Choose its user and, in system mode, make its directory, while we may. Without one, which the
 * log says, nothing can be saved, and all else works. */
void storeroom_prepare(struct storeroom *store, const struct sandbox_options *switch_sandbox,
		      const char *path);

/* Start one in place of the last: the switch's end of a channel to it, the caller's; or a
 * negative errno, -EAGAIN (not so soon after the last) or after a line in the log. */
int storeroom_start(struct storeroom *store);

/* The process may have ended. */
void storeroom_ended(struct storeroom *store);

/* End it, and forget the directory. */
void storeroom_close(struct storeroom *store);
