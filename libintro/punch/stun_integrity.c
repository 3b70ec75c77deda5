/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whose a STUN message is (stun.h): MESSAGE-INTEGRITY, MESSAGE-INTEGRITY-SHA256, and the key of
 * long-term credentials. Pure functions.
 */
#include <nettle/hmac.h>
#include <nettle/md5.h>
#include <nettle/memops.h>
#include <string.h>

#include "stun.h"

/* The HMAC covers what stands before its attribute, under a header whose length field counts
 * the message up to the attribute's end (RFC 8489, section 14.5). */
static void spell_header(const uint8_t *packet, size_t end, uint8_t ret[STUN_HEADER_BYTES])
{
	memcpy(ret, packet, STUN_HEADER_BYTES);
	ret[2] = (uint8_t)((end - STUN_HEADER_BYTES) >> 8);
	ret[3] = (uint8_t)(end - STUN_HEADER_BYTES);
}

static void mac_sha1(const uint8_t *packet, size_t at, const void *key, size_t key_len,
		     uint8_t ret[SHA1_DIGEST_SIZE])
{
	uint8_t header[STUN_HEADER_BYTES];
	struct hmac_sha1_ctx hmac;

	spell_header(packet, at + 4 + SHA1_DIGEST_SIZE, header);
	hmac_sha1_set_key(&hmac, key_len, key);
	hmac_sha1_update(&hmac, sizeof header, header);
	hmac_sha1_update(&hmac, at - sizeof header, packet + sizeof header);
	hmac_sha1_digest(&hmac, SHA1_DIGEST_SIZE, ret);
}

/* len: of the attribute's value, which may be cut to 16 bytes (section 14.6). */
static void mac_sha256(const uint8_t *packet, size_t at, size_t len, const void *key,
		       size_t key_len, uint8_t ret[SHA256_DIGEST_SIZE])
{
	uint8_t header[STUN_HEADER_BYTES];
	struct hmac_sha256_ctx hmac;

	spell_header(packet, at + 4 + len, header);
	hmac_sha256_set_key(&hmac, key_len, key);
	hmac_sha256_update(&hmac, sizeof header, header);
	hmac_sha256_update(&hmac, at - sizeof header, packet + sizeof header);
	hmac_sha256_digest(&hmac, SHA256_DIGEST_SIZE, ret);
}

bool stun_verify(const void *packet, size_t len, const struct stun_message *m, const void *key,
		 size_t key_len)
{
	const uint8_t *p = packet;
	uint8_t mac[SHA256_DIGEST_SIZE];
	size_t at = m->integrity_sha256_at, mac_len;

	if (at != 0) {
		mac_len = p[at + 3];
		if (mac_len < 16 || mac_len > sizeof mac || len - at < 4 + mac_len)
			return false;
		mac_sha256(p, at, mac_len, key, key_len, mac);
		return memeql_sec(mac, p + at + 4, mac_len);
	}
	at = m->integrity_at;
	if (at == 0 || len - at < 4 + SHA1_DIGEST_SIZE)
		return false;
	mac_sha1(p, at, key, key_len, mac);
	return memeql_sec(mac, p + at + 4, SHA1_DIGEST_SIZE);
}

void stun_long_term_key(const char *username, const char *realm, const char *password,
			uint8_t ret[static STUN_LONG_TERM_KEY_BYTES])
{
	const char *const parts[] = { username, ":", realm, ":", password };
	struct md5_ctx md5;

	md5_init(&md5);
	for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
		md5_update(&md5, strlen(parts[i]), (const uint8_t *)parts[i]);
	md5_digest(&md5, STUN_LONG_TERM_KEY_BYTES, ret);
}

void stun_put_integrity(struct stun_writer *w, const void *key, size_t key_len)
{
	static const uint8_t zeros[SHA1_DIGEST_SIZE];
	size_t at = w->used;

	stun_put(w, STUN_MESSAGE_INTEGRITY, zeros, sizeof zeros);
	if (!w->overflow)
		mac_sha1(w->buf, at, key, key_len, w->buf + at + 4);
}

void stun_put_integrity_sha256(struct stun_writer *w, const void *key, size_t key_len)
{
	static const uint8_t zeros[SHA256_DIGEST_SIZE];
	size_t at = w->used;

	stun_put(w, STUN_MESSAGE_INTEGRITY_SHA256, zeros, sizeof zeros);
	if (!w->overflow)
		mac_sha256(w->buf, at, sizeof zeros, key, key_len, w->buf + at + 4);
}
