/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The simulated world's time: what happens next, and the trace of it.
 */
#include "world.h"

#include <stdlib.h>

#include "world_state.h"

#define FIRST_EVENTS 256u
/* Probes fit; a pool of nothing but the longest packets would touch a page each. */
#define SMALL_BYTES 256u

struct sim_world *sim_world_new(uint64_t seed)
{
	struct sim_world *w = sim_alloc(1, sizeof *w);

	sim_rng_init(&w->rng, seed);
	w->digest = seed;
	w->heap_size = FIRST_EVENTS;
	w->heap = sim_alloc(w->heap_size, sizeof *w->heap);
	sim_pool_init(&w->small, offsetof(struct sim_packet, bytes) + SMALL_BYTES);
	sim_pool_init(&w->large, sizeof(struct sim_packet));
	sim_pool_init(&w->plugs, sizeof(struct sim_plug));
	sim_pool_init(&w->sockets, sizeof(struct sim_socket));
	return w;
}

void sim_world_free(struct sim_world *w)
{
	struct sim_net *net;
	struct sim_box *box;

	if (!w)
		return;
	while ((net = SLIST_FIRST(&w->nets))) {
		SLIST_REMOVE_HEAD(&w->nets, of_world);
		sim_table_free(&net->addresses);
		free(net);
	}
	while ((box = SLIST_FIRST(&w->boxes))) {
		SLIST_REMOVE_HEAD(&w->boxes, of_world);
		sim_nat_free(box->nat);
		sim_table_free(&box->sockets);
		free(box);
	}
	sim_pool_free(&w->small);
	sim_pool_free(&w->large);
	sim_pool_free(&w->plugs);
	sim_pool_free(&w->sockets);
	free(w->heap);
	free(w);
}

uint64_t sim_world_now(const struct sim_world *w)
{
	return w->now_us;
}

struct sim_rng *sim_world_rng(struct sim_world *w)
{
	return &w->rng;
}

uint64_t sim_world_digest(const struct sim_world *w)
{
	return w->digest;
}

struct sim_packet *sim_packet_new(struct sim_world *w, size_t len)
{
	struct sim_packet *p = sim_pool_take(len <= SMALL_BYTES ? &w->small : &w->large);

	p->len = (uint16_t)len;
	return p;
}

void sim_packet_free(struct sim_world *w, struct sim_packet *p)
{
	sim_pool_give(p->len <= SMALL_BYTES ? &w->small : &w->large, p);
}

static bool is_before(const struct sim_event *a, const struct sim_event *b)
{
	return a->at_us < b->at_us || (a->at_us == b->at_us && a->number < b->number);
}

void sim_world_push(struct sim_world *w, const struct sim_event *event)
{
	struct sim_event new = *event;
	size_t i = w->heap_n++, parent;

	if (i == w->heap_size) {
		w->heap_size *= 2;
		w->heap = realloc(w->heap, w->heap_size * sizeof *w->heap);
		if (!w->heap)
			abort();
	}
	new.number = w->events++;
	if (new.at_us < w->now_us)
		new.at_us = w->now_us;
	for (; i > 0 && is_before(&new, &w->heap[parent = (i - 1) / 2]); i = parent)
		w->heap[i] = w->heap[parent];
	w->heap[i] = new;
}

static void pop(struct sim_world *w, struct sim_event *ret)
{
	struct sim_event last = w->heap[--w->heap_n];
	size_t i = 0, child;

	*ret = w->heap[0];
	for (; (child = 2 * i + 1) < w->heap_n; i = child) {
		if (child + 1 < w->heap_n && is_before(&w->heap[child + 1], &w->heap[child]))
			child++;
		if (!is_before(&w->heap[child], &last))
			break;
		w->heap[i] = w->heap[child];
	}
	w->heap[i] = last;
}

void sim_world_at(struct sim_world *w, uint64_t at_us, void (*fn)(void *arg), void *arg)
{
	sim_world_push(w, &(struct sim_event){ .at_us = at_us, .fn = fn, .arg = arg });
}

bool sim_world_run(struct sim_world *w, uint64_t until_us, bool (*done)(void *arg), void *arg)
{
	struct sim_event event;

	while (w->heap_n > 0 && w->heap[0].at_us <= until_us) {
		pop(w, &event);
		w->now_us = event.at_us;
		if (event.fn)
			event.fn(event.arg);
		else
			sim_plug_arrive(event.plug, event.packet, event.at_box);
		if (done && done(arg))
			return true;
	}
	if (until_us > w->now_us && until_us != UINT64_MAX)
		w->now_us = until_us;
	return false;
}

void sim_world_watch(struct sim_world *w, void (*fn)(void *arg, const struct sim_step *step),
		     void *arg)
{
	w->watch = fn;
	w->watch_arg = arg;
}

static uint64_t mix(uint64_t digest, const void *bytes, size_t len)
{
	const uint8_t *at = bytes;
	uint64_t word;

	for (; len > 0; at += sizeof word) {
		size_t part = len < sizeof word ? len : sizeof word;

		word = 0;
		memcpy(&word, at, part);
		digest = (digest ^ word) * UINT64_C(0x9fb21c651e98df25);
		digest ^= digest >> 32;
		len -= part;
	}
	return digest;
}

void sim_world_trace(struct sim_world *w, const struct sim_step *step)
{
	const struct sim_packet *p = step->packet;
	uint64_t head[3] = {
		step->now_us,
		(uint64_t)p->id << 32 | (uint64_t)p->len << 16 | p->ttl,
		(uint64_t)step->verdict << 1 | step->sent,
	};

	w->digest = mix(w->digest, head, sizeof head);
	w->digest = mix(w->digest, &p->src, 2 * sizeof p->src);
	w->digest = mix(w->digest, p->bytes, p->len);
	if (w->watch)
		w->watch(w->watch_arg, step);
}

void sim_world_note(struct sim_world *w, const struct sim_box *box, const char *note)
{
	w->digest = mix(w->digest, note, strlen(note));
	if (w->watch)
		w->watch(w->watch_arg,
			 &(struct sim_step){ .now_us = w->now_us, .box = box, .note = note });
}
