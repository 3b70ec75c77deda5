/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the service manager gives and is told: sd_listen_fds(3) and sd_notify(3), by hand.
 * For the parent room.
 */
#pragma once

#include "store.h"

/* How many descriptors were passed to this process, from 3 on. */
unsigned int activation_count(void);

/* Take the listeners that were passed (LISTEN_PID, LISTEN_FDS, LISTEN_FDNAMES) and keep those
 * named "control" and "host" as the entries CHANNEL_ENTRY_CONTROL and _HOST; close the others,
 * saying so. The variables are removed. 0, or a negative errno after a line in the log when a
 * descriptor is not a listening SOCK_SEQPACKET socket of AF_UNIX. */
int activation_take(struct store *store);

/* Remember NOTIFY_SOCKET and remove it from the environment. */
void activation_notify_open(void);

/* Tell the service manager; nothing happens when there is none. state is one or more lines,
 * such as "READY=1". */
void activation_notify(const char *state);

/* "RELOADING=1" with the time that Type=notify-reload wants. */
void activation_notify_reloading(void);
