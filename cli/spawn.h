/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Starting the user's broker. Only start.c calls it.
 */
#pragma once

/* Start introd --user with this base directory, unless somebody else does so first, and
 * return when it is ready. 0 or a negative errno; -ESTALE: failed, and it was said why. */
int spawn_broker(const char *base);
