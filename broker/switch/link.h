/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The switch's end of the channel to the parent (broker/channel.h): what is kept there so that
 * the next switch finds it, and what comes from there. The second of the two dispatch
 * functions: no client reaches it.
 */
#pragma once

#include <stdint.h>

#include "../channel.h"

struct account;
struct door;
struct grant;

/* In a kept message's TAG_WHAT: the listener is somebody else's to accept on; the listener's
 * file is the service manager's; the file is a link to the server's own socket. */
#define ENTRY_LISTENER_GIVEN 1u
#define ENTRY_LISTENER_ACTIVATED 2u
#define ENTRY_PLACED 3u

/* Start to serve the channel. 0 or a negative errno. */
int link_start(int fd);

/* Have the parent keep a door or grant as it is now, with its listener. */
void link_keep_door(const struct door *door);
void link_keep_grant(struct grant *grant);

/* A counted grant was used: what is kept never gives a use back. */
void link_keep_uses(struct grant *grant);

/* Limits set at run time, of a uid or (-1) the defaults; forgotten where there are none. Those
 * of a door are kept with it. */
void link_keep_limits(struct account *account, int64_t uid);

void link_forget(uint64_t entry);

/* A message of no content: READY, IDLE. */
void link_say(enum channel_type type);

/* A line for the operator. */
__attribute__((format(printf, 1, 2))) void link_log(const char *format, ...);
