/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The cookies of relay_cookie.h: BLAKE2b-128 of address, nonce and time slot under a secret
 * that is replaced every two minutes.
 */
#include "relay_cookie.h"

#include <sodium.h>
#include <string.h>

/* A cookie is good for one slot at least and for two at most: long enough for a leg that renews
 * it with each keepalive. */
#define SLOT_US 120000000u

void relay_cookies_init(struct relay_cookies *c, const uint8_t seed[static RANDOM_SEED_BYTES],
			uint64_t now_us)
{
	random_init(&c->random, seed);
	c->slot = now_us / SLOT_US;
	random_bytes(&c->random, c->secrets, sizeof c->secrets);
}

static void rotate(struct relay_cookies *c, uint64_t now_us)
{
	uint64_t slot = now_us / SLOT_US;

	if (slot <= c->slot)
		return;
	memcpy(c->secrets[1], c->secrets[0], sizeof c->secrets[0]);
	random_bytes(&c->random, c->secrets[0], sizeof c->secrets[0]);
	c->slot = slot;
}

static void mac(const struct relay_cookies *c, unsigned int age, const struct address *a,
		const uint8_t *nonce, uint8_t *ret)
{
	uint64_t slot = c->slot - age;
	uint8_t text[sizeof slot + RELAY_NONCE_BYTES + sizeof *a], *at = text;

	at = mempcpy(at, &slot, sizeof slot);
	at = mempcpy(at, nonce, RELAY_NONCE_BYTES);
	memcpy(at, a, sizeof *a);
	crypto_generichash(ret, RELAY_COOKIE_BYTES, text, sizeof text, c->secrets[age],
			   sizeof c->secrets[age]);
}

void relay_cookie_make(struct relay_cookies *c, uint64_t now_us, const struct address *a,
		       const uint8_t nonce[static RELAY_NONCE_BYTES],
		       uint8_t ret[static RELAY_COOKIE_BYTES])
{
	rotate(c, now_us);
	mac(c, 0, a, nonce, ret);
}

bool relay_cookie_good(struct relay_cookies *c, uint64_t now_us, const struct address *a,
		       const uint8_t nonce[static RELAY_NONCE_BYTES],
		       const uint8_t cookie[static RELAY_COOKIE_BYTES])
{
	uint8_t right[RELAY_COOKIE_BYTES];

	rotate(c, now_us);
	for (unsigned int age = 0; age < 2; age++) {
		mac(c, age, a, nonce, right);
		if (sodium_memcmp(right, cookie, sizeof right) == 0)
			return true;
	}
	return false;
}
