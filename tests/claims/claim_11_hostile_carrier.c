/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Claim 11, of introductions between hosts: who carries the signals, or runs the relay, and drops,
 * delays, repeats, rewrites and mixes what goes by it, and says things of its own, can deny
 * service only. No end ever gets a path to an address where the other is not, sends the attacker
 * anything, or takes data from it. (What goes by the relay as data is the application's to
 * protect, as on any path.)
 */
#include <string.h>

#include "../../libintro/punch/key.h"
#include "../../libintro/punch/probe.h"
#include "../../libintro/punch/relay_wire.h"
#include "../../libintro/punch/signal.h"
#include "duel.h"
#include "harness.h"

#define SEEDS 400u
#define KEPT_MAX 64u

static const struct address attacker = { .family = 4, .port = 666, .ip = { 198, 51, 100, 66 } };

struct hostile {
	struct random random;
	bool no_direct;			/* nothing gets through but by the relay */
	struct duel_item kept[KEPT_MAX];	/* of any introduction */
	size_t kept_n;
};

static bool chance(struct hostile *h, uint32_t percent)
{
	return random_below(&h->random, 100) < percent;
}

static void rewrite(struct hostile *h, struct duel_item *item)
{
	for (uint32_t n = 1 + random_below(&h->random, 3); n > 0 && item->len > 0; n--)
		item->bytes[random_below(&h->random, (uint32_t)item->len)] ^=
			(uint8_t)(1 + random_below(&h->random, 255));
	if (chance(h, 20))
		item->len = random_below(&h->random, (uint32_t)item->len + 1);
}

static void keep(struct hostile *h, const struct duel_item *item)
{
	h->kept[h->kept_n++ % KEPT_MAX] = *item;
}

static const struct duel_item *any_kept(struct hostile *h)
{
	size_t n = h->kept_n < KEPT_MAX ? h->kept_n : KEPT_MAX;

	return n > 0 ? &h->kept[random_below(&h->random, (uint32_t)n)] : NULL;
}

/* An OFFER or ANSWER of the attacker's, who has a key but not the secret. */
static void own_signal(struct hostile *h, struct duel *d, const struct duel_item *like)
{
	static const uint8_t none[KEY_BYTES];
	struct candidates candidates = { .n = 1, .list[0] = { CANDIDATE_REFLEXIVE, attacker } };
	uint8_t bytes[SIGNAL_BYTES_MAX], key[KEY_BYTES], seed[KEY_BYTES] = { 6 };
	struct key_pair pair;
	struct keys keys;
	struct signal s;
	size_t len;

	if (signal_read(like->bytes, like->len, &s) < 0)
		return;
	key_pair_make(&pair, seed);
	if (chance(h, 50) || keys_agree(&keys, &pair, s.public, none, s.tag, chance(h, 50)) < 0)
		key_of_offer(key, none);
	else
		memcpy(key, keys.signal_out, sizeof key);
	s.kind = 1 + random_below(&h->random, SIGNAL_KINDS - 1);
	s.number += random_below(&h->random, 5);
	s.candidates = candidates;
	memcpy(s.public, pair.public, sizeof s.public);
	len = signal_write(&s, key, bytes);
	duel_signal(d, random_below(&h->random, 2), bytes, len,
		    random_below(&h->random, 50000));
}

static void own_datagram(struct hostile *h, struct duel *d)
{
	struct probe probe = {
		.type = PROBE_CHECK + random_below(&h->random, 2),
		.number = 1 + random_below(&h->random, 50),
		.answers = random_below(&h->random, 50),
		.len = PROBE_BYTES,
	};
	uint8_t bytes[PROBE_PADDED_BYTES] = { 0 }, key[KEY_BYTES] = { 0 };

	probe_write(&probe, key, bytes);
	if (chance(h, 30))
		bytes[0] = 0x40;
	duel_inject(d, random_below(&h->random, 2), 0, &attacker, bytes, probe.len,
		    random_below(&h->random, 50000));
}

static void carry(struct duel *d, struct duel_item *item)
{
	struct hostile *h = d->arg;
	const struct duel_item *other;

	if (chance(h, 5))
		own_datagram(h, d);
	if (!item->signal)
		return;
	keep(h, item);
	if (chance(h, 20))
		own_signal(h, d, item);
	other = any_kept(h);
	if (chance(h, 20) && other)
		duel_signal(d, random_below(&h->random, 2), other->bytes, other->len,
			    random_below(&h->random, 200000));
	if (chance(h, 20))
		item->at_us += random_below(&h->random, 300000);
	if (chance(h, 25))
		rewrite(h, item);
	item->drop = chance(h, 10);
}

static bool right_path(const struct duel *d, unsigned int end, const struct punch_path *path)
{
	struct address to = path->to;

	return path->kind == PUNCH_PATH_NONE || address_same_ip(&to, &d->ends[1 - end].host) ||
	       (d->relay && address_equal(&to, &d->relay_at) && path->kind == PUNCH_PATH_RELAYED);
}

static void expect_denied_at_most(const struct duel *d, unsigned int seed)
{
	struct address any = attacker;

	any.port = 0;
	for (unsigned int i = 0; i < 2; i++) {
		const struct duel_end *e = &d->ends[i];

		cr_assert(right_path(d, i, punch_path(e->punch)), "seed %u: path", seed);
		for (size_t n = 0; n < e->events_n; n++)
			cr_assert(right_path(d, i, &e->events[n].path), "seed %u: event", seed);
		cr_assert_eq(duel_sent_to(d, i, &any), 0, "seed %u: sent to the attacker", seed);
		cr_assert(e->datas == 0 || !address_same_ip(&e->data_from, &attacker),
			  "seed %u: the attacker's data", seed);
	}
}

