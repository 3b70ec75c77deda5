/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a peer finds out before the engine begins, beside each other: what the host's NATs are
 * like (look.h), and a port of the router's (mapping.h), which is held until prepare_end().
 */
#pragma once

#include "../loop.h"
#include "locals.h"
#include "look.h"
#include "mapping.h"
#include "peer_options.h"

struct prepare {
	struct loop *loop;
	struct loop_source look_source, mapping_source;
	struct loop_timer patience;
	struct look *look;		/* NULL: over */
	struct mapping mapping;
	/* Called when the engine can begin; may be called again when a mapping comes later. */
	void (*ready)(struct prepare *p);
	/* A line for standard output (event.h), or a negative errno instead of its length. */
	void (*say)(struct prepare *p, const char *line, int len);
	struct nat nat;			/* zeroed: nothing is known */
	struct mapping_result mapped;	/* zeroed: none */
};

/* Needed before prepare_end(). */
void prepare_init(struct prepare *p, void (*ready)(struct prepare *p),
		  void (*say)(struct prepare *p, const char *line, int len));
/* Begin, for the main socket's port. ready() may be called from within. 0 or a negative errno. */
int prepare_begin(struct prepare *p, struct loop *loop, const struct peer_options *options,
		  const struct locals *locals, uint16_t port);
/* Gives the mapping back: mapping_end(). */
void prepare_end(struct prepare *p);
