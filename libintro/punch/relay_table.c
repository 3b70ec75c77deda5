/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of relay_table.h. As many buckets as sessions, so that a look-up is one probe; the
 * hash is keyed because the numbers are chosen by strangers.
 */
#include "relay_table.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int relay_table_init(struct relay_table *t, uint32_t sessions,
		     const uint8_t key[static crypto_shorthash_KEYBYTES])
{
	uint32_t buckets = 1;

	memset(t, 0, sizeof *t);
	while (buckets < sessions)
		buckets *= 2;
	/* zeroed pages cost nothing until they are used */
	t->all = calloc((size_t)sessions + 1, sizeof *t->all);
	t->buckets = calloc(buckets, sizeof *t->buckets);
	if (!t->all || !t->buckets) {
		relay_table_free(t);
		return -ENOMEM;
	}
	t->mask = buckets - 1;
	t->size = sessions + 1;
	t->fresh = 1;
	memcpy(t->key, key, sizeof t->key);
	return 0;
}

void relay_table_free(struct relay_table *t)
{
	free(t->all);
	free(t->buckets);
	t->all = NULL;
	t->buckets = NULL;
}

uint64_t relay_key(const uint8_t header[static RELAY_HEADER_BYTES])
{
	uint64_t key;

	memcpy(&key, header, sizeof key);
	return key;
}

static uint32_t *bucket_of(const struct relay_table *t, uint64_t key)
{
	uint64_t hash;

	crypto_shorthash((uint8_t *)&hash, (const uint8_t *)&key, sizeof key, t->key);
	return &t->buckets[hash & t->mask];
}

struct relay_session *relay_table_find(const struct relay_table *t, uint64_t key)
{
	for (uint32_t i = *bucket_of(t, key); i != 0; i = t->all[i].next) {
		if (t->all[i].key == key)
			return &t->all[i];
	}
	return NULL;
}

struct relay_session *relay_table_add(struct relay_table *t, uint64_t key)
{
	uint32_t i = t->free, *bucket = bucket_of(t, key);

	if (i != 0)
		t->free = t->all[i].next;
	else if (t->fresh < t->size)
		i = t->fresh++;
	else
		return NULL;
	t->all[i] = (struct relay_session){ .key = key, .next = *bucket };
	*bucket = i;
	t->n++;
	return &t->all[i];
}

void relay_table_remove(struct relay_table *t, struct relay_session *s)
{
	uint32_t i = (uint32_t)(s - t->all), *at = bucket_of(t, s->key);

	while (*at != i)
		at = &t->all[*at].next;
	*at = s->next;
	*s = (struct relay_session){ .next = t->free };
	t->free = i;
	t->n--;
}
