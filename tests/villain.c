/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The hostile peer of villain.h.
 */
#include "villain.h"

#include <string.h>

#include "harness.h"

static const uint8_t secret[KEY_BYTES] = {
	0x5e, 0x5e, 0x5e, 0x5e, 0x5e, 0x5e, 0x5e, 0x5e, 0x5e, 0x5e, 0x5e,
	0x5e, 0x5e, 0x5e, 0x5e, 0x5e, 0x5e, 0x5e, 0x5e, 0x5e, 0x5e, 0x5e,
	0x5e, 0x5e, 0x5e, 0x5e, 0x5e, 0x5e, 0x5e, 0x5e, 0x5e, 0x5e,
};

static void on_item(struct duel *d, struct duel_item *item)
{
	struct villain *v = d->arg;
	struct probe probe;
	struct signal s;

	if (item->from_end != v->victim)
		return;
	if (item->signal) {
		if (signal_read(item->bytes, item->len, &s) < 0)
			harness_fail("the engine said what is no signal");
		v->told = s.candidates;
		v->generation = s.generation;
		if (s.kind != SIGNAL_OFFER && s.kind != SIGNAL_ANSWER)
			return;
		memcpy(v->tag, s.tag, sizeof v->tag);
		v->keyed = keys_agree(&v->keys, &v->key, s.public, secret, v->tag,
				      s.kind == SIGNAL_ANSWER) == 0;
	} else if (item->to_end == 1 - v->victim && v->keyed &&
		   probe_read(item->bytes, item->len, v->keys.probe_in, &probe) == 0 &&
		   probe.type == PROBE_CHECK) {
		v->last = probe;
		v->seen_number = probe.number;
	}
}

void villain_config(struct villain *v, struct duel_config *c, unsigned int victim)
{
	static const uint8_t seed[KEY_BYTES] = { 6, 6, 6 };

	memset(v, 0, sizeof *v);
	v->victim = victim;
	memset(v->tag, 0x66, sizeof v->tag);
	key_pair_make(&v->key, seed);
	c->absent[1 - victim] = true;
	c->hook = on_item;
	c->arg = v;
}

void villain_say(struct villain *v, enum signal_kind kind, const struct signal *s)
{
	struct signal said = *s;
	uint8_t bytes[SIGNAL_BYTES_MAX], offer_key[KEY_BYTES];
	size_t len;

	said.kind = kind;
	said.number = ++v->signals;
	memcpy(said.tag, v->tag, sizeof said.tag);
	if (kind == SIGNAL_OFFER || kind == SIGNAL_ANSWER)
		memcpy(said.public, v->key.public, sizeof said.public);
	key_of_offer(offer_key, secret);
	len = signal_write(&said, kind == SIGNAL_OFFER ? offer_key : v->keys.signal_out, bytes);
	duel_signal(v->duel, v->victim, bytes, len, 0);
	villain_wait(v, 0);
}

void villain_begin(struct villain *v, struct duel *d, struct duel_config *c,
		   const struct signal *s)
{
	v->duel = d;
	duel_begin(d, c);
	duel_run(d, 700000);
	if (v->victim == 1)
		villain_say(v, SIGNAL_OFFER, s);
	duel_run(d, 1400000);
	if (!v->keyed)
		harness_fail("the engine and the villain have no keys");
	if (v->victim == 0)
		villain_say(v, SIGNAL_ANSWER, s);
	villain_wait(v, 1);
}

void villain_probe(struct villain *v, const struct address *from, uint16_t socket,
		   struct probe probe)
{
	uint8_t bytes[PROBE_PADDED_BYTES];

	memcpy(probe.tag, v->tag, sizeof probe.tag);
	probe.generation = v->generation;
	if (probe.number == 0)
		probe.number = ++v->numbers;
	if (probe.len == 0)
		probe.len = PROBE_BYTES;
	probe_write(&probe, v->keys.probe_out, bytes);
	duel_inject(v->duel, v->victim, socket, from, bytes, probe.len, 0);
	villain_wait(v, 0);
}

void villain_check(struct villain *v, const struct address *from, uint16_t socket)
{
	villain_probe(v, from, socket, (struct probe){ .type = PROBE_CHECK });
}

void villain_wait(struct villain *v, uint64_t us)
{
	duel_run(v->duel, v->duel->now_us - 1000000 + us);
}
