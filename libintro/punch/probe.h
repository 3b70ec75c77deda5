/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The datagrams by which two ends try paths, of "own control" (first byte 16 to 63):
 *
 *	CHECK	is this path open? Answered by a REPLY of its length.
 *	REPLY	it is: and the CHECK came from this address
 *	OPENER	8 bytes that are to die on the way, after having opened our own NAT
 *
 * CHECK and REPLY carry the introduction's tag, a number used once, and a MAC under the sender's
 * key. Pure functions.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "address.h"
#include "key.h"

#define PROBE_BYTES 68u
#define PROBE_PADDED_BYTES 1200u	/* as long as the application's datagrams get (QUIC) */
#define PROBE_OPENER_BYTES 8u
#define PROBE_ECHO_BYTES 8u

enum probe_type {
	PROBE_CHECK = 0x10,
	PROBE_REPLY,
	PROBE_OPENER,
};

enum probe_flag {
	PROBE_USE = 1,		/* CHECK: the offerer has chosen this path */
	PROBE_RELAYED = 2,	/* it goes by the relay: true of no other way */
};

struct probe {
	enum probe_type type;
	uint8_t flags;
	uint16_t generation;
	uint8_t tag[KEY_TAG_BYTES];
	uint32_t number;		/* of this datagram; each is accepted once */
	uint32_t answers;		/* REPLY: the number of the CHECK */
	struct address seen;		/* REPLY: where the CHECK came from */
	/* CHECK: unpredictable; REPLY: the CHECK's. Proves that whoever replies has seen it. */
	uint8_t echo[PROBE_ECHO_BYTES];
	size_t len;			/* PROBE_BYTES, or PROBE_PADDED_BYTES */
};

/* Writes p->len bytes. */
void probe_write(const struct probe *p, const uint8_t key[static KEY_BYTES],
		 uint8_t out[static PROBE_PADDED_BYTES]);

/* Whether a datagram may be a CHECK or REPLY, and of which introduction: for who must find the
 * struct punch that it is for. */
bool probe_peek(const void *packet, size_t len, uint8_t ret_tag[static KEY_TAG_BYTES]);

/* 0, -EPROTO (malformed) or -EBADMSG (wrong MAC). */
int probe_read(const void *packet, size_t len, const uint8_t key[static KEY_BYTES],
	       struct probe *ret);
