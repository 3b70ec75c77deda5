/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The hash tables of table.h. Linear probing; a removed element leaves a tombstone, and a
 * table that is more than three quarters filled is rebuilt without them.
 */
#include "table.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

static uint64_t seed[2];
static char tombstone;

int table_seed(void)
{
	return getrandom(seed, sizeof seed, 0) == sizeof seed ? 0 : -errno;
}

static inline uint64_t rotate(uint64_t x, int by)
{
	return x << by | x >> (64 - by);
}

static inline void sip_round(uint64_t v[4])
{
	v[0] += v[1];
	v[2] += v[3];
	v[1] = rotate(v[1], 13) ^ v[0];
	v[3] = rotate(v[3], 16) ^ v[2];
	v[0] = rotate(v[0], 32);
	v[2] += v[1];
	v[0] += v[3];
	v[1] = rotate(v[1], 17) ^ v[2];
	v[3] = rotate(v[3], 21) ^ v[0];
	v[2] = rotate(v[2], 32);
}

/* SipHash-1-3 (Aumasson and Bernstein, 2012; the variant that Rust and the kernel's HalfSipHash
 * users chose for hash tables). */
uint64_t table_hash_name(const char *name, size_t len)
{
	uint64_t v[4] = { seed[0] ^ 0x736f6d6570736575, seed[1] ^ 0x646f72616e646f6d,
			  seed[0] ^ 0x6c7967656e657261, seed[1] ^ 0x7465646279746573 };
	uint64_t word, last = (uint64_t)len << 56;

	for (; len >= 8; name += 8, len -= 8) {
		memcpy(&word, name, 8);
		v[3] ^= word;
		sip_round(v);
		v[0] ^= word;
	}
	word = 0;
	memcpy(&word, name, len);
	last |= word;
	v[3] ^= last;
	sip_round(v);
	v[0] ^= last;
	v[2] ^= 0xff;
	sip_round(v);
	sip_round(v);
	sip_round(v);
	return v[0] ^ v[1] ^ v[2] ^ v[3];
}

/* Two rounds of multiply and fold, the first with a random multiplier: enough for numbers, which
 * stand in tables of their own connection. One round left powers of two in few slots. */
uint64_t table_hash_number(uint64_t n)
{
	n = (n ^ seed[1]) * (seed[0] | 1);
	n = (n ^ n >> 32) * UINT64_C(0x9e3779b97f4a7c15);
	return n ^ n >> 32;
}

void *table_find(const struct table *t, uint64_t hash,
		 int (*same)(const void *value, const void *key), const void *key)
{
	if (t->size == 0)
		return NULL;
	for (uint32_t i = (uint32_t)hash & (t->size - 1);; i = (i + 1) & (t->size - 1)) {
		const struct table_slot *slot = &t->slots[i];

		if (!slot->value)
			return NULL;
		if (slot->hash == hash && slot->value != &tombstone && same(slot->value, key))
			return slot->value;
	}
}

static void put(struct table *t, uint64_t hash, void *value)
{
	uint32_t i = (uint32_t)hash & (t->size - 1);

	while (t->slots[i].value)
		i = (i + 1) & (t->size - 1);
	t->slots[i] = (struct table_slot){ hash, value };
	t->used++;
	t->filled++;
}

static int rebuild(struct table *t)
{
	struct table old = *t;
	uint32_t size = 8;

	while (size < (old.used + 1) * 2)
		size *= 2;
	t->slots = calloc(size, sizeof *t->slots);
	if (!t->slots) {
		*t = old;
		return -ENOMEM;
	}
	t->size = size;
	t->used = t->filled = 0;
	for (uint32_t i = 0; i < old.size; i++)
		if (old.slots[i].value && old.slots[i].value != &tombstone)
			put(t, old.slots[i].hash, old.slots[i].value);
	free(old.slots);
	return 0;
}

int table_add(struct table *t, uint64_t hash, void *value)
{
	if ((t->filled + 1) * 4 > t->size * 3) {
		int r = rebuild(t);

		if (r < 0)
			return r;
	}
	put(t, hash, value);
	return 0;
}

void table_remove(struct table *t, uint64_t hash, const void *value)
{
	if (t->size == 0)
		return;
	for (uint32_t i = (uint32_t)hash & (t->size - 1); t->slots[i].value;
	     i = (i + 1) & (t->size - 1)) {
		if (t->slots[i].value != value)
			continue;
		t->slots[i].value = &tombstone;
		t->used--;
		return;
	}
}

void table_clear(struct table *t)
{
	free(t->slots);
	*t = (struct table){ 0 };
}

void *table_next(const struct table *t, uint32_t *cursor)
{
	while (*cursor < t->size) {
		void *value = t->slots[(*cursor)++].value;

		if (value && value != &tombstone)
			return value;
	}
	return NULL;
}
