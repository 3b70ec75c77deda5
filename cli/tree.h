/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The references of a broker as a tree: for intro show and intro graph.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "admin.h"

struct tree_node {
	uint64_t id, parent;	/* parent 0: a service */
	uint32_t kind;		/* enum wire_kind_of */
	char *name, *door;	/* owned; door NULL: none */
	char *terms;		/* owned: a line for a human; "" */
	char *maker;		/* owned: who made it, "" for a service */
	int64_t live;		/* sessions now; -1: not known */
};

struct tree {
	struct tree_node *nodes;	/* in the order of their ids, so parents come first */
	size_t n, size;
};

/* All of the broker's references, or those of one service. 0 or a negative errno. */
int tree_get(struct admin *a, const char *service, struct tree *ret);
void tree_free(struct tree *tree);

/* Draw it with lines. */
void tree_print(const struct tree *tree, FILE *out);
