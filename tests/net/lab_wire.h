/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who is connected to whom in a lab, and with which addresses. For lab.c alone.
 */
#pragma once

#include "lab_script.h"

/* Writes what each node is to be told to s, and makes the box's ports (lab->tuns) and its
 * configuration. 0 or -errno; with the box, what has been opened is in lab->tuns either way. */
int lab_wire(struct lab *lab, struct scripts *s, struct box_config *box);

/* Whether a router's inner network is more than one cable. */
bool lab_lan_shared(const struct lab *lab, enum lab_node router);
