/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The keys of key.h, by libsodium.
 */
#include "key.h"

#include <errno.h>
#include <sodium.h>
#include <string.h>

void key_pair_make(struct key_pair *ret, const uint8_t seed[static KEY_BYTES])
{
	memcpy(ret->private, seed, KEY_BYTES);
	crypto_scalarmult_base(ret->public, ret->private);
}

static void derive(uint8_t out[static KEY_BYTES], const uint8_t from[static KEY_BYTES],
		   const char *label)
{
	crypto_generichash(out, KEY_BYTES, (const uint8_t *)label, strlen(label), from, KEY_BYTES);
}

int keys_agree(struct keys *ret, const struct key_pair *own,
	       const uint8_t peer_public[static KEY_BYTES], const uint8_t secret[static KEY_BYTES],
	       const uint8_t tag[static KEY_TAG_BYTES], bool offerer)
{
	static const char label[] = "introd punch 1";
	uint8_t shared[crypto_scalarmult_BYTES], master[KEY_BYTES];
	crypto_generichash_state state;
	uint8_t *offer, *answer;

	if (crypto_scalarmult(shared, own->private, peer_public) != 0)
		return -EPROTO;
	crypto_generichash_init(&state, secret, KEY_BYTES, sizeof master);
	crypto_generichash_update(&state, (const uint8_t *)label, sizeof label);
	crypto_generichash_update(&state, shared, sizeof shared);
	crypto_generichash_update(&state, offerer ? own->public : peer_public, KEY_BYTES);
	crypto_generichash_update(&state, offerer ? peer_public : own->public, KEY_BYTES);
	crypto_generichash_update(&state, tag, KEY_TAG_BYTES);
	crypto_generichash_final(&state, master, sizeof master);

	offer = offerer ? ret->probe_out : ret->probe_in;
	answer = offerer ? ret->probe_in : ret->probe_out;
	derive(offer, master, "offerer's probes");
	derive(answer, master, "answerer's probes");
	offer = offerer ? ret->signal_out : ret->signal_in;
	answer = offerer ? ret->signal_in : ret->signal_out;
	derive(offer, master, "offerer's signals");
	derive(answer, master, "answerer's signals");
	sodium_memzero(shared, sizeof shared);
	sodium_memzero(master, sizeof master);
	return 0;
}

void key_of_offer(uint8_t ret[static KEY_BYTES], const uint8_t secret[static KEY_BYTES])
{
	derive(ret, secret, "introd punch 1 offer");
}

void key_mac(uint8_t ret[static KEY_MAC_BYTES], const uint8_t key[static KEY_BYTES],
	     const void *bytes, size_t len)
{
	crypto_generichash(ret, KEY_MAC_BYTES, bytes, len, key, KEY_BYTES);
}

bool key_mac_right(const uint8_t mac[static KEY_MAC_BYTES], const uint8_t key[static KEY_BYTES],
		   const void *bytes, size_t len)
{
	uint8_t right[KEY_MAC_BYTES];

	key_mac(right, key, bytes, len);
	return sodium_memcmp(right, mac, sizeof right) == 0;
}
