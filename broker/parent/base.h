/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The broker's directories, made and checked: BASE (0700), BASE/doors and BASE/exports, and
 * the host door's. In system mode they belong to the switch's uid. A directory keeps its inode
 * when the broker restarts, since containers have doors mounted. For the parent room.
 */
#pragma once

#include <limits.h>
#include <stdbool.h>
#include <sys/types.h>

struct base_options {
	const char *base;	/* NULL: the mode's own, see introd(8) */
	const char *host_dir;	/* NULL: likewise */
	bool system;
	uid_t uid;		/* the owner; in user mode our own */
	gid_t gid;
};

struct base {
	char path[PATH_MAX];
	char host_path[PATH_MAX];
	int fd, host_fd, lock_fd;
	bool system;
	uid_t uid;
	gid_t gid;
};

/* A socket's path in a door has to fit into a sockaddr_un: BASE/doors/host/intro.sock. */
#define BASE_PATH_MAX 84u

/* Make what is missing, refuse what somebody else could have made or can write to, and lock
 * BASE against a second broker. 0 or a negative errno after a line in the log: -EBUSY another
 * broker serves it. */
int base_open(struct base *ret, const struct base_options *options);

void base_close(struct base *base);

/* From here to base_leave(), files are opened with the owner's rights and made as the owner's.
 * Does nothing in user mode. */
void base_enter(const struct base *base);
void base_leave(const struct base *base);
