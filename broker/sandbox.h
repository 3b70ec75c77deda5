/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What each room may do. The whole permission of every room is one table in sandbox.c:
 * capabilities, limits, system calls.
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

enum room_kind { ROOM_PARENT, ROOM_SWITCH, ROOM_CONFIG, ROOM_STORE, ROOM_KINDS };

struct sandbox_options {
	bool system;		/* change to uid and gid, with no supplementary groups */
	uid_t uid;
	gid_t gid;
};

/* Give up everything that is not in the room's row, for good. Called once, by the process
 * itself, before it has a second thread. Neither capabilities, core dumps, ptrace by others of
 * the same uid, set-user-ID programs nor (where the row has a list) any other system call are
 * left: one that is not listed kills the process with SIGSYS.
 * 0 or a negative errno, in which case the process must end. */
int sandbox_enter(enum room_kind room, const struct sandbox_options *options);

/* False in a build with a sanitizer, whose runtime needs system calls of its own: then no
 * filter is installed and the process stays dumpable. To be said in the log. */
bool sandbox_filters(void);
