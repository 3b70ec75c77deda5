/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How a NAT allocates ports, learnt from as many samples as the survey takes
 * (libintro/punch/nat_learn.c): properties over simulated allocators, a thousand seeds each; and
 * the wire form of what is known (nat.c).
 */
#include <errno.h>
#include <string.h>

#include "../../libintro/punch/nat.h"
#include "../../libintro/punch/random.h"
#include "harness.h"

#define SEEDS 1000u
#define MISSES_MAX 1u		/* of SEEDS: 99.9 % */

struct allocator {
	enum nat_ports kind;
	int step;
	uint32_t foreign;		/* per second */
	uint32_t low, size;		/* BLOCK */
	uint32_t taken;			/* PRESERVING: percent of ports that are not free */
	unsigned int addresses;
	uint32_t hidden;		/* at most so many flows of ours between two samples */
	uint32_t next;
};

static void random_seeded(struct random *r, uint32_t seed)
{
	uint8_t bytes[RANDOM_SEED_BYTES] = { 0 };

	memcpy(bytes, &seed, sizeof seed);
	random_init(r, bytes);
}

static uint32_t within(struct random *r, uint32_t low, uint32_t high)
{
	return low + random_below(r, high - low + 1);
}

static uint32_t step_on(const struct allocator *a, uint32_t port)
{
	int32_t at = ((int32_t)port - 1024 + a->step) % 64512;

	return (uint32_t)(at < 0 ? at + 64512 : at) + 1024;
}

static uint16_t allocate(struct allocator *a, struct random *r, uint16_t internal)
{
	switch (a->kind) {
	case NAT_PORTS_PRESERVING:
		return random_below(r, 100) < a->taken ? (uint16_t)within(r, 1024, 65535) : internal;
	case NAT_PORTS_SEQUENTIAL:
		return (uint16_t)(a->next = step_on(a, a->next));
	case NAT_PORTS_BLOCK:
		return (uint16_t)(a->low + random_below(r, a->size));
	case NAT_PORTS_PARITY:
		return (uint16_t)(1024 + 2 * random_below(r, 32256) + (internal & 1));
	default:
		return (uint16_t)within(r, 1024, 65535);
	}
}

/* Two bursts, a round trip apart, from sockets of either parity in no order. */
static void observe(struct allocator *a, struct random *r, struct nat_sample *samples)
{
	uint64_t now = 5000000;
	uint32_t flow = 0;

	for (unsigned int i = 0; i < NAT_SAMPLES; i++) {
		uint32_t gap = i == NAT_SAMPLES / 2 ? within(r, 20000, 120000) : within(r, 20, 2000);
		struct nat_sample *s = &samples[i];

		for (uint32_t us = 0; us < gap; us += 20) {
			if (random_below(r, 1000000 / 20) < a->foreign)
				a->next = step_on(a, a->next);
		}
		for (uint32_t n = random_below(r, a->hidden + 1); n > 0; n--, flow++)
			a->next = step_on(a, a->next);
		now += gap;
		*s = (struct nat_sample){
			.internal = (uint16_t)(2 * within(r, 16384, 30000) + i % 2),
			.external = { .family = 4, .ip = { 203, 0, 113 } },
			.sent_us = now,
			.flow = ++flow,
		};
		s->external.ip[3] = (uint8_t)random_below(r, a->addresses);
		s->external.port = allocate(a, r, s->internal);
	}
}

typedef bool right(const struct nat *nat, const struct allocator *a);

static void found(const struct allocator *kind, right *is_right, const char *what)
{
	unsigned int misses = 0;

	for (uint32_t seed = 0; seed < SEEDS; seed++) {
		struct nat_sample samples[NAT_SAMPLES];
		struct allocator a = *kind;
		struct nat nat = { 0 };
		struct random r;

		random_seeded(&r, seed);
		a.next = within(&r, 1024, 65535);
		if (a.kind == NAT_PORTS_BLOCK && a.low == 0)
			a.low = within(&r, 1024, 65536 - a.size);
		observe(&a, &r, samples);
		nat_learn_ports(&nat, samples, NAT_SAMPLES);
		misses += nat.ports != a.kind || !is_right(&nat, &a);
	}
	cr_assert_leq(misses, MISSES_MAX, "%s: %u of %u missed", what, misses, SEEDS);
}

static bool any(const struct nat *nat, const struct allocator *a)
{
	return nat->set.low == 0 && (a->addresses > 1 || nat->addresses == 1);
}

TEST(nat_learn, finds_preserving)
{
	struct allocator a = { .kind = NAT_PORTS_PRESERVING, .addresses = 1 };

	found(&a, any, "all ports are free");
	a.addresses = 4;
	found(&a, any, "several addresses");
	/* three of twelve may be taken: more are once in 5,000 times at 5 % */
	a.taken = 4;
	found(&a, any, "some ports are not free");
}

