/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory for the simulator: pools of objects of one size, and hash tables of objects found by
 * two addresses. Where there is no memory, the program ends: it is a test.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "../../libintro/punch/address.h"

/* Zeroed. */
void *sim_alloc(size_t n, size_t bytes);

/* Objects are not zeroed. All of them go with sim_pool_free(). */
struct sim_pool {
	size_t bytes;		/* of one object */
	void *free;
	void *chunks;
	size_t left;		/* objects of the newest chunk that were never taken */
};
void sim_pool_init(struct sim_pool *pool, size_t bytes);
void *sim_pool_take(struct sim_pool *pool);
void sim_pool_give(struct sim_pool *pool, void *object);
void sim_pool_free(struct sim_pool *pool);

struct sim_key {
	struct address a, b;	/* b none where one suffices */
};

/* To be embedded in what is to be found. */
struct sim_node {
	struct sim_node *next;
	uint64_t hash;
	struct sim_key key;
};

/* Zeroed: empty. */
struct sim_table {
	struct sim_node **slots;
	size_t size;		/* a power of two, or 0 */
	size_t used;
};

struct sim_node *sim_table_find(const struct sim_table *t, const struct address *a,
				const struct address *b);
/* node's key is set by it; no other node of the table may have it. */
void sim_table_add(struct sim_table *t, struct sim_node *node, const struct address *a,
		   const struct address *b);
void sim_table_remove(struct sim_table *t, struct sim_node *node);
/* The slots only: what was in it is its owner's. */
void sim_table_free(struct sim_table *t);

#define sim_container(node, type, member) \
	((type *)(void *)((char *)(node) - offsetof(type, member)))
