/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A hostile peer: speaks for the absent end of a duel, knows the secret, agrees on keys with the
 * engine at the other end, and then says and sends whatever a test wants, rightly sealed, from
 * any address. For the claims about the punching engine.
 */
#pragma once

#include "../libintro/punch/etiquette.h"
#include "../libintro/punch/key.h"
#include "../libintro/punch/probe.h"
#include "../libintro/punch/signal.h"
#include "duel.h"

struct villain {
	struct duel *duel;
	unsigned int victim;		/* the engine's end; the villain is the other one */
	struct key_pair key;
	struct keys keys;
	bool keyed;
	uint8_t tag[KEY_TAG_BYTES];
	uint32_t signals, numbers;	/* used so far */
	uint16_t generation;
	uint32_t seen_number;		/* of the engine's last CHECK to the villain's own address */
	struct probe last;		/* that CHECK */
	struct candidates told;		/* by the engine's last signal */
};

/* Makes the config's other end the villain, whose hook takes part in the duel. */
void villain_config(struct villain *v, struct duel_config *c, unsigned int victim);
/* duel_begin(), and both have agreed on keys; its OFFER or ANSWER is s with what belongs to the
 * protocol filled in. */
void villain_begin(struct villain *v, struct duel *d, struct duel_config *c,
		   const struct signal *s);
/* A signal like s, sealed, arriving now. */
void villain_say(struct villain *v, enum signal_kind kind, const struct signal *s);
/* CHECK or REPLY; what it has no number for gets the next one. */
void villain_probe(struct villain *v, const struct address *from, uint16_t socket,
		   struct probe probe);
/* A CHECK of usual length from there. */
void villain_check(struct villain *v, const struct address *from, uint16_t socket);
/* Lets what was said arrive, for so many microseconds. */
void villain_wait(struct villain *v, uint64_t us);
