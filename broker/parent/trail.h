/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where the audit lines of the switch go: opened here, since the switch can open neither
 * /dev/log nor a file of the administrator's. For the parent room.
 */
#pragma once

#include "../channel.h"
#include "base.h"
#include "config.h"

struct trail {
	enum audit_kind kind;
	int fd;			/* -1: none; owned */
};

/* Open what the configuration says, else the mode's own (system: syslog, and BASE/audit.log
 * where there is none; user: BASE/audit.log), in place of what is open. A file is made with
 * mode 0600, never through a symbolic link, and appended to; syslog is a datagram socket.
 * 0, or a negative errno after a line in the log: then what was open stays. */
int trail_open(struct trail *trail, const struct config *config, const struct base *base);

void trail_close(struct trail *trail);
