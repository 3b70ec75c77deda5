/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The switch's hash tables, against the plainest thing that does the same: an array.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../broker/switch/table.h"
#include "harness.h"

enum { ELEMENTS = 2000 };

struct element {
	uint64_t hash;
	int key;
	bool in;	/* what the table should say */
	bool met;
};

static struct element elements[ELEMENTS];
static struct table table;

static int same_key(const void *value, const void *key)
{
	return ((const struct element *)value)->key == *(const int *)key;
}

static struct element *find(int key)
{
	return table_find(&table, elements[key].hash, same_key, &key);
}

/* modulus: how many different hashes there are. */
static void begin(uint64_t modulus)
{
	cr_assert_eq(table_seed(), 0);
	srand(1);
	for (int i = 0; i < ELEMENTS; i++)
		elements[i] = (struct element){
			.key = i,
			.hash = table_hash_number((uint64_t)i % modulus),
		};
}

/* Every element that is in is found and met once, and no other. */
static void compare(void)
{
	uint32_t cursor = 0, in = 0;
	struct element *e;

	for (int i = 0; i < ELEMENTS; i++) {
		elements[i].met = false;
		in += elements[i].in;
		cr_assert_eq(find(i), elements[i].in ? &elements[i] : NULL, "element %d", i);
	}
	while ((e = table_next(&table, &cursor))) {
		cr_assert(e->in && !e->met, "element %d", e->key);
		e->met = true;
		in--;
	}
	cr_assert_eq(in, 0);
}

static void change(struct element *e)
{
	if (e->in)
		table_remove(&table, e->hash, e);
	else
		cr_assert_eq(table_add(&table, e->hash, e), 0);
	e->in = !e->in;
}

static void change_at_random(uint64_t hashes)
{
	begin(hashes);
	compare();
	for (int round = 0; round < 20; round++) {
		/* more come than go, then the other way round */
		for (int i = 0; i < ELEMENTS; i++) {
			struct element *e = &elements[rand() % ELEMENTS];

			if (e->in == (round % 8 >= 4) || rand() % 4 == 0)
				change(e);
		}
		compare();
	}
	table_clear(&table);
	cr_assert_eq(table.size, 0);
	for (int i = 0; i < ELEMENTS; i++)
		elements[i].in = false;
	compare();
}

TEST(table, does_what_an_array_does)
{
	change_at_random(ELEMENTS);
}

/* Where hashes are equal, the keys decide. */
TEST(table, keeps_elements_of_one_hash_apart)
{
	change_at_random(3);
}

TEST(table, an_empty_one_owns_nothing)
{
	uint32_t cursor = 0;

	begin(1);
	cr_assert_null(find(0));
	cr_assert_null(table_next(&table, &cursor));
	table_remove(&table, elements[0].hash, &elements[0]);
	cr_assert_null(table.slots);
	table_clear(&table);
}

/* What is removed leaves tombstones, which must not make it grow. */
TEST(table, does_not_grow_by_coming_and_going)
{
	begin(ELEMENTS);
	for (int i = 0; i < 8; i++)
		change(&elements[i]);
	for (int i = 0; i < 200000; i++) {
		struct element *e = &elements[8 + i % (ELEMENTS - 8)];

		change(e);
		change(e);
	}
	cr_assert_leq(table.size, 32, "%u slots for 8 elements", table.size);
	compare();
	table_clear(&table);
}

/* conn_close() and others do this. */
TEST(table, may_lose_elements_while_it_is_walked)
{
	uint32_t cursor = 0;
	struct element *e;
	int met = 0;

	begin(ELEMENTS);
	for (int i = 0; i < ELEMENTS; i++)
		change(&elements[i]);
	for (; (e = table_next(&table, &cursor)); met++)
		change(e);
	cr_assert_eq(met, ELEMENTS);
	cr_assert_eq(table.used, 0);
	compare();
	table_clear(&table);
}

TEST(table, hashes_names_by_all_their_bytes)
{
	char name[65];

	cr_assert_eq(table_seed(), 0);
	memset(name, 'n', sizeof name);
	for (size_t len = 1; len <= 64; len++) {
		uint64_t hash = table_hash_name(name, len);

		cr_assert_eq(table_hash_name(name, len), hash);
		cr_assert_neq(table_hash_name(name, len - 1), hash, "length %zu", len);
		for (size_t i = 0; i < len; i++) {
			name[i] = 'm';
			cr_assert_neq(table_hash_name(name, len), hash, "byte %zu of %zu", i, len);
			name[i] = 'n';
		}
	}
}

static int hash_anew(void *arg)
{
	uint64_t before = *(const uint64_t *)arg;

	return table_seed() == 0 && table_hash_name("db", 2) != before &&
	       table_hash_number(1) != table_hash_number(2) ? 0 : 1;
}

/* Who chooses names must not be able to choose hashes. */
TEST(table, hashes_differently_each_time)
{
	uint64_t hash;

	cr_assert_eq(table_seed(), 0);
	hash = table_hash_name("db", 2);
	cr_assert_eq(child_call(hash_anew, &hash), 0);
}

/* Clients number their handles as they like: by ones, by pages, by powers of two. */
TEST(table, spreads_numbers)
{
	cr_assert_eq(table_seed(), 0);
	for (int shift = 0; shift < 22; shift++) {
		uint32_t met[1024 / 32] = { 0 }, slots = 0;

		for (uint64_t i = 0; i < 1024; i++) {
			uint32_t slot = (uint32_t)table_hash_number(i << shift) % 1024;

			slots += !(met[slot / 32] >> slot % 32 & 1);
			met[slot / 32] |= 1u << slot % 32;
		}
		/* at random it would be 647 */
		cr_assert_gt(slots, 300, "%u slots are used, numbers shifted by %d", slots,
			     shift);
	}
}
