/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Claim 15, how much: a connected peer, with all keys, cannot make the punching engine send more
 * than etiquette.h allows: in any second, to one candidate, in one spray, in sprays that follow
 * each other; and nobody without keys gets more than three times what it has sent.
 */
#include <stdlib.h>
#include <string.h>

#include "harness.h"
#include "villain.h"

#define SECOND_US 1000000u

static const struct nat hard = {
	.mapping = NAT_MAPPING_ADDRESS_PORT_DEPENDENT,
	.ports = NAT_PORTS_RANDOM,
	.set = { 1024, 65535, 1 },
	.addresses = 1,
};
static const struct address elsewhere = { .family = 4, .port = 7000, .ip = { 203, 0, 113, 77 } };

/* Datagrams in the fullest second. */
static unsigned int fullest(const struct duel *d, unsigned int end)
{
	unsigned int most = 0, n = 0;
	size_t first = 0;

	for (size_t i = 0; i < d->sent_n; i++) {
		if (d->sent[i].end != end || d->sent[i].signal)
			continue;
		n++;
		for (; d->sent[first].at_us + SECOND_US <= d->sent[i].at_us; first++)
			n -= d->sent[first].end == end && !d->sent[first].signal;
		most = n > most ? n : most;
	}
	return most;
}

static void expect_rate(const struct duel *d, unsigned int end)
{
	cr_assert_leq(fullest(d, end), ETIQUETTE_RATE, "end %u: %u in a second", end,
		      fullest(d, end));
}

static void begin(struct villain *v, struct duel *d, unsigned int victim, const struct signal *s)
{
	struct duel_config c;

	duel_default(&c, 5);
	c.stun = true;
	villain_config(v, &c, victim);
	villain_begin(v, d, &c, s);
}

/* The villain's own external address, where the rendezvous sees it. */
static void name_itself(struct signal *s, unsigned int victim)
{
	struct address a = duel_at(victim == 0 ? "198.51.100.20:4000" : "198.51.100.10:4000");

	candidates_add(&s->candidates, CANDIDATE_REFLEXIVE, &a);
}

/* Everything that could make it begin anew, again and again. */
static void incite(struct villain *v, struct signal *s, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++) {
		s->nat.last++;
		s->generation = v->generation;
		villain_say(v, SIGNAL_GO, s);
		villain_say(v, SIGNAL_MOVE, s);
		s->generation++;
		villain_say(v, SIGNAL_START, s);
		villain_say(v, SIGNAL_INVITE, s);
		s->generation--;
		villain_say(v, SIGNAL_ACCEPT, s);
		villain_wait(v, 5000);
	}
}

TEST(claim_15_caps, one_candidate_that_never_answers)
{
	for (unsigned int victim = 0; victim < 2; victim++) {
		struct signal s = { .opened = true };
		struct villain v;
		struct duel d;

		candidates_add(&s.candidates, CANDIDATE_HOST, &elsewhere);
		begin(&v, &d, victim, &s);
		for (unsigned int i = 0; i < 200; i++) {
			villain_say(&v, SIGNAL_GO, &s);
			villain_say(&v, SIGNAL_MOVE, &s);
			villain_wait(&v, 20000);
		}
		villain_wait(&v, 10 * SECOND_US);
		cr_assert_gt(duel_sent_to(&d, victim, &elsewhere), 0);
		/* the offerer tries fresh sockets by itself, GENERATIONS_MAX times */
		cr_assert_leq(duel_sent_to(&d, victim, &elsewhere),
			      (ETIQUETTE_CHECKS_EVER + 1) * (victim == 0 ? 7 : 1));
		expect_rate(&d, victim);
		duel_end(&d);
	}
}

/* From a forged source, one CHECK each now and then: each is answered, few are followed. */
TEST(claim_15_caps, triggered_checks)
{
	struct signal s = { .opened = true };
	struct villain v;
	struct duel d;
	unsigned int checks = 400;

	begin(&v, &d, 1, &s);
	for (unsigned int i = 0; i < checks; i++) {
		villain_check(&v, &elsewhere, 0);
		villain_wait(&v, 20000);
	}
	villain_wait(&v, 10 * SECOND_US);
	cr_assert_leq(duel_sent_to(&d, 1, &elsewhere), checks + ETIQUETTE_CHECKS_EVER);
	cr_assert_geq(duel_sent_to(&d, 1, &elsewhere), checks);
	expect_rate(&d, 1);
	duel_end(&d);
}

