/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The simulated link of link.h.
 */
#include "link.h"

#define USUAL_QUEUE 65536u
#define SECOND_US 1000000u

void sim_link_init(struct sim_link *link, const struct sim_link_config *config)
{
	*link = (struct sim_link){ .config = *config };
	if (link->config.queue_bytes == 0)
		link->config.queue_bytes = USUAL_QUEUE;
	sim_rng_init(&link->rng, config->seed);
}

/* When the last bit has left; 0: the queue has no room. */
static uint64_t leave(struct sim_link *link, uint64_t now_us, uint32_t bytes)
{
	uint64_t rate = link->config.rate_bits;
	uint64_t start = link->free_us > now_us ? link->free_us : now_us;
	uint64_t waiting = (start - now_us) * rate / (UINT64_C(8) * SECOND_US);

	if (waiting > 0 && waiting + bytes > link->config.queue_bytes)
		return 0;
	return start + (bytes * UINT64_C(8) * SECOND_US + rate - 1) / rate;
}

static uint64_t arrive(struct sim_link *link, uint64_t left_us)
{
	const struct sim_link_config *c = &link->config;
	uint64_t at = left_us + c->delay_us;

	if (c->jitter_us > 0)
		at += sim_rng_below(&link->rng, c->jitter_us + 1);
	if (sim_rng_chance(&link->rng, c->reorder))
		return at + c->reorder_us;
	if (at < link->last_us)
		at = link->last_us;
	link->last_us = at;
	return at;
}

void sim_link_send(struct sim_link *link, uint64_t now_us, const struct sim_packet *packet,
		   struct sim_passage *ret)
{
	uint32_t bytes = sim_packet_wire_bytes(packet);
	const struct sim_link_config *c = &link->config;
	uint64_t left = now_us;

	*ret = (struct sim_passage){ .verdict = SIM_FORWARD };
	if (c->mtu > 0 && bytes > c->mtu) {
		ret->verdict = SIM_DROP_MTU;
		return;
	}
	if (c->rate_bits > 0) {
		left = leave(link, now_us, bytes);
		if (left == 0) {
			ret->verdict = SIM_DROP_QUEUE;
			return;
		}
		link->free_us = left;
	}
	if (sim_rng_chance(&link->rng, c->loss)) {
		ret->verdict = SIM_DROP_LOSS;
		return;
	}
	ret->at_us[ret->n++] = arrive(link, left);
	if (sim_rng_chance(&link->rng, c->duplicate))
		ret->at_us[ret->n++] = arrive(link, left);
}
