/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The hash tables of table.h. Linear probing; a removed element leaves a tombstone, and a
 * table that is more than three quarters filled is rebuilt without them.
 */
#include "table.h"

#include <endian.h>
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

struct sip {
	uint64_t a, b, c, d;
};

static inline void sip_round(struct sip *v)
{
	v->a += v->b;
	v->c += v->d;
	v->b = rotate(v->b, 13) ^ v->a;
	v->d = rotate(v->d, 16) ^ v->c;
	v->a = rotate(v->a, 32);
	v->c += v->b;
	v->a += v->d;
	v->b = rotate(v->b, 17) ^ v->c;
	v->d = rotate(v->d, 21) ^ v->a;
	v->c = rotate(v->c, 32);
}

/* The last 0 to 7 bytes, the first of them lowest; loaded so that they overlap. */
static inline uint64_t load_rest(const char *s, size_t len)
{
	uint32_t first, last;

	if (len == 0)
		return 0;
	if (len < 4)
		return (uint64_t)(uint8_t)s[0] | (uint64_t)(uint8_t)s[len / 2] << len / 2 * 8 |
		       (uint64_t)(uint8_t)s[len - 1] << (len - 1) * 8;
	memcpy(&first, s, 4);
	memcpy(&last, s + len - 4, 4);
	return le32toh(first) | (uint64_t)le32toh(last) << (len - 4) * 8;
}

/* SipHash-1-3 (Aumasson and Bernstein, 2012; the variant that Rust and the kernel's HalfSipHash
 * users chose for hash tables). */
uint64_t table_hash_name(const char *name, size_t len)
{
	struct sip v = { seed[0] ^ 0x736f6d6570736575, seed[1] ^ 0x646f72616e646f6d,
			 seed[0] ^ 0x6c7967656e657261, seed[1] ^ 0x7465646279746573 };
	uint64_t word, last = (uint64_t)len << 56;

	for (; len >= 8; name += 8, len -= 8) {
		memcpy(&word, name, 8);
		word = le64toh(word);
		v.d ^= word;
		sip_round(&v);
		v.a ^= word;
	}
	last |= load_rest(name, len);
	v.d ^= last;
	sip_round(&v);
	v.a ^= last;
	v.c ^= 0xff;
	sip_round(&v);
	sip_round(&v);
	sip_round(&v);
	return v.a ^ v.b ^ v.c ^ v.d;
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
	if ((t->filled + 1) * 8 > t->size * 7) {
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
