/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One direction of a simulated link: delay, jitter, loss, duplicates, reordering, a longest
 * packet, and a rate with a queue. Pure as nat.h's NATs: a packet goes in at a moment, and out
 * come the moments at which it arrives.
 */
#pragma once

#include <stdint.h>

#include "packet.h"
#include "rng.h"

/* Zero means off, or what is said. */
struct sim_link_config {
	uint32_t delay_us;
	uint32_t jitter_us;	/* more, uniform; order is kept */
	double loss;		/* probabilities */
	double duplicate;
	double reorder;		/* to come reorder_us later than it should, others before it */
	uint32_t reorder_us;
	uint32_t mtu;		/* with headers; what is longer disappears */
	uint64_t rate_bits;	/* bits per second, headers included */
	uint32_t queue_bytes;	/* that wait for the rate; 0: 65,536 */
	uint64_t seed;
};

struct sim_link {
	struct sim_link_config config;
	struct sim_rng rng;
	uint64_t free_us;	/* when all that waits has been sent */
	uint64_t last_us;	/* when the last one in order arrives */
};

struct sim_passage {
	enum sim_verdict verdict;	/* SIM_FORWARD, or why nothing arrives */
	unsigned int n;			/* copies, at most 2 */
	uint64_t at_us[2];
};

void sim_link_init(struct sim_link *link, const struct sim_link_config *config);
/* Moments never go back. */
void sim_link_send(struct sim_link *link, uint64_t now_us, const struct sim_packet *packet,
		   struct sim_passage *ret);
