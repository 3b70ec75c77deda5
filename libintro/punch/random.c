/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The generator of random.h. Each block of keystream is used once and then forgotten.
 */
#include "random.h"

#include <sodium.h>
#include <string.h>

void random_init(struct random *r, const uint8_t seed[static RANDOM_SEED_BYTES])
{
	memset(r, 0, sizeof *r);
	memcpy(r->key, seed, sizeof r->key);
	r->used = sizeof r->pool;
}

void random_bytes(struct random *r, void *out, size_t len)
{
	static const uint8_t nonce[crypto_stream_chacha20_NONCEBYTES];
	uint8_t *to = out;

	while (len > 0) {
		size_t n;

		if (r->used == sizeof r->pool) {
			memset(r->pool, 0, sizeof r->pool);
			crypto_stream_chacha20_xor_ic(r->pool, r->pool, sizeof r->pool, nonce,
						      r->block++, r->key);
			r->used = 0;
		}
		n = sizeof r->pool - r->used < len ? sizeof r->pool - r->used : len;
		memcpy(to, r->pool + r->used, n);
		sodium_memzero(r->pool + r->used, n);
		r->used += n;
		to += n;
		len -= n;
	}
}

uint64_t random_u64(struct random *r)
{
	uint64_t value;

	random_bytes(r, &value, sizeof value);
	return value;
}

uint32_t random_below(struct random *r, uint32_t below)
{
	/* the bias of 64 bits taken modulo 32 is beyond measuring */
	return below == 0 ? 0 : (uint32_t)(random_u64(r) % below);
}
