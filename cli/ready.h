/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Telling whoever started us that we are ready.
 */
#pragma once

/* A state ("READY=1") to the service manager of $NOTIFY_SOCKET: sd_notify(3). Nothing happens
 * where there is none. */
void ready_notify(const char *state);

/* A newline to fd, which is then closed: s6's convention. -1: nothing happens. */
void ready_fd(int fd);
