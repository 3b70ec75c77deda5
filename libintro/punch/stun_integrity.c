/* SPDX-License-Identifier: Apache-2.0 */
/*
 * STUN's MACs by nettle, its long-term key, and its CRC-32.
 */
#include "stun_integrity.h"

#include <nettle/hmac.h>
#include <nettle/md5.h>
#include <nettle/memops.h>
#include <string.h>

#include "bytes.h"
#include "stun.h"

#define FINGERPRINT_XOR 0x5354554eu	/* "STUN" */

/* The header as it is when the attribute with a value of so many bytes ends the message. */
static void header_until(uint8_t header[static STUN_HEADER_BYTES], const uint8_t *message,
			 size_t len, size_t value)
{
	memcpy(header, message, STUN_HEADER_BYTES);
	put_be16(header + 2, (uint16_t)(len - STUN_HEADER_BYTES + 4 + value));
}

void stun_sha1(uint8_t ret[static STUN_SHA1_BYTES], const uint8_t *message, size_t len,
	       const void *key, size_t key_len)
{
	uint8_t header[STUN_HEADER_BYTES];
	struct hmac_sha1_ctx ctx;

	header_until(header, message, len, STUN_SHA1_BYTES);
	hmac_sha1_set_key(&ctx, key_len, key);
	hmac_sha1_update(&ctx, sizeof header, header);
	hmac_sha1_update(&ctx, len - sizeof header, message + sizeof header);
	hmac_sha1_digest(&ctx, STUN_SHA1_BYTES, ret);
}

void stun_sha256(uint8_t *ret, const uint8_t *message, size_t len, size_t mac_bytes,
		 const void *key, size_t key_len)
{
	uint8_t header[STUN_HEADER_BYTES];
	struct hmac_sha256_ctx ctx;

	header_until(header, message, len, mac_bytes);
	hmac_sha256_set_key(&ctx, key_len, key);
	hmac_sha256_update(&ctx, sizeof header, header);
	hmac_sha256_update(&ctx, len - sizeof header, message + sizeof header);
	hmac_sha256_digest(&ctx, mac_bytes, ret);
}

bool stun_verify(const void *packet, size_t len, const struct stun_message *m, const void *key,
		 size_t key_len)
{
	const uint8_t *p = packet;
	uint8_t right[STUN_SHA256_BYTES];
	size_t at = m->integrity_sha256_at ? m->integrity_sha256_at : m->integrity_at, n;

	if (at == 0 || at + 4 > len)
		return false;
	n = get_be16(p + at + 2);
	if (n > len - at - 4)
		return false;
	if (m->integrity_sha256_at)
		stun_sha256(right, p, at, n, key, key_len);
	else
		stun_sha1(right, p, at, key, key_len);
	return memeql_sec(right, p + at + 4, n);
}

void stun_long_term_key(const char *username, const char *realm, const char *password,
			uint8_t ret[static STUN_LONG_TERM_KEY_BYTES])
{
	struct md5_ctx ctx;

	md5_init(&ctx);
	md5_update(&ctx, strlen(username), (const uint8_t *)username);
	md5_update(&ctx, 1, (const uint8_t *)":");
	md5_update(&ctx, strlen(realm), (const uint8_t *)realm);
	md5_update(&ctx, 1, (const uint8_t *)":");
	md5_update(&ctx, strlen(password), (const uint8_t *)password);
	md5_digest(&ctx, STUN_LONG_TERM_KEY_BYTES, ret);
}

/* ITU-T V.42's, as RFC 8489, section 14.7, has it; four bits at a time. */
uint32_t stun_fingerprint(const uint8_t *message, size_t len)
{
	static const uint32_t table[16] = {
		0x00000000, 0x1db71064, 0x3b6e20c8, 0x26d930ac, 0x76dc4190, 0x6b6b51f4,
		0x4db26158, 0x5005713c, 0xedb88320, 0xf00f9344, 0xd6d6a3e8, 0xcb61b38c,
		0x9b64c2b0, 0x86d3d2d4, 0xa00ae278, 0xbdbdf21c,
	};
	uint32_t crc = UINT32_MAX;

	for (size_t i = 0; i < len; i++) {
		crc = crc >> 4 ^ table[(crc ^ message[i]) & 15];
		crc = crc >> 4 ^ table[(crc ^ message[i] >> 4) & 15];
	}
	return ~crc ^ FINGERPRINT_XOR;
}
