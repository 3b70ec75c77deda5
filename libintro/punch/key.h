/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The keys of one introduction: agreed on by X25519 between two keys made for it, with what both
 * ends knew before mixed in. One key a direction and a use, so that nothing can be reflected.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define KEY_BYTES 32u
#define KEY_MAC_BYTES 16u
#define KEY_TAG_BYTES 8u

/* What one end makes for one introduction. */
struct key_pair {
	uint8_t public[KEY_BYTES];
	uint8_t private[KEY_BYTES];
};

struct keys {
	uint8_t probe_out[KEY_BYTES], probe_in[KEY_BYTES];
	uint8_t signal_out[KEY_BYTES], signal_in[KEY_BYTES];
};

void key_pair_make(struct key_pair *ret, const uint8_t seed[static KEY_BYTES]);

/* tag names the introduction; secret is what both ends knew before (zero: nothing). 0, or
 * -EPROTO where the peer's key is none (a point of small order). */
int keys_agree(struct keys *ret, const struct key_pair *own,
	       const uint8_t peer_public[static KEY_BYTES], const uint8_t secret[static KEY_BYTES],
	       const uint8_t tag[static KEY_TAG_BYTES], bool offerer);

/* The key of an OFFER's MAC, before anything is agreed on: proves knowledge of the secret. */
void key_of_offer(uint8_t ret[static KEY_BYTES], const uint8_t secret[static KEY_BYTES]);

/* BLAKE2b, keyed, of 128 bits. */
void key_mac(uint8_t ret[static KEY_MAC_BYTES], const uint8_t key[static KEY_BYTES],
	     const void *bytes, size_t len);
bool key_mac_right(const uint8_t mac[static KEY_MAC_BYTES], const uint8_t key[static KEY_BYTES],
		   const void *bytes, size_t len);
