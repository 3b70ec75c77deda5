/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Packets on their way through the box, by the moment at which each is to go on; those of one
 * moment in their order. For box_way.c.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "sim/packet.h"

struct waiting;

/* NULL: no memory. */
struct waiting *waiting_new(void);
void waiting_free(struct waiting *w);

/* Copies the packet; stage comes back with it. false: too many wait. */
bool waiting_put(struct waiting *w, const struct sim_packet *packet, int stage, uint64_t at_us);
/* The first moment; UINT64_MAX: none waits. */
uint64_t waiting_due(const struct waiting *w);
/* The first packet, of which there must be one: its stage. */
int waiting_take(struct waiting *w, struct sim_packet *ret);
