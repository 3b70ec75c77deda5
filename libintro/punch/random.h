/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Unpredictable bytes that a seed determines: ChaCha20's keystream. The engine asks no kernel
 * for randomness; whoever drives it gives a seed, from getrandom(2) where it matters and from a
 * trace's number in the simulator.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define RANDOM_SEED_BYTES 32u

struct random {
	uint8_t key[RANDOM_SEED_BYTES];
	uint64_t block;
	uint8_t pool[64];
	size_t used;		/* of the pool */
};

void random_init(struct random *r, const uint8_t seed[static RANDOM_SEED_BYTES]);
void random_bytes(struct random *r, void *out, size_t len);
uint64_t random_u64(struct random *r);
/* Uniform in [0, below); 0 for below 0. */
uint32_t random_below(struct random *r, uint32_t below);