static void hostile_begin(struct hostile *h, unsigned int seed)
{
	uint8_t bytes[RANDOM_SEED_BYTES] = { (uint8_t)seed, (uint8_t)(seed >> 8), 11 };

	memset(h, 0, sizeof *h);
	random_init(&h->random, bytes);
}

/* Another introduction, with another secret, passes by the same carrier first. */
static void play_other(struct hostile *h, bool relay)
{
	struct duel_config c;
	struct duel d;

	duel_default(&c, 99);
	c.relay = relay;
	memset(c.ends[0].secret, 7, KEY_BYTES);
	memset(c.ends[1].secret, 7, KEY_BYTES);
	c.hook = carry;
	c.arg = h;
	duel_begin(&d, &c);
	duel_run(&d, 1000000);
	duel_end(&d);
}

TEST(claim_11_hostile_carrier, rendezvous)
{
	static struct hostile h;
	unsigned int met = 0;

	for (unsigned int seed = 0; seed < SEEDS; seed++) {
		struct duel_config c;
		struct duel d;

		hostile_begin(&h, seed);
		play_other(&h, false);
		duel_default(&c, (uint8_t)seed);
		c.hook = carry;
		c.arg = &h;
		c.stun = seed % 2;
		if (seed % 3 == 0) {
			c.ends[1].nat.mapping = NAT_MAPPING_ADDRESS_PORT_DEPENDENT;
			c.ends[1].nat.ports = NAT_PORTS_RANDOM;
			c.ends[1].nat.addresses = 1;
		}
		duel_begin(&d, &c);
		met += duel_meet(&d, 3000000);
		duel_run(&d, 3000000);
		expect_denied_at_most(&d, seed);
		duel_end(&d);
	}
	/* it does not deny always, or nothing would be shown */
	cr_assert_gt(met, SEEDS / 10);
	cr_assert_lt(met, SEEDS);
}

/* ---- the relay ---- */

static void unwrap(struct duel *d, const struct duel_item *item)
{
	struct relay_message m;

	if (relay_parse(item->bytes, item->len, &m) < 0 || m.type != RELAY_DATA)
		return;
	/* what goes by the relay, sent on from an address of its own */
	duel_inject(d, 1 - item->from_end, 0, &attacker, m.payload, m.payload_len, 5000);
	duel_inject(d, item->from_end, 0, &attacker, m.payload, m.payload_len, 5000);
}

static void wrap(struct hostile *h, struct duel *d, const struct duel_item *item)
{
	uint8_t bytes[DUEL_BYTES_MAX];

	for (size_t i = 0; i < h->kept_n && i < KEPT_MAX; i++) {
		if (h->kept[i].bytes[0] != RELAY_DATA)
			continue;
		memcpy(bytes, h->kept[i].bytes, RELAY_HEADER_BYTES);
		memcpy(bytes + RELAY_HEADER_BYTES, item->bytes, item->len);
		duel_inject(d, 1 - item->from_end, 0, &d->relay_at, bytes,
			    RELAY_HEADER_BYTES + item->len, 5000);
		return;
	}
}

/* A probe of the relay's own, and any of the messages that it once saw. */
static void own_relayed(struct hostile *h, struct duel *d, const struct duel_item *item)
{
	struct duel_item copy = *item;
	const struct duel_item *other = any_kept(h);

	rewrite(h, &copy);
	duel_inject(d, random_below(&h->random, 2), 0, &d->relay_at, copy.bytes, copy.len,
		    random_below(&h->random, 50000));
	if (other)
		duel_inject(d, random_below(&h->random, 2), 0, &d->relay_at, other->bytes,
			    other->len, random_below(&h->random, 200000));
}

static void relay_on(struct duel *d, struct duel_item *item)
{
	struct hostile *h = d->arg;
	bool to_relay = !item->signal && address_equal(&item->to, &d->relay_at);
	bool from_relay = !item->signal && address_equal(&item->from, &d->relay_at);

	if (!item->signal && h->no_direct && item->to_end < 2 && item->from_end < 2)
		item->drop = true;
	if (!item->signal && address_equal(&item->to, &attacker))
		wrap(h, d, item);
	if (!to_relay && !from_relay)
		return;
	keep(h, item);
	if (to_relay)
		unwrap(d, item);
	if (chance(h, 20))
		own_relayed(h, d, item);
	if (chance(h, 10))
		item->at_us += random_below(&h->random, 300000);
	if (chance(h, 15))
		rewrite(h, item);
	item->drop = chance(h, 5);
}

TEST(claim_11_hostile_carrier, relay)
{
	static const uint8_t hello[] = { 0x40, 'h', 'i' };
	static struct hostile h;
	unsigned int connected = 0;

	for (unsigned int seed = 0; seed < SEEDS; seed++) {
		struct duel_config c;
		struct duel d;

		hostile_begin(&h, seed);
		h.no_direct = seed % 2;
		duel_default(&c, (uint8_t)seed);
		c.relay = true;
		c.stun = seed % 4 < 2;
		c.hook = relay_on;
		c.arg = &h;
		duel_begin(&d, &c);
		for (uint64_t us = 100000; us < 3000000; us += 100000) {
			duel_run(&d, us);
			duel_say(&d, 0, hello, sizeof hello);
			duel_say(&d, 1, hello, sizeof hello);
		}
		connected += d.ends[0].connected + d.ends[1].connected;
		expect_denied_at_most(&d, seed);
		duel_end(&d);
	}
	cr_assert_gt(connected, SEEDS);
}
