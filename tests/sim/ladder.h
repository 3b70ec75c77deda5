/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A trial as a picture: a packet per line, from the column where it was sent to the one where it
 * ended, with the ports that it had on the way. For tests/sim --draw.
 */
#pragma once

#include <stdio.h>

#include "scenario.h"

struct sim_ladder;

/* Looks on from now. */
struct sim_ladder *sim_ladder_new(struct sim_scene *scene);
/* from_us: what was sent before is left out. */
void sim_ladder_draw(const struct sim_ladder *ladder, uint64_t from_us, FILE *out);
void sim_ladder_free(struct sim_ladder *ladder);
