/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How many legs each IP address has, for the relay's cap. An IPv6 host has a /64 to itself and
 * counts as that. Used by relay.c.
 */
#pragma once

#include <sodium.h>

#include "address.h"

struct relay_source {
	uint8_t ip[16];		/* IPv4: mapped */
	uint32_t legs;
	uint32_t next;		/* in its bucket, or the next free one; 0: none */
};

struct relay_sources {
	struct relay_source *all;	/* number 0 is not used */
	uint32_t *buckets;
	uint32_t mask, size, fresh, free;
	uint8_t key[crypto_shorthash_KEYBYTES];
};

/* For `legs` legs in all. 0 or -ENOMEM. */
int relay_sources_init(struct relay_sources *s, uint32_t legs,
		       const uint8_t key[static crypto_shorthash_KEYBYTES]);
void relay_sources_free(struct relay_sources *s);

/* One more leg of a's: the number of its source; or 0: it has max (0: not limited) already. */
uint32_t relay_source_add(struct relay_sources *s, const struct address *a, uint32_t max);
void relay_source_drop(struct relay_sources *s, uint32_t source);
