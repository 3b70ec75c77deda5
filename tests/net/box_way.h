/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A packet's way through the box, in the process that is the box: for box.c alone.
 */
#pragma once

#include "box.h"

/* Until the other end of control is closed, or there is no memory. A byte that comes from there
 * is a NAT to be rebooted, and is sent back. */
void box_way(const struct box_config *config, struct box_counters *counters, int control);
