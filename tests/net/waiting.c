/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The heap of waiting.h.
 */
#include "waiting.h"

#include <stdlib.h>

#define WAITING_MAX 32768u	/* packets: 160 ms of 200,000 a second */

struct item {
	uint64_t at_us, order;
	int stage;
	uint32_t slot;
};

struct waiting {
	struct sim_packet slots[WAITING_MAX];
	struct item heap[WAITING_MAX];
	uint32_t unused[WAITING_MAX];
	size_t n, unused_n;
	uint64_t order;
};

struct waiting *waiting_new(void)
{
	struct waiting *w = calloc(1, sizeof *w);

	if (!w)
		return NULL;
	for (uint32_t i = 0; i < WAITING_MAX; i++)
		w->unused[w->unused_n++] = WAITING_MAX - 1 - i;
	return w;
}

void waiting_free(struct waiting *w)
{
	free(w);
}

static bool before(const struct item *a, const struct item *b)
{
	return a->at_us < b->at_us || (a->at_us == b->at_us && a->order < b->order);
}

bool waiting_put(struct waiting *w, const struct sim_packet *packet, int stage, uint64_t at_us)
{
	struct item item = { .at_us = at_us, .order = w->order++, .stage = stage };
	size_t i = w->n;

	if (w->unused_n == 0)
		return false;
	item.slot = w->unused[--w->unused_n];
	sim_packet_copy(&w->slots[item.slot], packet);
	for (w->n++; i > 0 && before(&item, &w->heap[(i - 1) / 2]); i = (i - 1) / 2)
		w->heap[i] = w->heap[(i - 1) / 2];
	w->heap[i] = item;
	return true;
}

uint64_t waiting_due(const struct waiting *w)
{
	return w->n ? w->heap[0].at_us : UINT64_MAX;
}

int waiting_take(struct waiting *w, struct sim_packet *ret)
{
	struct item first = w->heap[0], last = w->heap[--w->n];
	size_t i = 0;

	for (;;) {
		size_t child = 2 * i + 1;

		if (child >= w->n)
			break;
		if (child + 1 < w->n && before(&w->heap[child + 1], &w->heap[child]))
			child++;
		if (!before(&w->heap[child], &last))
			break;
		w->heap[i] = w->heap[child];
		i = child;
	}
	w->heap[i] = last;
	sim_packet_copy(ret, &w->slots[first.slot]);
	w->unused[w->unused_n++] = first.slot;
	return first.stage;
}