static bool right_step(const struct nat *nat, const struct allocator *a)
{
	return nat->step == a->step && nat->last == a->next;
}

TEST(nat_learn, finds_sequences)
{
	static const int steps[] = { 1, -1, 2, -2, 3, 4, 10, 16 };
	static const uint32_t rates[] = { 0, 10, 35, 100 };

	for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
		for (size_t j = 0; j < sizeof rates / sizeof *rates; j++) {
			struct allocator a = {
				.kind = NAT_PORTS_SEQUENTIAL, .step = steps[i],
				.foreign = rates[j], .addresses = 1,
			};

			found(&a, right_step, "sequential");
			a.hidden = 2;
			found(&a, right_step, "sequential, with flows that have no sample");
		}
	}
}

TEST(nat_learn, tells_how_many_ports_others_take)
{
	uint64_t sum = 0;

	for (uint32_t seed = 0; seed < SEEDS; seed++) {
		struct nat_sample samples[NAT_SAMPLES];
		struct allocator a = {
			.kind = NAT_PORTS_SEQUENTIAL, .step = 2, .foreign = 100, .addresses = 1,
		};
		struct nat nat = { 0 };
		struct random r;

		random_seeded(&r, seed);
		a.next = within(&r, 2000, 60000);
		observe(&a, &r, samples);
		nat_learn_ports(&nat, samples, NAT_SAMPLES);
		sum += nat.foreign;
	}
	cr_assert_geq(sum / SEEDS, 80u);
	cr_assert_leq(sum / SEEDS, 120u);
}

/* At least half of the block is in the set, which is no more than four times as large. */
static bool right_block(const struct nat *nat, const struct allocator *a)
{
	uint32_t from = nat->set.low > a->low ? nat->set.low : a->low;
	uint32_t to = nat->set.high < a->low + a->size - 1 ? nat->set.high : a->low + a->size - 1;

	return nat->set.stride == 1 && from <= to && nat_set_size(&nat->set) <= 4 * a->size &&
	       (to - from + 1) * 2 >= a->size;
}

TEST(nat_learn, finds_blocks)
{
	for (uint32_t size = 256; size <= 4096; size *= 2) {
		struct allocator a = { .kind = NAT_PORTS_BLOCK, .size = size, .addresses = 1 };

		found(&a, right_block, "anywhere");
		a.low = 8192;
		found(&a, right_block, "aligned");
		a.low = 32768 - size / 3;
		found(&a, right_block, "across the middle");
	}
	struct allocator odd = { .kind = NAT_PORTS_BLOCK, .size = 2000, .addresses = 1 };

	found(&odd, right_block, "no power of two");
}

static bool right_set(const struct nat *nat, const struct allocator *a)
{
	return nat->set.low == 1024 && nat->set.high == 65535 &&
	       nat->set.stride == (a->kind == NAT_PORTS_PARITY ? 2 : 1);
}

TEST(nat_learn, finds_parity_and_randomness)
{
	struct allocator parity = { .kind = NAT_PORTS_PARITY, .addresses = 1 };
	struct allocator chance = { .kind = NAT_PORTS_RANDOM, .addresses = 1 };

	found(&parity, right_set, "parity");
	found(&chance, right_set, "random");
	parity.addresses = chance.addresses = 3;
	found(&parity, right_set, "parity, several addresses");
	found(&chance, right_set, "random, several addresses");
}

static const struct address outside = { .family = 4, .ip = { 203, 0, 113, 1 } };

static enum nat_ports of(const uint16_t *internal, const uint16_t *external, size_t n,
			 struct nat *nat)
{
	struct nat_sample samples[NAT_SAMPLES] = { 0 };

	for (size_t i = 0; i < n; i++) {
		samples[i] = (struct nat_sample){ internal[i], outside, outside, 1000 * i, 0 };
		samples[i].external.port = external[i];
	}
	memset(nat, 0x5a, sizeof *nat);
	nat_learn_ports(nat, samples, n);
	cr_assert_eq(nat->ttl, 0x5a, "nothing else is set");
	return nat->ports;
}

TEST(nat_learn, is_careful_with_few)
{
	static const uint16_t in[] = { 40000, 40001, 40003, 41004 };
	struct nat nat;

	for (size_t n = 0; n < 3; n++) {
		cr_assert_eq(of(in, in, n, &nat), NAT_PORTS_UNKNOWN);
		cr_assert_eq(nat.addresses, n > 0);
	}
	cr_assert_eq(of(in, in, 3, &nat), NAT_PORTS_PRESERVING);
	cr_assert_eq(of(in, (const uint16_t[]){ 6000, 6002, 6004 }, 3, &nat), NAT_PORTS_SEQUENTIAL);
	cr_assert_eq(nat.step, 2);
	cr_assert_eq(of(in, (const uint16_t[]){ 6000, 6200, 6100 }, 3, &nat), NAT_PORTS_BLOCK);
	cr_assert_eq(of(in, (const uint16_t[]){ 6000, 9000, 7000 }, 3, &nat), NAT_PORTS_RANDOM);
	cr_assert_eq(of(in, (const uint16_t[]){ 6000, 9001, 7001, 60000 }, 4, &nat),
		     NAT_PORTS_RANDOM, "the parity of four says nothing");
}

