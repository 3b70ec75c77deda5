/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How a NAT allocates external ports, from what was seen of it (nat_learn_ports() of nat.h).
 * Each kind is believed only where chance does not make it; what fits none is random.
 */
#include <stdlib.h>

#include "nat.h"

#define FEWEST 3u
#define MANY 8u			/* for what is a matter of order or of parity */
#define USUAL_LOW 1024u
#define USUAL_HIGH 65535u
/* So far may the ports of a sequence be apart on average, foreign ones between them included: a
 * busy carrier's, or a few when there are few samples. */
#define APART_MANY 1024u
#define APART_FEW 16u
/* Shorter than this, no rate is read from it. */
#define RATE_SPAN_US 20000u

static uint8_t count_addresses(const struct nat_sample *samples, size_t n)
{
	unsigned int count = 0;

	for (size_t i = 0; i < n; i++) {
		size_t before = 0;

		while (!address_same_ip(&samples[before].external, &samples[i].external))
			before++;
		if (before == i && count < UINT8_MAX)
			count++;
	}
	return (uint8_t)count;
}

/* One in four may have found its port taken. */
static bool is_preserving(const struct nat_sample *samples, size_t n)
{
	size_t same = 0;

	for (size_t i = 0; i < n; i++)
		same += samples[i].internal == samples[i].external.port;
	return same >= FEWEST && n - same <= n / 4;
}

static bool keeps_parity(const struct nat_sample *samples, size_t n)
{
	size_t odd = 0;

	for (size_t i = 0; i < n; i++) {
		if ((samples[i].internal ^ samples[i].external.port) & 1)
			return false;
		odd += samples[i].internal & 1;
	}
	return n >= MANY && odd > 0 && odd < n;
}

/* ---- sequences ---- */

/* What a sequence's samples add up to. */
struct sequence {
	uint32_t common;	/* greatest common divisor of the differences */
	uint32_t ports, flows;	/* passed, and opened by ourselves meanwhile */
	uint64_t span_us;
};

static uint32_t common_divisor(uint32_t a, uint32_t b)
{
	while (b != 0) {
		uint32_t rest = a % b;

		a = b;
		b = rest;
	}
	return a;
}

/* Our own new flows from one sample to the next one. */
static uint32_t flows_between(const struct nat_sample *a, const struct nat_sample *b)
{
	return a->flow != 0 && b->flow > a->flow ? b->flow - a->flow : 1;
}

/* Adds up the differences in one direction (1, -1). One may be against it where there are many:
 * the sequence began anew, or two packets overtook each other. */
static bool add_up(const struct nat_sample *samples, size_t n, int direction,
		   struct sequence *ret)
{
	struct sequence sum = { 0 };
	unsigned int against = 0, along = 0;

	for (size_t i = 1; i < n; i++) {
		const struct nat_sample *a = &samples[i - 1], *b = &samples[i];
		int apart = (b->external.port - a->external.port) * direction;

		if (apart <= 0) {
			against++;
			continue;
		}
		along++;
		sum.common = common_divisor(sum.common, (uint32_t)apart);
		sum.ports += (uint32_t)apart;
		sum.flows += flows_between(a, b);
		sum.span_us += b->sent_us > a->sent_us ? b->sent_us - a->sent_us : 0;
	}
	if (against > (n >= MANY ? 1 : 0) || along == 0 ||
	    sum.ports > along * (n >= MANY ? APART_MANY : APART_FEW))
		return false;
	*ret = sum;
	return true;
}

/* Whether each difference has room for our own flows at this step. */
static bool step_fits(const struct nat_sample *samples, size_t n, int direction, uint32_t step)
{
	for (size_t i = 1; i < n; i++) {
		const struct nat_sample *a = &samples[i - 1], *b = &samples[i];
		int apart = (b->external.port - a->external.port) * direction;

		if (apart > 0 && (uint32_t)apart / step < flows_between(a, b))
			return false;
	}
	return true;
}

static bool learn_sequence(struct nat *ret, const struct nat_sample *samples, size_t n,
			   int direction)
{
	struct sequence sum;
	uint32_t step = 1, foreign;
	uint64_t rate;

	if (!add_up(samples, n, direction, &sum))
		return false;
	/* of flows that nobody saw from outside there were more than one between any two */
	for (uint32_t wide = sum.common; wide > step; wide--) {
		if (sum.common % wide == 0 && step_fits(samples, n, direction, wide))
			step = wide;
	}
	foreign = sum.ports / step > sum.flows ? sum.ports / step - sum.flows : 0;
	if (sum.span_us < RATE_SPAN_US)
		sum.span_us = RATE_SPAN_US;
	rate = foreign * UINT64_C(1000000) / sum.span_us;
	ret->ports = NAT_PORTS_SEQUENTIAL;
	ret->step = (int16_t)((int)step * direction);
	ret->last = samples[n - 1].external.port;
	ret->foreign = rate > UINT16_MAX ? UINT16_MAX : (uint16_t)rate;
	return true;
}

/* ---- blocks ---- */

/* The largest block that chance does not make of so many random ports. */
static uint32_t largest_block(size_t n)
{
	return n >= MANY ? 8192 : n > MANY / 2 ? 2048 : 512;
}

/* The aligned power of two that they lie in, or the two neighbours where they lie across. */
static bool learn_block(struct nat *ret, const struct nat_sample *samples, size_t n)
{
	uint32_t low = UINT16_MAX, high = 0, size = 1, first, last;

	for (size_t i = 0; i < n; i++) {
		uint32_t port = samples[i].external.port;

		low = port < low ? port : low;
		high = port > high ? port : high;
	}
	while (size < high - low + 1)
		size *= 2;
	if (size > largest_block(n))
		return false;
	first = low / size * size;
	last = high / size * size + size - 1;
	ret->ports = NAT_PORTS_BLOCK;
	ret->set = (struct nat_ports_set){
		.low = (uint16_t)(first > 0 ? first : 1),
		.high = (uint16_t)last,
		.stride = 1,
	};
	return true;
}

void nat_learn_ports(struct nat *ret, const struct nat_sample *samples, size_t n)
{
	ret->ports = NAT_PORTS_UNKNOWN;
	ret->set = (struct nat_ports_set){ 0 };
	ret->step = 0;
	ret->last = 0;
	ret->foreign = 0;
	ret->addresses = count_addresses(samples, n);
	if (n < FEWEST)
		return;
	if (is_preserving(samples, n)) {
		ret->ports = NAT_PORTS_PRESERVING;
		return;
	}
	if (learn_sequence(ret, samples, n, 1) || learn_sequence(ret, samples, n, -1) ||
	    learn_block(ret, samples, n))
		return;
	ret->ports = keeps_parity(samples, n) ? NAT_PORTS_PARITY : NAT_PORTS_RANDOM;
	ret->set = (struct nat_ports_set){
		.low = USUAL_LOW,
		.high = USUAL_HIGH,
		.stride = ret->ports == NAT_PORTS_PARITY ? 2 : 1,
	};
}
