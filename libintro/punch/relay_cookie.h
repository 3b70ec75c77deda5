/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Cookies: what the relay gives to an address so that it can prove itself, and of which it
 * remembers nothing. Used by relay.c.
 */
#pragma once

#include "address.h"
#include "random.h"
#include "relay_wire.h"

struct relay_cookies {
	struct random random;
	uint64_t slot;
	uint8_t secrets[2][32];		/* of this slot and of the one before */
};

void relay_cookies_init(struct relay_cookies *c, const uint8_t seed[static RANDOM_SEED_BYTES],
			uint64_t now_us);
void relay_cookie_make(struct relay_cookies *c, uint64_t now_us, const struct address *a,
		       const uint8_t nonce[static RELAY_NONCE_BYTES],
		       uint8_t ret[static RELAY_COOKIE_BYTES]);
/* Whether it was made for this address and nonce, in this slot or the one before. */
bool relay_cookie_good(struct relay_cookies *c, uint64_t now_us, const struct address *a,
		       const uint8_t nonce[static RELAY_NONCE_BYTES],
		       const uint8_t cookie[static RELAY_COOKIE_BYTES]);
