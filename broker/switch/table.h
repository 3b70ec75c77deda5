/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hash tables of pointers, keyed by a name or by a number that stands in the element itself.
 * Open addressing, power-of-two sizes; empty tables own no memory. Names are hashed with
 * SipHash under a random key, since strangers choose them.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct table {
	struct table_slot *slots;
	uint32_t size;	/* slots, 0 or a power of two */
	uint32_t used;	/* elements */
	uint32_t filled; /* elements and tombstones */
};

struct table_slot {
	uint64_t hash;
	void *value;	/* NULL: empty */
};

/* Seed the hash once, before the first table is used. 0 or a negative errno. */
int table_seed(void);

uint64_t table_hash_name(const char *name, size_t len);
uint64_t table_hash_number(uint64_t n);

/* Lookups compare by the function, called only where the hashes are equal. */
void *table_find(const struct table *t, uint64_t hash,
		 int (*same)(const void *value, const void *key), const void *key);

/* Add a value that is not there yet. 0 or -ENOMEM. */
int table_add(struct table *t, uint64_t hash, void *value);

/* Remove a value that may be there. */
void table_remove(struct table *t, uint64_t hash, const void *value);

/* Free the table's memory, not its values. */
void table_clear(struct table *t);

/* Iterate: start with *cursor 0; NULL at the end. The table must not grow meanwhile. */
void *table_next(const struct table *t, uint32_t *cursor);
