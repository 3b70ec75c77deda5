/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The counts of relay_sources.h: a hash table whose entries live as long as they have legs, so
 * that it is never larger than the legs are many.
 */
#include "relay_sources.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int relay_sources_init(struct relay_sources *s, uint32_t legs,
		       const uint8_t key[static crypto_shorthash_KEYBYTES])
{
	uint32_t buckets = 1;

	memset(s, 0, sizeof *s);
	while (buckets < legs)
		buckets *= 2;
	s->all = calloc((size_t)legs + 1, sizeof *s->all);
	s->buckets = calloc(buckets, sizeof *s->buckets);
	if (!s->all || !s->buckets) {
		relay_sources_free(s);
		return -ENOMEM;
	}
	s->mask = buckets - 1;
	s->size = legs + 1;
	s->fresh = 1;
	memcpy(s->key, key, sizeof s->key);
	return 0;
}

void relay_sources_free(struct relay_sources *s)
{
	free(s->all);
	free(s->buckets);
	s->all = NULL;
	s->buckets = NULL;
}

static void key_of(const struct address *a, uint8_t ret[static 16])
{
	memset(ret, 0, 16);
	if (a->family == 4) {
		ret[10] = 0xff;
		ret[11] = 0xff;
		memcpy(ret + 12, a->ip, 4);
	} else {
		memcpy(ret, a->ip, 8);
	}
}

static uint32_t *bucket_of(struct relay_sources *s, const uint8_t ip[static 16])
{
	uint64_t hash;

	crypto_shorthash((uint8_t *)&hash, ip, 16, s->key);
	return &s->buckets[hash & s->mask];
}

static uint32_t take_free(struct relay_sources *s)
{
	uint32_t i = s->free;

	if (i != 0)
		s->free = s->all[i].next;
	else if (s->fresh < s->size)
		i = s->fresh++;
	return i;
}

uint32_t relay_source_add(struct relay_sources *s, const struct address *a, uint32_t max)
{
	uint8_t ip[16];
	uint32_t *bucket, i;

	key_of(a, ip);
	bucket = bucket_of(s, ip);
	for (i = *bucket; i != 0; i = s->all[i].next) {
		if (memcmp(s->all[i].ip, ip, sizeof ip) != 0)
			continue;
		if (max != 0 && s->all[i].legs >= max)
			return 0;
		s->all[i].legs++;
		return i;
	}
	i = take_free(s);
	if (i == 0)
		return 0;
	memcpy(s->all[i].ip, ip, sizeof ip);
	s->all[i].legs = 1;
	s->all[i].next = *bucket;
	*bucket = i;
	return i;
}

void relay_source_drop(struct relay_sources *s, uint32_t source)
{
	uint32_t *at;

	if (--s->all[source].legs > 0)
		return;
	at = bucket_of(s, s->all[source].ip);
	while (*at != source)
		at = &s->all[*at].next;
	*at = s->all[source].next;
	s->all[source].next = s->free;
	s->free = source;
}
