/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The pools and tables of memory.h.
 */
#include "memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHUNK_OBJECTS 64u
#define FIRST_SLOTS 64u

void *sim_alloc(size_t n, size_t bytes)
{
	void *p = calloc(n, bytes);

	if (!p) {
		fputs("sim: out of memory\n", stderr);
		exit(EXIT_FAILURE);
	}
	return p;
}

/* An object, or a chunk's first bytes, while nobody uses it. */
struct link {
	_Alignas(max_align_t) struct link *next;
};

void sim_pool_init(struct sim_pool *pool, size_t bytes)
{
	size_t align = sizeof(struct link);

	*pool = (struct sim_pool){ .bytes = (bytes + align - 1) / align * align };
}

void *sim_pool_take(struct sim_pool *pool)
{
	struct link *object = pool->free, *chunk;

	if (object) {
		pool->free = object->next;
		return object;
	}
	if (pool->left == 0) {
		chunk = malloc(sizeof *chunk + CHUNK_OBJECTS * pool->bytes);
		if (!chunk) {
			fputs("sim: out of memory\n", stderr);
			exit(EXIT_FAILURE);
		}
		chunk->next = pool->chunks;
		pool->chunks = chunk;
		pool->left = CHUNK_OBJECTS;
	}
	pool->left--;
	return (char *)pool->chunks + sizeof *chunk + pool->left * pool->bytes;
}

void sim_pool_give(struct sim_pool *pool, void *object)
{
	struct link *link = object;

	link->next = pool->free;
	pool->free = link;
}

void sim_pool_free(struct sim_pool *pool)
{
	struct link *chunk = pool->chunks, *next;

	for (; chunk; chunk = next) {
		next = chunk->next;
		free(chunk);
	}
	sim_pool_init(pool, pool->bytes);
}

static const struct address none;

static uint64_t hash_key(const struct sim_key *key)
{
	uint64_t words[sizeof *key / sizeof(uint64_t)], hash = 0;

	_Static_assert(sizeof *key % sizeof(uint64_t) == 0, "whole words");
	memcpy(words, key, sizeof words);
	for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
		hash = (hash ^ words[i]) * UINT64_C(0x9fb21c651e98df25);
		hash ^= hash >> 29;
	}
	return hash;
}

static struct sim_key make_key(const struct address *a, const struct address *b)
{
	return (struct sim_key){ *a, b ? *b : none };
}

struct sim_node *sim_table_find(const struct sim_table *t, const struct address *a,
				const struct address *b)
{
	struct sim_key key = make_key(a, b);
	struct sim_node *node;
	uint64_t hash;

	if (t->used == 0)
		return NULL;
	hash = hash_key(&key);
	for (node = t->slots[hash & (t->size - 1)]; node; node = node->next) {
		if (node->hash == hash && memcmp(&node->key, &key, sizeof key) == 0)
			break;
	}
	return node;
}

static void push(struct sim_node **slots, size_t size, struct sim_node *node)
{
	struct sim_node **slot = &slots[node->hash & (size - 1)];

	node->next = *slot;
	*slot = node;
}

static void grow(struct sim_table *t)
{
	size_t size = t->size ? t->size * 4 : FIRST_SLOTS;
	struct sim_node **slots = sim_alloc(size, sizeof(struct sim_node *)), *node, *next;

	for (size_t i = 0; i < t->size; i++) {
		for (node = t->slots[i]; node; node = next) {
			next = node->next;
			push(slots, size, node);
		}
	}
	free(t->slots);
	t->slots = slots;
	t->size = size;
}

void sim_table_add(struct sim_table *t, struct sim_node *node, const struct address *a,
		   const struct address *b)
{
	if (t->used == t->size)
		grow(t);
	node->key = make_key(a, b);
	node->hash = hash_key(&node->key);
	push(t->slots, t->size, node);
	t->used++;
}

void sim_table_remove(struct sim_table *t, struct sim_node *node)
{
	struct sim_node **at = &t->slots[node->hash & (t->size - 1)];

	while (*at != node)
		at = &(*at)->next;
	*at = node->next;
	t->used--;
}

void sim_table_free(struct sim_table *t)
{
	free(t->slots);
	*t = (struct sim_table){ 0 };
}
