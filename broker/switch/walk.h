/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A walk over all references, services first, each before its children. It may be interrupted,
 * while references come and go: it then goes on behind the place where it was.
 */
#pragma once

#include <stdint.h>

#include "ref.h"

struct walk {
	struct ref *at;		/* where it is, valid until something changes; NULL: see path */
	uint32_t depth;		/* of path */
	uint64_t path[REF_DEPTH_MAX + 1];	/* numbers, from a service to where it was */
};

/* The next reference, or NULL at the end. Begins with a zeroed walk. */
struct ref *walk_next(struct walk *w);

/* Something may change from now on. */
static inline void walk_pause(struct walk *w)
{
	w->at = NULL;
}
