/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Claim 15: a connected peer, with all keys, cannot make the punching engine send to loopback,
 * link-local, multicast, broadcast or undeclared private addresses, whatever candidates it names,
 * wherever it moves to and whatever sources it forges; nor make an address a path that has not
 * answered itself.
 */
#include <string.h>

#include "harness.h"
#include "villain.h"

/* The engine is at 198.51.100.x, in 192.168.1.0/24 and in 2001:db8:1::/64. */
static const char *const forbidden[] = {
	"0.0.0.0:53", "0.1.2.3:53", "127.0.0.1:53", "127.255.255.254:53", "169.254.169.254:80",
	"224.0.0.251:5353", "239.1.1.1:53", "240.0.0.1:53", "255.255.255.255:53",
	"192.168.1.255:53", "192.168.1.0:53",
	"10.0.0.5:53", "172.16.0.9:53", "192.168.2.7:53", "100.64.1.1:53",
	"[::]:53", "[::1]:53", "[::ffff:127.0.0.1]:53", "[::ffff:10.0.0.5]:53",
	"[::ffff:198.51.100.66]:53", "[::127.0.0.1]:53", "[fe80::1]:53", "[ff02::fb]:53",
	"[fd00::1]:53", "[fec0::1]:53", "[64:ff9b::7f00:1]:53", "[64:ff9b:1::a00:5]:53",
	"[2002:7f00:1::1]:53", "[2002:a00:5::1]:53", "[2001:0:7f00:1::1]:53", "[100::1]:53",
};
#define FORBIDDEN (sizeof forbidden / sizeof *forbidden)

static const struct address elsewhere = { .family = 4, .port = 7000, .ip = { 203, 0, 113, 77 } };

static void config_of(struct duel_config *c, struct villain *v, unsigned int victim)
{
	duel_default(c, 5);
	c->stun = true;
	c->locals[victim][1] = (struct punch_local){ duel_at("192.168.1.2:4000"), 24, false };
	c->locals[victim][2] = (struct punch_local){ duel_at("[2001:db8:1::2]:4001"), 64, false };
	c->ends[victim].locals_n = 3;
	villain_config(v, c, victim);
}

static void expect_none(const struct duel *d, unsigned int victim)
{
	for (size_t i = 0; i < FORBIDDEN; i++) {
		struct address a = duel_at(forbidden[i]);

		a.port = 0;
		cr_assert_eq(duel_sent_to(d, victim, &a), 0, "end %u sent to %s", victim,
			     forbidden[i]);
	}
}

/* Eight of them, from the i-th on; the first is said to be our external address, as the engine's
 * own is, so that it takes us for a neighbour. */
static void name_some(struct signal *s, size_t i, enum candidate_kind kind,
		      const struct address *like)
{
	memset(&s->candidates, 0, sizeof s->candidates);
	if (like)
		candidates_add(&s->candidates, CANDIDATE_REFLEXIVE, like);
	for (size_t n = 0; n < ETIQUETTE_CANDIDATES && i < FORBIDDEN; n++, i++) {
		struct address a = duel_at(forbidden[i]);

		candidates_add(&s->candidates, kind, &a);
	}
}

static void name_all(unsigned int victim, enum candidate_kind kind, bool neighbour)
{
	struct duel_config c;
	struct address like;
	struct villain v;
	struct duel d;

	for (size_t i = 0; i < FORBIDDEN; i += ETIQUETTE_CANDIDATES - 1) {
		struct signal s = { .opened = true };

		config_of(&c, &v, victim);
		like = c.locals[victim][0].address;
		name_some(&s, i, kind, neighbour ? &like : NULL);
		villain_begin(&v, &d, &c, &s);
		villain_wait(&v, 3000000);
		villain_say(&v, SIGNAL_GO, &s);
		villain_say(&v, SIGNAL_MOVE, &s);
		villain_wait(&v, 3000000);
		expect_none(&d, victim);
		duel_end(&d);
	}
}

TEST(claim_15_targets, candidates)
{
	for (unsigned int victim = 0; victim < 2; victim++) {
		for (enum candidate_kind kind = CANDIDATE_HOST; kind <= CANDIDATE_MAPPED; kind++) {
			name_all(victim, kind, false);
			name_all(victim, kind, true);
		}
	}
}

