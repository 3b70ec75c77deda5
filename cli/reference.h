/* SPDX-License-Identifier: Apache-2.0 */
/*
 * References as the administrator calls them: a number of `intro list references`, DOOR/NAME for
 * a grant, or a service's name for the service itself.
 */
#pragma once

#include <stdint.h>

#include "admin.h"

/* The number of a reference. Complains: CODE_OK or an exit code. */
int reference_find(struct admin *a, const char *verb, const char *text, uint64_t *ret);
