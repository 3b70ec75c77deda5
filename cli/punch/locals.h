/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The host's own addresses as the engine wants to know them, and when they change.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "../../libintro/punch/punch.h"

struct locals {
	size_t n;
	struct punch_local list[PUNCH_LOCALS_MAX];	/* unused bytes are zero */
};

/* Those that another host could reach, each with this port: best first, which is the default
 * route's interface, then others, then bridges of containers and virtual machines. Without
 * loopback, link-local, deprecated and temporary ones. 0 or a negative errno. */
int locals_find(struct locals *ret, uint16_t port, bool v4, bool v6);

bool locals_equal(const struct locals *a, const struct locals *b);

/* A socket that is readable when addresses come or go (rtnetlink); or a negative errno. */
int locals_watch(void);
/* Read what it says, all of it. 0 or a negative errno: nothing more will be said. */
int locals_drain(int watch);
