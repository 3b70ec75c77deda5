/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the parent keeps for the switch: entries of (id, opaque bytes, optional listener), in
 * the order of their ids, so that the next switch goes on where the last one died. Bounded,
 * since a switch that somebody has taken over could fill it. Owned by the parent room.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define STORE_ENTRIES_MAX 65536u
#define STORE_BYTES_MAX (32u << 20)	/* of all entries together */

struct store_entry {
	uint64_t id;
	uint8_t *bytes;		/* NULL when len is 0 */
	size_t len;
	int fd;			/* -1: none; owned */
};

/* Zeroed with fds_max set is an empty store. */
struct store {
	struct store_entry *entries;
	size_t n, room;
	size_t bytes;
	size_t fds, fds_max;	/* listeners held */
};

/* Keep an entry, replacing what the id had, its listener too. fd (-1: none) becomes the
 * store's, or stays the caller's when this fails: -ENOSPC a bound is reached; -ENOMEM. */
int store_keep(struct store *store, uint64_t id, const void *bytes, size_t len, int fd);

/* Remove an entry and close its listener. 0 or -ENOENT. */
int store_forget(struct store *store, uint64_t id);

/* The entry with the least id that is not below id; NULL: none. */
const struct store_entry *store_from(const struct store *store, uint64_t id);

const struct store_entry *store_find(const struct store *store, uint64_t id);

/* Close and free everything; fds_max stays. */
void store_clear(struct store *store);