TEST(claim_15_caps, any_second)
{
	for (unsigned int victim = 0; victim < 2; victim++) {
		struct signal s = { .opened = true, .nat = hard };
		struct villain v;
		struct duel d;

		name_itself(&s, victim);
		for (uint8_t i = 0; i < ETIQUETTE_CANDIDATES; i++) {
			struct address a = elsewhere;

			a.ip[3] = i;
			candidates_add(&s.candidates, CANDIDATE_HOST, &a);
		}
		begin(&v, &d, victim, &s);
		villain_say(&v, SIGNAL_GO, &s);
		for (unsigned int i = 0; i < 3000; i++) {
			struct address a = elsewhere;

			a.port = (uint16_t)(1024 + i);
			villain_check(&v, &a, 0);
			if (i % 2 == 0)
				villain_wait(&v, 1000);
		}
		expect_rate(&d, victim);
		cr_assert_gt(fullest(&d, victim), ETIQUETTE_RATE / 2);
		duel_end(&d);
	}
}

/* Datagrams of sprays: to the villain's IP. */
static unsigned int sprayed(const struct duel *d, unsigned int end, uint64_t from_us,
			    unsigned int *ret_flows)
{
	static uint8_t seen[4096 / 8 * 65536];
	unsigned int n = 0;

	memset(seen, 0, sizeof seen);
	*ret_flows = 0;
	for (size_t i = 0; i < d->sent_n; i++) {
		const struct duel_sent *sent = &d->sent[i];
		size_t flow = (size_t)(sent->socket % 4096) << 16 | sent->to.port;

		if (sent->end != end || sent->signal || sent->at_us < from_us ||
		    !address_same_ip(&sent->to, &d->ends[1 - end].host))
			continue;
		n++;
		if (!(seen[flow / 8] & 1 << flow % 8))
			++*ret_flows;
		seen[flow / 8] |= (uint8_t)(1 << flow % 8);
	}
	return n;
}

/* What the pairs send beside a spray, and the openers that go before its probes. */
#define BESIDE 200u

static void spray_with(unsigned int victim, const struct nat *ours, const struct nat *theirs,
		       unsigned int openers)
{
	struct signal s = { .opened = true, .nat = *theirs };
	struct duel_config c;
	struct villain v;
	struct duel d;
	unsigned int n, flows;
	uint64_t begun;

	duel_default(&c, 5);
	c.stun = true;
	c.ends[victim].nat = *ours;
	villain_config(&v, &c, victim);
	name_itself(&s, victim);
	villain_begin(&v, &d, &c, &s);
	begun = d.now_us;
	for (unsigned int i = 0; i < 200; i++) {
		villain_say(&v, SIGNAL_GO, &s);
		villain_wait(&v, 50000);
	}
	n = sprayed(&d, victim, begun - 2 * SECOND_US, &flows);
	cr_assert_gt(n, 100u);
	cr_assert_leq(n, ETIQUETTE_PROBES + openers + BESIDE, "%u probes", n);
	cr_assert_leq(flows, ETIQUETTE_FLOWS, "%u flows", flows);
	expect_rate(&d, victim);
	duel_end(&d);
}

TEST(claim_15_caps, one_spray)
{
	static const struct nat easy = { .mapping = NAT_MAPPING_ENDPOINT_INDEPENDENT };
	static const struct nat block = {
		.mapping = NAT_MAPPING_ADDRESS_PORT_DEPENDENT,
		.ports = NAT_PORTS_BLOCK,
		.set = { 20001, 21000, 1 },
		.addresses = 1,
	};

	for (unsigned int victim = 0; victim < 2; victim++) {
		spray_with(victim, &easy, &hard, 0);
		spray_with(victim, &hard, &easy, 512);
		spray_with(victim, &block, &block, ETIQUETTE_FLOWS);
	}
}

/* The next probe of a spray from the i-th on; NULL: none. */
static const struct duel_sent *next_probe(const struct duel *d, size_t *i)
{
	while (*i < d->sent_n) {
		const struct duel_sent *s = &d->sent[(*i)++];

		if (s->end == 0 && !s->signal && s->to.port != 4000)
			return s;
	}
	return NULL;
}

