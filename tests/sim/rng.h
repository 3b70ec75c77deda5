/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reproducible randomness for the simulated world: xoshiro256**, seeded by splitmix64 (Blackman
 * and Vigna, public domain). Fast and predictable: for nothing that is secret.
 */
#pragma once

#include <math.h>
#include <stdbool.h>
#include <stdint.h>

struct sim_rng {
	uint64_t s[4];
};

static inline uint64_t sim_splitmix(uint64_t *state)
{
	uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return z ^ z >> 31;
}

static inline void sim_rng_init(struct sim_rng *r, uint64_t seed)
{
	for (int i = 0; i < 4; i++)
		r->s[i] = sim_splitmix(&seed);
}

static inline uint64_t sim_rng_u64(struct sim_rng *r)
{
	uint64_t *s = r->s, five = s[1] * 5, ret = (five << 7 | five >> 57) * 9, t = s[1] << 17;

	s[2] ^= s[0];
	s[3] ^= s[1];
	s[1] ^= s[2];
	s[0] ^= s[3];
	s[2] ^= t;
	s[3] = s[3] << 45 | s[3] >> 19;
	return ret;
}

/* In [0, below); 0 for below 0. */
static inline uint32_t sim_rng_below(struct sim_rng *r, uint32_t below)
{
	return (uint32_t)((sim_rng_u64(r) >> 32) * below >> 32);
}

/* In [0, 1). */
static inline double sim_rng_unit(struct sim_rng *r)
{
	return (double)(sim_rng_u64(r) >> 11) * 0x1p-53;
}

static inline bool sim_rng_chance(struct sim_rng *r, double probability)
{
	return probability > 0 && sim_rng_unit(r) < probability;
}

/* Microseconds until the next arrival of a Poisson process. */
static inline uint64_t sim_rng_arrival(struct sim_rng *r, double per_second)
{
	return 1 + (uint64_t)(-log(1 - sim_rng_unit(r)) / per_second * 1e6);
}
