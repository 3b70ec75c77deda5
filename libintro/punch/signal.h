/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the two ends of an introduction tell each other by whatever channel carries it:
 *
 *	OFFER	from the offerer: our key, candidates, what we know of our NATs
 *	ANSWER	the same from the answerer; .opened: its openers were sent before
 *	GO	ours were sent now: full-TTL packets may come
 *	START	the generation failed: begin the next one, the other way round
 *	INVITE	a later generation's OFFER, ACCEPT its ANSWER: fresh sockets
 *	MOVE	our addresses are others now
 *	BYE	it is over
 *
 * Each carries a MAC: an OFFER under a key of the secret, the others under agreed ones; and a
 * number that grows, so that none is taken twice. Pure functions.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "candidate.h"
#include "key.h"
#include "nat.h"
#include "relay_leg.h"

enum signal_kind {
	SIGNAL_OFFER = 1,
	SIGNAL_ANSWER,
	SIGNAL_GO,
	SIGNAL_START,
	SIGNAL_INVITE,
	SIGNAL_ACCEPT,
	SIGNAL_MOVE,
	SIGNAL_BYE,
	SIGNAL_KINDS,
};

struct signal {
	enum signal_kind kind;
	bool opened;
	bool low_ports;			/* our spraying sockets are bound in 512-1023 */
	uint16_t generation;
	uint32_t number;
	uint8_t tag[KEY_TAG_BYTES];
	uint8_t public[KEY_BYTES];		/* OFFER, ANSWER */
	uint8_t session[RELAY_SESSION_BYTES];	/* OFFER: the relay's */
	bool has_session;
	struct nat nat;
	struct candidates candidates;
};

#define SIGNAL_BYTES_MAX 300u

/* Its length in bytes. */
size_t signal_write(const struct signal *s, const uint8_t key[static KEY_BYTES],
		    uint8_t out[static SIGNAL_BYTES_MAX]);

/* 0 or -EPROTO. The MAC is not looked at: an ANSWER's key is agreed on by what stands in it. */
int signal_read(const void *bytes, size_t len, struct signal *ret);
bool signal_right(const void *bytes, size_t len, const uint8_t key[static KEY_BYTES]);
