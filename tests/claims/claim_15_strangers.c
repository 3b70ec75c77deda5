/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Claim 15, for who has no keys: no datagram of a stranger, whatever is in it and wherever it
 * says it comes from, makes the engine, a STUN server or a relay send more than three times its
 * bytes; from an address of its own the engine is not made to send anything.
 */
#include <string.h>

#include "../../libintro/punch/bytes.h"
#include "../../libintro/punch/etiquette.h"
#include "../../libintro/punch/random.h"
#include "../../libintro/punch/stun.h"
#include "duel.h"
#include "harness.h"

#define TRIES 200000u
#define KEPT_MAX 200u

static const struct address attacker = { .family = 4, .port = 666, .ip = { 198, 51, 100, 66 } };

struct stranger {
	struct random random;
	struct duel_item kept[KEPT_MAX];
	size_t kept_n;
};

static void keep(struct duel *d, struct duel_item *item)
{
	struct stranger *s = d->arg;

	if (!item->signal && s->kept_n < KEPT_MAX)
		s->kept[s->kept_n++] = *item;
}

/* Anything, or something that was seen with a few bytes changed. */
static size_t make(struct stranger *s, uint8_t *bytes)
{
	const struct duel_item *like = &s->kept[random_below(&s->random, (uint32_t)s->kept_n)];
	size_t len = like->len;

	if (random_below(&s->random, 4) == 0) {
		len = random_below(&s->random, 200);
		random_bytes(&s->random, bytes, len);
		return len;
	}
	memcpy(bytes, like->bytes, len);
	for (uint32_t n = 1 + random_below(&s->random, 4); n > 0 && len > 0; n--)
		bytes[random_below(&s->random, (uint32_t)len)] = (uint8_t)random_u64(&s->random);
	if (random_below(&s->random, 4) == 0)
		len = random_below(&s->random, (uint32_t)len + 1);
	return len;
}

static void begin(struct stranger *s, struct duel *d, uint8_t seed)
{
	struct duel_config c;

	memset(s, 0, sizeof *s);
	random_init(&s->random, (const uint8_t[RANDOM_SEED_BYTES]){ seed });
	duel_default(&c, seed);
	c.stun = c.relay = true;
	c.hook = keep;
	c.arg = s;
	duel_begin(d, &c);
}

TEST(claim_15_strangers, the_engine)
{
	static struct stranger s;
	uint8_t bytes[DUEL_BYTES_MAX];
	struct duel d;

	begin(&s, &d, 1);
	duel_run(&d, 5000);
	for (unsigned int ms = 0; ms < 3000; ms++) {
		struct address from[] = { attacker, d.stun, d.relay_at, d.ends[ms % 2].host };
		unsigned int end = (ms + 1) % 2;
		size_t len, before, sent;

		duel_run(&d, 5000 + 1000 * ms);
		for (unsigned int i = 0; i < 4; i++) {
			len = make(&s, bytes);
			before = duel_bytes(&d, end);
			duel_inject(&d, end, 0, &from[i], bytes, len, 0);
			/* what was due at this moment has been sent before */
			duel_run(&d, 5000 + 1000 * ms);
			sent = duel_bytes(&d, end) - before;
			cr_assert_leq(sent, i == 0 ? 0 : ETIQUETTE_AMPLIFICATION * len);
		}
	}
	cr_assert_eq(duel_sent_to(&d, 0, &attacker) + duel_sent_to(&d, 1, &attacker), 0);
	cr_assert(d.ends[0].connected == 1 && d.ends[1].connected == 1);
	duel_end(&d);
}

/* The shortest request, with this cookie. */
static void keep_bare(struct stranger *s, uint32_t cookie)
{
	struct duel_item *item = &s->kept[s->kept_n++];

	memset(item, 0, sizeof *item);
	item->len = STUN_HEADER_BYTES;
	item->bytes[1] = STUN_BINDING_REQUEST;
	put_be32(item->bytes + 4, cookie);
}

static void ask(const char *const at[static 4], const char *from)
{
	static struct stranger s;
	struct stun_server server = {
		.at = { { duel_at(at[0]), duel_at(at[1]) }, { duel_at(at[2]), duel_at(at[3]) } },
	};
	struct address asker = duel_at(from);
	uint8_t bytes[DUEL_BYTES_MAX];
	struct stun_answer answer;
	struct duel d;
	unsigned int answered = 0;

	begin(&s, &d, 2);
	duel_run(&d, 20000);
	keep_bare(&s, 0x2112a442);
	keep_bare(&s, 0);
	for (unsigned int i = 0; i < TRIES; i++) {
		size_t len = make(&s, bytes);

		if (!stun_server_answer(&server, i % 2, i / 2 % 2, &asker, bytes, len, &answer))
			continue;
		answered++;
		cr_assert_leq(answer.len, ETIQUETTE_AMPLIFICATION * len);
		cr_assert(address_same_ip(&answer.to, &asker));
	}
	cr_assert_gt(answered, 100u);
	duel_end(&d);
}

TEST(claim_15_strangers, a_stun_server)
{
	static const char *const v4[] = { "203.0.113.8:3478", "203.0.113.8:3479",
					  "203.0.113.7:3478", "203.0.113.7:3479" };
	static const char *const v6[] = { "[2001:db8::8]:3478", "[2001:db8::8]:3479",
					  "[2001:db8::7]:3478", "[2001:db8::7]:3479" };

	ask(v4, "198.51.100.66:666");
	ask(v6, "[2001:db8::66]:666");
}

TEST(claim_15_strangers, a_relay)
{
	static struct stranger s;
	uint8_t bytes[DUEL_BYTES_MAX];
	struct relay_out out;
	struct duel d;
	unsigned int answered = 0;

	begin(&s, &d, 3);
	duel_run(&d, 1000000);
	for (unsigned int i = 0; i < TRIES; i++) {
		size_t len = make(&s, bytes), sum;
		struct address from = attacker;

		from.port = (uint16_t)(1 + i % 65535);
		if (len == 0)
			continue;
		relay_receive(d.relay, d.now_us, 0, &from, bytes, len, len, &out);
		sum = out.forward;
		for (unsigned int k = 0; k < out.sends_n; k++)
			sum += out.sends[k].len;
		answered += sum > 0;
		cr_assert_leq(sum, ETIQUETTE_AMPLIFICATION * len);
		cr_assert_eq(out.forward, 0);
	}
	cr_assert_gt(answered, 100u);
	duel_end(&d);
}
