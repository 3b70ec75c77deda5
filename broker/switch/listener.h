/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Listening sockets in doors, and listening again later where the kernel had no room.
 */
#pragma once

#include <sys/types.h>

struct door;
struct grant;

/* A non-blocking listener bound to dir/name with this mode, replacing what was there at once:
 * whoever connects finds the old one or the new one. The descriptor, or a negative errno. */
int listener_bind(int dir, const char *name, int type, mode_t mode);

/* Make one that came from elsewhere non-blocking, and let its connections of type
 * SOCK_SEQPACKET carry no descriptors (SO_PASSRIGHTS). */
void listener_adopt(int fd);

/* Accept: a close-on-exec, non-blocking descriptor or a negative errno. */
int listener_accept(int fd);

/* Stop accepting, and try again after a moment. */
void listener_retry_door(struct door *door);
void listener_retry_grant(struct grant *grant);
void listener_retry_soon(void);	/* nothing of its own: the loop is to go round again */
void listener_forget_door(struct door *door);

/* The retry timer is due: arm them all again. */
void listener_retry_all(void);
