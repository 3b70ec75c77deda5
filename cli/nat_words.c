/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The words of nat_words.h.
 */
#include "nat_words.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>

enum nat_meeting nat_meeting(const struct nat *nat)
{
	if (nat->mapping == NAT_MAPPING_UNKNOWN)
		return MEETING_UNKNOWN;
	if (nat_easy(nat))
		return nat->filtering == NAT_FILTERING_ENDPOINT_INDEPENDENT ? MEETING_OPEN :
									      MEETING_EASY;
	if (nat->addresses > 1)
		return MEETING_RELAY;
	switch (nat->ports) {
	case NAT_PORTS_PRESERVING:
	case NAT_PORTS_SEQUENTIAL:
		return MEETING_PREDICTION;
	case NAT_PORTS_BLOCK:
	case NAT_PORTS_PARITY:
	case NAT_PORTS_RANDOM:
		return MEETING_SPRAYING;
	default:
		return MEETING_UNKNOWN;
	}
}

static const char *meeting_word(enum nat_meeting meeting)
{
	static const char *const words[] = {
		[MEETING_UNKNOWN] = "unknown",
		[MEETING_OPEN] = "open",
		[MEETING_EASY] = "easy",
		[MEETING_PREDICTION] = "prediction",
		[MEETING_SPRAYING] = "spraying",
		[MEETING_RELAY] = "relay",
	};

	return words[meeting];
}

static const char *meeting_sentence(enum nat_meeting meeting)
{
	static const char *const sentences[] = {
		[MEETING_UNKNOWN] = "not known",
		[MEETING_OPEN] = "yes, whoever knows the address and port of a socket that\n"
				 "  has sent something",
		[MEETING_EASY] = "yes, once both have sent to each other: meeting a peer is easy",
		[MEETING_PREDICTION] = "mostly: the port that a peer will see can be predicted",
		[MEETING_SPRAYING] = "with luck and many packets: the port that a peer will\n"
				     "  see must be guessed. If the peer's is no easier, by a relay",
		[MEETING_RELAY] = "hardly: a peer sees one address or another, and a port that\n"
				  "  must be guessed. By a relay",
	};

	return sentences[meeting];
}

static void print_ports(const struct nat *nat)
{
	printf("%-18s%s", "ports", nat_ports_word(nat->ports));
	if (nat->ports == NAT_PORTS_SEQUENTIAL)
		printf(": by %d, last %u, about %u a second for others", nat->step, nat->last,
		       nat->foreign);
	else if (nat->set.low != 0)
		printf(": %u-%u, %u of them", nat->set.low, nat->set.high,
		       nat_set_size(&nat->set));
	putchar('\n');
}

void nat_print(const struct nat *nat)
{
	char text[ADDRESS_TEXT_BYTES];

	printf("Others can reach you directly: %s.\n\n", meeting_sentence(nat_meeting(nat)));
	printf("%-18s%s", "seen as", address_format(&nat->external, text));
	if (nat->addresses > 1)
		printf(" and %u more", nat->addresses - 1u);
	printf("\n%-18s%s\n", "mapping", nat_mapping_word(nat->mapping));
	printf("%-18s%s\n", "filtering", nat_filtering_word(nat->filtering));
	print_ports(nat);
	printf("%-18s%s\n", "low ports", nat_answer_word(nat->low_ports));
	printf("%-18s%s\n", "poisoned early", nat_answer_word(nat->poisoned));
	printf("%-18s%s\n", "hairpin", nat_answer_word(nat->hairpin));
	if (nat->ttl != 0)
		printf("%-18s%u\n", "opened by TTL", nat->ttl);
	if (nat->lifetime_s != 0)
		printf("%-18sat least %u s\n", "silence borne", nat->lifetime_s);
	if (!nat->complete)
		printf("\nNot all questions were answered: what is unknown may be anything.\n");
}

int nat_print_json(const struct nat *nat)
{
	char text[ADDRESS_TEXT_BYTES];
	json_t *json = json_pack(
		"{s:s, s:s, s:s, s:s, s:{s:i, s:i, s:i}, s:i, s:i, s:i, s:s, s:s, s:s, s:i, s:i,"
		" s:i, s:b, s:s}",
		"meeting", meeting_word(nat_meeting(nat)),
		"mapping", nat_mapping_word(nat->mapping),
		"filtering", nat_filtering_word(nat->filtering),
		"ports", nat_ports_word(nat->ports),
		"set", "low", nat->set.low, "high", nat->set.high, "stride", nat->set.stride,
		"step", nat->step, "last", nat->last, "foreign", nat->foreign,
		"low_ports", nat_answer_word(nat->low_ports),
		"poisoned", nat_answer_word(nat->poisoned),
		"hairpin", nat_answer_word(nat->hairpin),
		"addresses", nat->addresses, "ttl", nat->ttl, "lifetime_s", nat->lifetime_s,
		"complete", nat->complete,
		"external", address_format(&nat->external, text));
	int r;

	if (!json)
		return -ENOMEM;
	r = json_dumpf(json, stdout, JSON_INDENT(2)) < 0 ? -EIO : 0;
	putchar('\n');
	json_decref(json);
	return r;
}
