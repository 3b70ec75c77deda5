/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Placements: the server's own socket, hard-linked into each granted door and linked anew
 * when inotify says that the server has made another one.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "list.h"

struct grant;
struct handle;
struct service;

struct placement {
	struct service *service;
	struct handle *handle;	/* NULL: from the configuration */
	struct list in_board;	/* of all placements */
	int dir;		/* where the server's socket is: owned */
	uint32_t round;		/* the last configuration that named it */
	int watch;		/* inotify's */
	bool present;		/* there is a socket to link */
	int said;		/* why it could not be linked, as the log says already */
	char file[65];
};

/* What a stranger's descriptor is, without asking its filesystem, which may be a stranger's,
 * too (FUSE), and never answer. 0 or a negative errno. */
struct place {
	uint64_t dev, inode;
	uint32_t mode;
};
int place_of(int fd, struct place *ret);

/* Start watching. 0 or a negative errno. */
int place_start(void);

/* Place dir/file for a service; dir is taken over on success. handle may be NULL.
 * 0, -EINVAL (no directory, or no file name), -EBUSY, -EXDEV, -ENOMEM. */
int placement_new(struct service *service, struct handle *handle, int dir, const char *file);
void placement_free(struct placement *p);

/* Free those that the last configuration did not name any more. */
void placement_sweep(void);

/* Link the server's socket into the grant's door. 0, -ENOENT (no socket there now), -EXDEV,
 * -EPERM (not ours to link). */
int placement_link(struct placement *p, struct grant *grant);

/* An O_PATH descriptor of the server's socket, or a negative errno. */
int placement_open(const struct placement *p);
