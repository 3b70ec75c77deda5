/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whom the rooms run as in system mode. For the parent room.
 */
#pragma once

#include "../sandbox.h"

/* The user of this name; with "", introd, else nobody with a warning in the log. Never root.
 * 0 or a negative errno after a line in the log. */
int identity_choose(const char *name, struct sandbox_options *ret);
