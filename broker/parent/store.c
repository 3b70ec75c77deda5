/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The store of store.h: an array sorted by id. Ids are counted up by the switch, so that a
 * new one is nearly always appended.
 */
#include "store.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define CLOSER_STACK_BYTES ((size_t)64 << 10)

/* Where the id is, or would be. */
static size_t position(const struct store *store, uint64_t id)
{
	size_t low = 0, high = store->n;

	if (store->n > 0 && store->entries[store->n - 1].id < id)
		return store->n;
	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (store->entries[middle].id < id)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static struct store_entry *entry_at(const struct store *store, size_t i, uint64_t id)
{
	return i < store->n && store->entries[i].id == id ? &store->entries[i] : NULL;
}

static void *close_alone(void *arg)
{
	close((int)(intptr_t)arg);
	return NULL;
}

/* In the queue of a listener are connections that nobody accepted, and in those a stranger's
 * descriptors, of which each may make this close, when it is the last one, take for ever
 * (SO_LINGER). The switch has removed the file before: an empty queue stays empty. */
static void listener_close(int fd)
{
	struct pollfd queue = { .fd = fd, .events = POLLIN };
	socklen_t len = sizeof(int);
	pthread_attr_t attr;
	pthread_t thread;
	int listens = 0, r = -1;

	(void)getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &len);
	if (listens && poll(&queue, 1, 0) == 1 && pthread_attr_init(&attr) == 0) {
		pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
		pthread_attr_setstacksize(&attr, CLOSER_STACK_BYTES);
		r = pthread_create(&thread, &attr, close_alone, (void *)(intptr_t)fd);
		pthread_attr_destroy(&attr);
	}
	if (r != 0)
		close(fd);
}

static void entry_empty(struct store *store, struct store_entry *entry)
{
	store->bytes -= entry->len;
	free(entry->bytes);
	if (entry->fd >= 0) {
		store->fds--;
		listener_close(entry->fd);
	}
}

static int room_make(struct store *store)
{
	size_t room = store->room == 0 ? 16 : store->room * 2;
	struct store_entry *entries;

	if (store->n < store->room)
		return 0;
	entries = reallocarray(store->entries, room, sizeof *entries);
	if (!entries)
		return -ENOMEM;
	store->entries = entries;
	store->room = room;
	return 0;
}

int store_keep(struct store *store, uint64_t id, const void *bytes, size_t len, int fd)
{
	size_t i = position(store, id);
	struct store_entry *entry = entry_at(store, i, id);
	size_t freed_bytes = entry ? entry->len : 0;
	size_t freed_fds = entry && entry->fd >= 0 ? 1 : 0;
	uint8_t *copy = NULL;

	if ((!entry && store->n >= STORE_ENTRIES_MAX) ||
	    store->bytes - freed_bytes + len > STORE_BYTES_MAX ||
	    (fd >= 0 && store->fds - freed_fds >= store->fds_max))
		return -ENOSPC;
	if (!entry && room_make(store) < 0)
		return -ENOMEM;
	if (len > 0) {
		copy = malloc(len);
		if (!copy)
			return -ENOMEM;
		memcpy(copy, bytes, len);
	}

	if (entry) {
		entry_empty(store, entry);
	} else {
		entry = &store->entries[i];
		memmove(entry + 1, entry, (store->n - i) * sizeof *entry);
		store->n++;
	}
	*entry = (struct store_entry){ .id = id, .bytes = copy, .len = len, .fd = fd };
	store->bytes += len;
	store->fds += fd >= 0;
	return 0;
}

int store_forget(struct store *store, uint64_t id)
{
	size_t i = position(store, id);
	struct store_entry *entry = entry_at(store, i, id);

	if (!entry)
		return -ENOENT;
	entry_empty(store, entry);
	store->n--;
	memmove(entry, entry + 1, (store->n - i) * sizeof *entry);
	return 0;
}

const struct store_entry *store_from(const struct store *store, uint64_t id)
{
	size_t i = position(store, id);

	return i < store->n ? &store->entries[i] : NULL;
}

const struct store_entry *store_find(const struct store *store, uint64_t id)
{
	return entry_at(store, position(store, id), id);
}

void store_clear(struct store *store)
{
	for (size_t i = 0; i < store->n; i++)
		entry_empty(store, &store->entries[i]);
	free(store->entries);
	store->entries = NULL;
	store->n = store->room = 0;
}
