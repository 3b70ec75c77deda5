/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For the claims about what a door lets out: a broker with one door, "web", and what is granted
 * there.
 */
#pragma once

#include "usage.h"

/* Start it; the door's directory. */
void web_start(struct broker *b, char ret_door[static PATH_BYTES]);

/* Grant name (of the service of that name) in "web", narrowed where a number is not zero. */
void web_grant(const struct broker *b, const char *name, uint64_t lifetime_us, uint32_t uses);
