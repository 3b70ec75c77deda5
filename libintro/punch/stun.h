/* SPDX-License-Identifier: Apache-2.0 */
/*
 * STUN messages (RFC 8489), with the attributes of behaviour discovery (RFC 5780): a writer
 * into the caller's buffer and a parser that keeps pointers into the packet, allocates nothing
 * and believes nothing. Pure functions, for clients and servers alike. All numbers here are in
 * host order.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "address.h"

#define STUN_PORT 3478u
#define STUN_HEADER_BYTES 20u
#define STUN_ID_BYTES 12u		/* transaction id */
#define STUN_MESSAGE_MAX 1600u		/* bytes: what is longer is refused; RFC 5780's PADDING
					 * makes some longer than an Ethernet frame */

/* RFC 8489, section 5: method and class, as the first 14 bits spell them. */
enum stun_type {
	STUN_BINDING_REQUEST = 0x0001,
	STUN_BINDING_INDICATION = 0x0011,
	STUN_BINDING_SUCCESS = 0x0101,
	STUN_BINDING_ERROR = 0x0111,
};

enum stun_attribute {
	STUN_MAPPED_ADDRESS = 0x0001,
	STUN_CHANGE_REQUEST = 0x0003,		/* RFC 5780, 7.2 */
	STUN_SOURCE_ADDRESS = 0x0004,		/* RFC 3489, with the next one: */
	STUN_CHANGED_ADDRESS = 0x0005,		/* what 5780 calls ORIGIN and OTHER */
	STUN_USERNAME = 0x0006,
	STUN_MESSAGE_INTEGRITY = 0x0008,
	STUN_ERROR_CODE = 0x0009,
	STUN_UNKNOWN_ATTRIBUTES = 0x000a,
	STUN_REALM = 0x0014,
	STUN_NONCE = 0x0015,
	STUN_MESSAGE_INTEGRITY_SHA256 = 0x001c,
	STUN_USERHASH = 0x001e,
	STUN_XOR_MAPPED_ADDRESS = 0x0020,
	STUN_PRIORITY = 0x0024,			/* RFC 8445 */
	STUN_USE_CANDIDATE = 0x0025,
	STUN_PADDING = 0x0026,			/* RFC 5780, 7.6 */
	STUN_RESPONSE_PORT = 0x0027,		/* RFC 5780, 7.5 */
	STUN_SOFTWARE = 0x8022,
	STUN_ALTERNATE_SERVER = 0x8023,
	STUN_FINGERPRINT = 0x8028,
	STUN_ICE_CONTROLLED = 0x8029,
	STUN_ICE_CONTROLLING = 0x802a,
	STUN_RESPONSE_ORIGIN = 0x802b,		/* RFC 5780, 7.3 */
	STUN_OTHER_ADDRESS = 0x802c,		/* RFC 5780, 7.4 */
};

#define STUN_CHANGE_IP 0x4u
#define STUN_CHANGE_PORT 0x2u

/* Attributes whose type has no high bit must be understood (section 14); of those that the
 * parser does not know, so many are kept. */
#define STUN_UNKNOWN_MAX 8u

/* A parsed message. Pointers point into the packet. */
struct stun_message {
	uint16_t type;			/* enum stun_type, or another method and class */
	uint8_t id[STUN_ID_BYTES];
	struct address mapped;		/* XOR-MAPPED-ADDRESS, else MAPPED-ADDRESS */
	struct address origin;		/* RESPONSE-ORIGIN, else SOURCE-ADDRESS */
	struct address other;		/* OTHER-ADDRESS, else CHANGED-ADDRESS */
	struct address alternate;	/* ALTERNATE-SERVER */
	uint32_t change;		/* CHANGE-REQUEST: STUN_CHANGE_IP | STUN_CHANGE_PORT */
	bool has_change;
	uint16_t response_port;		/* 0: none */
	uint16_t padding;		/* bytes of PADDING */
	uint16_t error;			/* 300 to 699; 0: none */
	uint16_t unknown[STUN_UNKNOWN_MAX];
	unsigned int unknown_n;		/* comprehension-required and not known here */
	const uint8_t *username, *software, *realm, *nonce;
	uint16_t username_len, software_len, realm_len, nonce_len;
	/* Where MESSAGE-INTEGRITY and MESSAGE-INTEGRITY-SHA256 begin, from the packet's start;
	 * 0: absent. What stands behind them is not covered and not read, but FINGERPRINT. */
	uint16_t integrity_at, integrity_sha256_at;
	bool has_fingerprint;		/* and it was right */
};

/* Whether a datagram's first byte and magic cookie are STUN's (RFC 7983's 0 to 3). */
bool stun_looks(const void *packet, size_t len);

/* 0, or -EPROTO: not a whole well-formed message, an attribute beyond its end or of the wrong
 * size, a wrong FINGERPRINT. */
int stun_parse(const void *packet, size_t len, struct stun_message *ret);

/* Of a parsed packet: whether its MESSAGE-INTEGRITY(-SHA256), the stronger if both are there, is
 * that of the key (short term: the password; long term: stun_long_term_key()'s). false without
 * one. */
bool stun_verify(const void *packet, size_t len, const struct stun_message *m, const void *key,
		 size_t key_len);

#define STUN_LONG_TERM_KEY_BYTES 16u
/* MD5(username ":" realm ":" password) (section 9.2.2). */
void stun_long_term_key(const char *username, const char *realm, const char *password,
			uint8_t ret[static STUN_LONG_TERM_KEY_BYTES]);

/* A message under construction. What does not fit sets .overflow, checked once by
 * stun_finish(). */
struct stun_writer {
	uint8_t *buf;
	size_t size, used;
	bool overflow;
};

void stun_begin(struct stun_writer *w, void *buf, size_t size, uint16_t type,
		const uint8_t id[static STUN_ID_BYTES]);
void stun_put(struct stun_writer *w, uint16_t attribute, const void *value, size_t len);
void stun_put_u32(struct stun_writer *w, uint16_t attribute, uint32_t value);
/* Plain (MAPPED-ADDRESS, OTHER-ADDRESS, ...) or, for XOR-MAPPED-ADDRESS, masked. */
void stun_put_address(struct stun_writer *w, uint16_t attribute, const struct address *a);
void stun_put_error(struct stun_writer *w, uint16_t code, const char *reason);
void stun_put_integrity(struct stun_writer *w, const void *key, size_t key_len);
void stun_put_integrity_sha256(struct stun_writer *w, const void *key, size_t key_len);
void stun_put_fingerprint(struct stun_writer *w);
/* The message's length in bytes, or -EMSGSIZE. */
int stun_finish(const struct stun_writer *w);
