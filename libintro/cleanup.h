/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Descriptors that close themselves at the end of their scope, unless they were handed on.
 */
#pragma once

#include <unistd.h>

#define _cleanup_(f) __attribute__((cleanup(f)))

static inline void in_closep(int *fd)
{
	if (*fd >= 0)
		close(*fd);
}

/* Hand a descriptor on: its value, and -1 stays behind. */
static inline int in_steal(int *fd)
{
	int taken = *fd;

	*fd = -1;
	return taken;
}