TEST(nat_learn, leaves_room_for_flows_without_a_sample)
{
	struct nat_sample samples[NAT_SAMPLES] = { 0 };
	struct nat nat = { 0 };

	for (uint32_t i = 0; i < NAT_SAMPLES; i++) {
		samples[i].external = outside;
		samples[i].external.port = (uint16_t)(6000 + 12 * i);
		samples[i].flow = 1 + 4 * i;
	}
	nat_learn_ports(&nat, samples, NAT_SAMPLES);
	cr_assert_eq(nat.ports, NAT_PORTS_SEQUENTIAL);
	cr_assert_eq(nat.step, 3);
	cr_assert_eq(nat.foreign, 0);
}

TEST(nat_learn, counts_addresses)
{
	struct nat_sample samples[NAT_SAMPLES] = { 0 };
	struct nat nat = { 0 };

	for (size_t i = 0; i < NAT_SAMPLES; i++) {
		samples[i].external = outside;
		samples[i].external.ip[3] = (uint8_t)(i % 5);
		samples[i].external.port = (uint16_t)(1024 + 5000 * i);
	}
	nat_learn_ports(&nat, samples, NAT_SAMPLES);
	cr_assert_eq(nat.addresses, 5);
}

TEST(nat, is_told_whole)
{
	struct nat nat = {
		.mapping = NAT_MAPPING_ADDRESS_DEPENDENT,
		.filtering = NAT_FILTERING_ADDRESS_PORT_DEPENDENT,
		.ports = NAT_PORTS_SEQUENTIAL, .set = { 1024, 65535, 2 }, .step = -3,
		.last = 50001, .foreign = 77, .low_ports = NAT_YES, .poisoned = NAT_NO,
		.hairpin = NAT_YES, .addresses = 3, .ttl = 4, .lifetime_s = 120, .complete = true,
	}, again;
	uint8_t wire[NAT_WIRE_BYTES], other[NAT_WIRE_BYTES];

	nat_put(&nat, wire);
	memset(&again, 0x5a, sizeof again);
	cr_assert_eq(nat_get(wire, &again), 0);
	cr_assert_eq(memcmp(&again.set, &nat.set, sizeof nat.set), 0);
	cr_assert_eq(again.mapping, nat.mapping);
	cr_assert_eq(again.step, -3);
	cr_assert_eq(again.external.family, 0);
	nat_put(&again, other);
	cr_assert_eq(memcmp(wire, other, sizeof wire), 0);

	for (size_t i = 0; i < 6; i++) {
		memcpy(other, wire, sizeof wire);
		other[i] = 6;
		again = nat;
		cr_assert_eq(nat_get(other, &again), -EPROTO, "byte %zu", i);
		cr_assert_eq(memcmp(&again, &nat, sizeof nat), 0, "outputs are untouched");
	}
}

TEST(nat, has_words)
{
	struct nat nat = { 0 };

	cr_assert_str_eq(nat_mapping_word(NAT_MAPPING_ENDPOINT_INDEPENDENT), "endpoint-independent");
	cr_assert_str_eq(nat_mapping_word((enum nat_mapping)99), "unknown");
	cr_assert_str_eq(nat_filtering_word(NAT_FILTERING_ADDRESS_DEPENDENT), "address-dependent");
	cr_assert_str_eq(nat_ports_word(NAT_PORTS_BLOCK), "block");
	cr_assert_str_eq(nat_answer_word(NAT_YES), "yes");
	cr_assert_not(nat_easy(&nat));
	nat.mapping = NAT_MAPPING_NONE;
	cr_assert(nat_easy(&nat));
	nat.mapping = NAT_MAPPING_ADDRESS_DEPENDENT;
	cr_assert_not(nat_easy(&nat));
	cr_assert_eq(nat_set_size(&(struct nat_ports_set){ 1024, 65535, 2 }), 32256);
	cr_assert_eq(nat_set_size(&(struct nat_ports_set){ 0, 65535, 1 }), 0);
	cr_assert_eq(nat_set_size(&(struct nat_ports_set){ 9, 8, 1 }), 0);
	cr_assert_eq(nat_set_size(&(struct nat_ports_set){ 9, 9, 0 }), 0);
}
