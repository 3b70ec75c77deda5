/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How a NAT allocates external ports, from a dozen of them. Each rule accepts what the others
 * would show by chance in fewer than one of a thousand surveys.
 */
#include <stdlib.h>
#include <string.h>

#include "nat.h"

#define ENOUGH 3u
#define ENOUGH_FOR_SETS 8u
#define PORT_MIN 1024u
/* Others may take so many ports between two of ours, and so many a second. */
#define FOREIGN_GAP 48
#define FOREIGN_RATE 500.0
/* A dozen ports within 4,096 of 64,512 are no accident. */
#define BLOCK_MAX 4096u
#define BLOCK_MIN 64u

static unsigned int count_addresses(const struct nat_sample *samples, size_t n)
{
	unsigned int different = 0;

	for (size_t i = 0; i < n; i++) {
		size_t k = 0;

		while (k < i && !address_same_ip(&samples[i].external, &samples[k].external))
			k++;
		different += k == i;
	}
	return different;
}

static bool preserving(const struct nat_sample *samples, size_t n)
{
	size_t same = 0;

	for (size_t i = 0; i < n; i++)
		same += samples[i].external.port == samples[i].internal;
	/* a few are taken by others already */
	return same * 4 >= n * 3;
}

/* How far the port went on from one sample to the next, the short way round. */
static int distance(const struct nat_sample *a, const struct nat_sample *b)
{
	return (int16_t)(uint16_t)(b->external.port - a->external.port);
}

static int own_flows(const struct nat_sample *a, const struct nat_sample *b)
{
	return b->flow > a->flow ? (int)(b->flow - a->flow) : 1;
}

/* Ports that others took between the two, were the step this; -1: it cannot be. */
static int foreign_between(const struct nat_sample *a, const struct nat_sample *b, int step)
{
	int went = distance(a, b), others;
	double seconds = (double)(b->sent_us - a->sent_us) / 1e6;

	if (went % step != 0)
		return -1;
	others = went / step - own_flows(a, b);
	return others < 0 || others > FOREIGN_GAP + FOREIGN_RATE * seconds ? -1 : others;
}

static bool sequential_by(struct nat *ret, const struct nat_sample *samples, size_t n, int step)
{
	double seconds = (double)(samples[n - 1].sent_us - samples[0].sent_us) / 1e6;
	int foreign = 0, wrong = 0;

	for (size_t i = 1; i < n; i++) {
		int others = foreign_between(&samples[i - 1], &samples[i], step);

		if (others < 0)
			wrong++;
		else
			foreign += others;
	}
	/* the allocator may have come to its last port and begun again */
	if (wrong > 1)
		return false;
	ret->ports = NAT_PORTS_SEQUENTIAL;
	ret->step = (int16_t)step;
	ret->last = samples[n - 1].external.port;
	ret->foreign = seconds > 0 ? (uint16_t)(foreign / seconds < UINT16_MAX ?
						foreign / seconds : UINT16_MAX) : 0;
	return true;
}

/* The step is what most neighbours show, or a part of it where others are always in between. */
static bool sequential(struct nat *ret, const struct nat_sample *samples, size_t n)
{
	int smallest = 0;

	for (size_t i = 1; i < n; i++) {
		int went = distance(&samples[i - 1], &samples[i]);

		if (went != 0 && (smallest == 0 || abs(went) < abs(smallest)))
			smallest = went;
	}
	/* the widest step first: 2 explains more than twice 1 does */
	for (int part = 1; smallest != 0 && part <= abs(smallest) && part <= 4; part++) {
		if (smallest % part == 0 && sequential_by(ret, samples, n, smallest / part))
			return true;
	}
	return false;
}

static bool parity_kept(const struct nat_sample *samples, size_t n)
{
	size_t odd = 0;

	for (size_t i = 0; i < n; i++) {
		if ((samples[i].external.port ^ samples[i].internal) & 1)
			return false;
		odd += samples[i].internal & 1;
	}
	return odd >= 3 && n - odd >= 3;
}

static void bounds(const struct nat_sample *samples, size_t n, uint32_t *low, uint32_t *high)
{
	*low = UINT16_MAX;
	*high = 0;
	for (size_t i = 0; i < n; i++) {
		uint32_t port = samples[i].external.port;

		*low = port < *low ? port : *low;
		*high = port > *high ? port : *high;
	}
}

/* Blocks are cut at multiples of their size; where none of a fitting size has all samples, what
 * lies around them. */
static bool block(struct nat_ports_set *ret, uint32_t low, uint32_t high, size_t n)
{
	uint32_t range = high - low + 1;
	uint32_t likely = (uint32_t)((uint64_t)range * (n + 1) / (n - 1));
	uint32_t size = BLOCK_MIN, margin = likely - range / 2;

	if (likely > BLOCK_MAX)
		return false;
	while (size < range || low / size != high / size)
		size *= 2;
	if (size <= 2 * likely) {
		if (size < range * (n + 1) / n && size < BLOCK_MAX)
			size *= 2;
		*ret = (struct nat_ports_set){ (uint16_t)(low / size * size),
					       (uint16_t)(low / size * size + size - 1), 1 };
	} else {
		*ret = (struct nat_ports_set){ (uint16_t)(low > margin ? low - margin : 1),
					       (uint16_t)(high + margin < UINT16_MAX ?
								  high + margin : UINT16_MAX), 1 };
	}
	if (ret->low == 0)
		ret->low = 1;
	return true;
}

/* The upper half, or quarter, where all of them are there. */
static uint16_t low_of(uint32_t lowest, size_t n)
{
	if (n < 12 || lowest < 32768)
		return PORT_MIN;
	return lowest < 49152 ? 32768 : 49152;
}

void nat_learn_ports(struct nat *ret, const struct nat_sample *samples, size_t n)
{
	uint32_t low, high;

	if (n < ENOUGH)
		return;
	ret->addresses = (uint8_t)count_addresses(samples, n);
	ret->set = (struct nat_ports_set){ 0 };
	if (preserving(samples, n)) {
		ret->ports = NAT_PORTS_PRESERVING;
		return;
	}
	if (sequential(ret, samples, n))
		return;
	bounds(samples, n, &low, &high);
	ret->ports = NAT_PORTS_RANDOM;
	ret->set = (struct nat_ports_set){ low_of(low, n), UINT16_MAX, 1 };
	if (n < ENOUGH_FOR_SETS)
		return;
	if (block(&ret->set, low, high, n)) {
		ret->ports = NAT_PORTS_BLOCK;
	} else if (parity_kept(samples, n)) {
		ret->ports = NAT_PORTS_PARITY;
		ret->set.high = UINT16_MAX - 1;
		ret->set.stride = 2;
	}
}
