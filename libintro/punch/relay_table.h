/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The relay's sessions, in one array, found by a keyed hash of their number. Used by relay.c.
 */
#pragma once

#include <sodium.h>

#include "address.h"
#include "relay_wire.h"

struct relay_place {
	uint64_t paced_ns;		/* when the rate of what it sends is even again */
	struct address address;
	uint32_t source;		/* relay_sources.h */
	uint8_t nonce[RELAY_NONCE_BYTES];
};

struct relay_session {
	uint64_t key;			/* relay_key() */
	struct relay_place legs[2];
	uint64_t bytes_left;
	uint32_t began_s, heard_s;
	uint32_t next;			/* in its bucket, or the next free one; 0: none */
	uint8_t legs_n;			/* 0: free */
	uint8_t sockets[2];		/* of the legs */
	bool spent;
};

struct relay_table {
	struct relay_session *all;	/* number 0 is not used */
	uint32_t *buckets;
	uint32_t mask, size, fresh, free, n;
	uint8_t key[crypto_shorthash_KEYBYTES];
};

/* 0 or -ENOMEM. */
int relay_table_init(struct relay_table *t, uint32_t sessions,
		     const uint8_t key[static crypto_shorthash_KEYBYTES]);
void relay_table_free(struct relay_table *t);

/* The header of a session's DATA, as one number. */
uint64_t relay_key(const uint8_t header[static RELAY_HEADER_BYTES]);
/* Or NULL. */
struct relay_session *relay_table_find(const struct relay_table *t, uint64_t key);
/* A new one, zero but for its key, which is to get a leg; NULL: no place. */
struct relay_session *relay_table_add(struct relay_table *t, uint64_t key);
void relay_table_remove(struct relay_table *t, struct relay_session *s);
