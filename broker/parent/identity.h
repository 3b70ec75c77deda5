/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whom the rooms run as in system mode. For the parent room.
 */
#pragma once

#include "../sandbox.h"

/* The user of this name; with "", introd, else nobody. Never root. 0; 1 when it is nobody for
 * want of introd; or a negative errno after a line in the log. */
int identity_choose(const char *name, struct sandbox_options *ret);

/* Say in the log that the switch runs as nobody. */
void identity_warn(void);
