/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A good configuration, as the messages of output.h.
 */
#pragma once

#include <confuse.h>

/* Write all frames to the descriptor. 0 or a negative errno. */
int emit(cfg_t *top, int fd);
