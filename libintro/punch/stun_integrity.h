/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is computed over a STUN message: MACs and the fingerprint. For stun.c alone.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define STUN_SHA1_BYTES 20u
#define STUN_SHA256_BYTES 32u

/* Over the message's first len bytes, its header's length counting the attribute that the MAC
 * is the value of (RFC 8489, sections 14.5 and 14.6); mac_bytes: of a truncated SHA-256. */
void stun_sha1(uint8_t ret[static STUN_SHA1_BYTES], const uint8_t *message, size_t len,
	       const void *key, size_t key_len);
void stun_sha256(uint8_t *ret, const uint8_t *message, size_t len, size_t mac_bytes,
		 const void *key, size_t key_len);

/* FINGERPRINT's value over the first len bytes, whose header counts it already. */
uint32_t stun_fingerprint(const uint8_t *message, size_t len);
