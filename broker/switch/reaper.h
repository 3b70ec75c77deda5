/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Closing a stranger's descriptor can block: a socket that lingers, a file on FUSE, a
 * connection with one of these unread in its queue. Such descriptors are closed by a thread
 * that shares the descriptor table and does nothing else. Descriptors of the switch's own
 * making are closed where they are used.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define REAPER_BATCH 256

struct reaper {
	int read_end, write_end;	/* of the pipe to the threads */
	size_t pending;		/* collected in this round */
	int fds[REAPER_BATCH];
	uint32_t closed;	/* by the threads, when that was last seen to change */
	uint64_t since_msec;	/* and when that was */
};

/* Make what the threads need; they are started when there is something to close, and end
 * when there is nothing for a while: a process with one thread has the cheaper system calls.
 * 0 or a negative errno. */
int reaper_start(struct reaper *r);

/* Take over a descriptor; it is closed some time after the next flush. */
void reaper_take(struct reaper *r, int fd);

/* Close one end of a session, of which others hold copies: at once where its queue is surely
 * empty, else in the thread, since ours may turn out to be the last copy. stream: it is a
 * SOCK_STREAM. */
void reaper_dispose(struct reaper *r, int fd, bool stream);

/* Hand what was collected to the thread; at the end of each round of the loop. */
void reaper_flush(struct reaper *r);
