/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is known of a NAT as words and on the wire (nat.h). How ports are allocated is found out
 * in nat_learn.c.
 */
#include "nat.h"

#include <errno.h>
#include <string.h>

#include "bytes.h"

bool nat_easy(const struct nat *nat)
{
	return nat->mapping == NAT_MAPPING_NONE ||
	       nat->mapping == NAT_MAPPING_ENDPOINT_INDEPENDENT;
}

uint32_t nat_set_size(const struct nat_ports_set *set)
{
	if (set->low == 0 || set->high < set->low || set->stride == 0)
		return 0;
	return (uint32_t)(set->high - set->low) / set->stride + 1;
}

/* ---- words ---- */

static const char *word_of(const char *const *words, size_t n, unsigned int i)
{
	return i < n ? words[i] : "unknown";
}

#define WORD(words, i) word_of(words, sizeof(words) / sizeof *(words), i)

const char *nat_mapping_word(enum nat_mapping mapping)
{
	static const char *const words[] = {
		"unknown", "none", "endpoint-independent", "address-dependent",
		"address-and-port-dependent",
	};

	return WORD(words, mapping);
}

const char *nat_filtering_word(enum nat_filtering filtering)
{
	static const char *const words[] = {
		"unknown", "endpoint-independent", "address-dependent",
		"address-and-port-dependent",
	};

	return WORD(words, filtering);
}

const char *nat_ports_word(enum nat_ports ports)
{
	static const char *const words[] = {
		"unknown", "preserving", "sequential", "block", "parity", "random",
	};

	return WORD(words, ports);
}

const char *nat_answer_word(enum nat_answer answer)
{
	static const char *const words[] = { "unknown", "no", "yes" };

	return WORD(words, answer);
}

/* ---- the wire form: one byte each of the kinds, then 16-bit numbers, then two reserved ---- */

void nat_put(const struct nat *nat, uint8_t out[static NAT_WIRE_BYTES])
{
	memset(out, 0, NAT_WIRE_BYTES);
	out[0] = (uint8_t)nat->mapping;
	out[1] = (uint8_t)nat->filtering;
	out[2] = (uint8_t)nat->ports;
	out[3] = (uint8_t)nat->low_ports;
	out[4] = (uint8_t)nat->poisoned;
	out[5] = (uint8_t)nat->hairpin;
	out[6] = nat->addresses;
	out[7] = nat->ttl;
	put_be16(out + 8, nat->set.low);
	put_be16(out + 10, nat->set.high);
	put_be16(out + 12, nat->set.stride);
	put_be16(out + 14, (uint16_t)nat->step);
	put_be16(out + 16, nat->last);
	put_be16(out + 18, nat->foreign);
	put_be16(out + 20, nat->lifetime_s);
	out[22] = nat->complete;
}

int nat_get(const uint8_t in[static NAT_WIRE_BYTES], struct nat *ret)
{
	struct nat nat = { 0 };

	if (in[0] > NAT_MAPPING_ADDRESS_PORT_DEPENDENT ||
	    in[1] > NAT_FILTERING_ADDRESS_PORT_DEPENDENT || in[2] > NAT_PORTS_RANDOM ||
	    in[3] > NAT_YES || in[4] > NAT_YES || in[5] > NAT_YES || in[22] > 1)
		return -EPROTO;
	nat.mapping = in[0];
	nat.filtering = in[1];
	nat.ports = in[2];
	nat.low_ports = in[3];
	nat.poisoned = in[4];
	nat.hairpin = in[5];
	nat.addresses = in[6];
	nat.ttl = in[7];
	nat.set.low = get_be16(in + 8);
	nat.set.high = get_be16(in + 10);
	nat.set.stride = get_be16(in + 12);
	nat.step = (int16_t)get_be16(in + 14);
	nat.last = get_be16(in + 16);
	nat.foreign = get_be16(in + 18);
	nat.lifetime_s = get_be16(in + 20);
	nat.complete = in[22];
	*ret = nat;
	return 0;
}
