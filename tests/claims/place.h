/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where one door is bad to the broker and nobody else may notice: a second door, a neighbour in
 * the same door, and a service that greets, whom all of them go on to meet.
 */
#pragma once

#include "usage.h"

struct place {
	struct broker b;
	char bad[PATH_BYTES], good[PATH_BYTES];	/* doors: "db" is granted in both, and "own" may
						 * be served through the bad one */
	pid_t db, room;			/* the greeter; the switch */
	int neighbour;			/* a connection through the bad door, older than any other */
	uint32_t serial;		/* its last one */
	int fds, parent_fds;		/* in the switch and in the parent, to be there at the end */
};

void place_start(struct place *p);

/* Nobody but the sender has noticed: all others are greeted, by the same switch. */
void place_check(struct place *p);

/* The same, and there are as many descriptors as before. */
void place_end(struct place *p);

/* So many descriptors for this test, or it is skipped. */
void need_descriptors(unsigned int n);