TEST(claim_15_targets, forged_sources)
{
	for (unsigned int victim = 0; victim < 2; victim++) {
		struct signal s = { .opened = true };
		struct duel_config c;
		struct villain v;
		struct duel d;
		struct address none = elsewhere;

		config_of(&c, &v, victim);
		villain_begin(&v, &d, &c, &s);
		for (size_t i = 0; i < FORBIDDEN; i++) {
			struct address from = duel_at(forbidden[i]);

			villain_check(&v, &from, from.family == 6);
			villain_check(&v, &from, 0);
		}
		none.port = 0;
		none.ip[3]++;
		villain_check(&v, &none, 0);
		/* and yet it answers where it may */
		villain_check(&v, &elsewhere, 0);
		villain_wait(&v, 3000000);
		expect_none(&d, victim);
		cr_assert_eq(duel_sent_to(&d, victim, &none), 0, "port 0");
		cr_assert_gt(duel_sent_to(&d, victim, &elsewhere), 0);
		duel_end(&d);
	}
}

/* A candidate that is somebody else's is asked, and the answers are forged: the villain knows
 * the keys, and what number a CHECK has that follows one it has seen. */
TEST(claim_15_targets, answers_for_another)
{
	for (unsigned int victim = 0; victim < 2; victim++) {
		struct signal s = { .opened = true };
		struct address own;
		struct duel_config c;
		struct villain v;
		struct duel d;

		config_of(&c, &v, victim);
		own = c.locals[1 - victim][0].address;
		own.port = elsewhere.port;
		candidates_add(&s.candidates, CANDIDATE_HOST, &own);
		candidates_add(&s.candidates, CANDIDATE_HOST, &elsewhere);
		villain_begin(&v, &d, &c, &s);
		villain_say(&v, SIGNAL_GO, &s);
		villain_wait(&v, 200000);
		cr_assert_gt(duel_sent_to(&d, victim, &elsewhere), 0);
		cr_assert_gt(v.seen_number, 0);
		for (uint32_t n = 1; n < v.seen_number + 20; n++) {
			struct probe reply = v.last;

			reply.type = PROBE_REPLY;
			reply.answers = n;
			reply.number = 0;
			reply.flags = 0;
			villain_probe(&v, &elsewhere, 0, reply);
		}
		cr_assert_eq(d.ends[victim].connected, 0, "connected to who has not answered");
		cr_assert_eq(punch_path(d.ends[victim].punch)->kind, PUNCH_PATH_NONE);
		duel_end(&d);
	}
}

/* Nothing is sprayed but where the rendezvous saw the other end, whatever it says of its NAT. */
TEST(claim_15_targets, sprays)
{
	static const struct nat_ports_set sets[] = {
		{ 1, 1023, 1 }, { 1024, 65535, 1 }, { 53, 53, 1 }, { 65535, 65535, 1 }, { 0, 0, 0 },
		{ 20000, 21023, 1 }, { 1025, 65535, 2 },
	};

	for (unsigned int victim = 0; victim < 2; victim++) {
		for (size_t i = 0; i < sizeof sets / sizeof *sets; i++) {
			struct signal s = { .opened = true };
			struct duel_config c;
			struct villain v;
			struct duel d;

			config_of(&c, &v, victim);
			s.nat.mapping = NAT_MAPPING_ADDRESS_PORT_DEPENDENT;
			s.nat.ports = NAT_PORTS_RANDOM;
			s.nat.set = sets[i];
			s.nat.addresses = 1;
			candidates_add(&s.candidates, CANDIDATE_REFLEXIVE, &elsewhere);
			villain_begin(&v, &d, &c, &s);
			villain_say(&v, SIGNAL_GO, &s);
			villain_wait(&v, 4000000);
			cr_assert_eq(duel_sent_to(&d, victim,
						  &(struct address){ .family = 4,
								     .ip = { 203, 0, 113, 77 } }),
				     0, "set %zu sprayed", i);
			duel_end(&d);
		}
	}
}
