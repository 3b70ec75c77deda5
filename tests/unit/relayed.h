/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A relay and legs of it, joined without a network: for the relay's tests.
 */
#pragma once

#include "../../libintro/punch/relay.h"
#include "../../libintro/punch/relay_wire.h"

/* A leg at an address, and what it was last handed. */
struct party {
	struct relay_leg leg;
	struct address at;
	uint8_t got[64];
	size_t got_len;
	unsigned int datas;
};

#define PARTIES_MAX 8u

struct relayed {
	struct relay *relay;
	struct random random;
	uint64_t now_us;
	struct address at;		/* the relay's */
	struct party *parties[PARTIES_MAX];
	unsigned int parties_n;
};

/* With these limits; zeroed quota fields are not limited, idle_s 0: 60. */
void relayed_begin(struct relayed *w, const struct relay_config *config);
void relayed_end(struct relayed *w);

struct address address_at(const char *text);
/* A new leg there, which has sent nothing. */
void party_begin(struct relayed *w, struct party *p, const char *at);
/* The same, and it asks for session number n. */
void party_bind(struct relayed *w, struct party *p, const char *at, uint8_t n);
/* Everything that is due now is sent and delivered, until nothing is. */
void relayed_settle(struct relayed *w);
/* The relay receives this from there, and what it says is delivered. */
void relayed_receive(struct relayed *w, const struct address *from, const void *packet,
		     size_t len, struct relay_out *ret);
/* p sends a payload of len bytes: whether the relay forwards it. */
bool party_say(struct relayed *w, struct party *p, size_t len);
