/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A filesystem whose server answers until a file is open, and then never again: its flush, and
 * so close(2), do not return. Speaks FUSE (fuse(4)) itself, since only so can it be silent.
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "../harness.h"

struct stuck_fs {
	pid_t server;
	int line;		/* to it */
	char dir[DIR_BYTES];
};

/* False where this cannot be had here: no /dev/fuse, or no right to mount. */
bool stuck_fs_start(struct stuck_fs *fs);

/* An open file of it: whoever closes it, or reads it, is stuck. */
int stuck_fs_file(const struct stuck_fs *fs);

/* Its directory, O_PATH; from now on every question about it, too, makes whoever asks stick,
 * and there are no more files. */
int stuck_fs_directory(const struct stuck_fs *fs);

/* End it; whoever is stuck goes on. What was taken from it can now be closed. */
void stuck_fs_stop(struct stuck_fs *fs);
