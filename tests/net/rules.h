/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What makes a Linux router a NAT of some kind: nftables rulesets as text. Pure functions, for
 * lab.c.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

enum lab_nat {
	LAB_NAT_NONE,		/* no router at all: the host is public */
	LAB_NAT_FIREWALL,	/* no translation, but nothing unasked comes in */
	LAB_NAT_PRESERVE,	/* plain masquerade: keeps the port while it is free */
	LAB_NAT_RANDOM,		/* masquerade random: another port for each peer */
	LAB_NAT_FULLY_RANDOM,
	LAB_NAT_FULL_CONE,	/* endpoint-independent mapping and filtering, with hairpin */
	LAB_NAT_RESTRICTED,	/* the same mapping, address-dependent filtering */
	LAB_NAT_SEQUENTIAL,	/* another port for each peer: the last one plus 1 */
	LAB_NAT_KERNEL_KINDS,
};

/* Its word on a command line: "preserve", ...; NULL for none. */
const char *lab_nat_word(enum lab_nat nat);
/* -EINVAL when it is none's. */
int lab_nat_parse(const char *word, enum lab_nat *ret);

#define RULES_SEQUENCE 4096u	/* ports of a sequential NAT, from */
#define RULES_FIRST 20000u

struct rules {
	enum lab_nat nat;
	const char *wan, *lan;	/* names of its interfaces */
	const char *public;	/* its external IPv4 address */
	bool input_accept;	/* whether the router itself takes unasked packets */
	unsigned int flows_max;	/* of one LAN host; 0: not limited */
	uint16_t low, high;	/* external ports of PRESERVE and the random ones; 0: the
				 * kernel's choice */
};

/* Writes a file for nft -f that replaces what was there. */
void rules_write(FILE *out, const struct rules *rules);