/* Two introductions of one host, both with peers behind hard NATs that incite it. */
TEST(claim_15_caps, sprays_of_one_host)
{
	static struct duel d[2];
	struct villain v[2];
	struct punch_host host = { 0 };
	const struct duel_sent *next[2], *before = NULL;
	size_t at[2] = { 0 }, changes = 0;
	unsigned int whose = 2;

	for (unsigned int i = 0; i < 2; i++) {
		struct signal s = { .opened = true, .nat = hard };
		struct duel_config c;

		duel_default(&c, (uint8_t)(5 + i));
		c.ends[0].host = &host;
		villain_config(&v[i], &c, 0);
		name_itself(&s, 0);
		villain_begin(&v[i], &d[i], &c, &s);
		villain_say(&v[i], SIGNAL_GO, &s);
	}
	for (unsigned int t = 0; t < 6000; t++) {
		for (unsigned int i = 0; i < 2; i++)
			villain_wait(&v[i], 10000);
	}
	for (unsigned int i = 0; i < 2; i++)
		next[i] = next_probe(&d[i], &at[i]);
	while (next[0] || next[1]) {
		unsigned int i = !next[0] || (next[1] && next[1]->at_us < next[0]->at_us);

		if (before && (i != whose || next[i]->at_us - before->at_us > SECOND_US)) {
			changes++;
			cr_assert_geq(next[i]->at_us - before->at_us, ETIQUETTE_SPRAY_APART_US);
		}
		whose = i;
		before = next[i];
		next[i] = next_probe(&d[i], &at[i]);
	}
	cr_assert_gt(changes, 0);
	for (unsigned int i = 0; i < 2; i++)
		duel_end(&d[i]);
}

static void pairs_of(struct signal *s, unsigned int round)
{
	memset(&s->candidates, 0, sizeof s->candidates);
	for (unsigned int i = 0; i < ETIQUETTE_CANDIDATES; i++) {
		struct address a = elsewhere;

		a.ip[3] = (uint8_t)(round * ETIQUETTE_CANDIDATES + i);
		candidates_add(&s->candidates, CANDIDATE_HOST, &a);
	}
}

/* A peer that moves on and on, to eight other addresses each time. */
TEST(claim_15_caps, moves)
{
	for (unsigned int victim = 0; victim < 2; victim++) {
		struct signal s = { .opened = true };
		struct villain v;
		struct duel d;

		name_itself(&s, victim);
		begin(&v, &d, victim, &s);
		for (unsigned int i = 0; i < 1000; i++) {
			pairs_of(&s, i % 30);
			villain_say(&v, SIGNAL_MOVE, &s);
			incite(&v, &s, 1);
		}
		expect_rate(&d, victim);
		for (unsigned int i = 0; i < 240; i++) {
			struct address a = elsewhere;

			a.ip[3] = (uint8_t)i;
			cr_assert_leq(duel_sent_to(&d, victim, &a), 7 * (ETIQUETTE_CHECKS_EVER + 1),
				      "to one that was named");
		}
		duel_end(&d);
	}
}

/* The same by a peer that is connected, and has the engine change its path each time, so that
 * what was asked in vain is forgotten. */
TEST(claim_15_caps, moves_of_a_connected_peer)
{
	struct address own[2], any = elsewhere;
	struct signal s = { .opened = true };
	unsigned int sum = 0;
	struct villain v;
	struct duel d;
	uint64_t begun;

	name_itself(&s, 1);
	begin(&v, &d, 1, &s);
	v.answers = true;
	begun = d.now_us;
	for (unsigned int i = 0; i < 2000; i++) {
		own[0] = own[1] = d.ends[0].host;
		own[1].port++;
		pairs_of(&s, i % 30);
		villain_say(&v, SIGNAL_MOVE, &s);
		villain_probe(&v, &own[i % 2], 0,
			      (struct probe){ .type = PROBE_CHECK, .flags = PROBE_USE });
		villain_wait(&v, 45000);
	}
	cr_assert_eq(d.ends[1].connected, 1);
	cr_assert_gt(d.ends[1].moved, 1000u, "%u moves", d.ends[1].moved);
	any.port = 0;
	for (unsigned int i = 0; i < 240; i++) {
		any.ip[3] = (uint8_t)i;
		sum += duel_sent_to(&d, 1, &any);
	}
	cr_assert_leq(sum, ETIQUETTE_UNANSWERED + 1 + (d.now_us - begun) / ETIQUETTE_UNANSWERED_US,
		      "%u", sum);
	expect_rate(&d, 1);
	duel_end(&d);
}
