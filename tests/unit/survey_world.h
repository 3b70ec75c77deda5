/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A host behind a small NAT, and STUN servers, in virtual time: for the tests of the survey.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "../../libintro/punch/survey.h"
#include "../../libintro/punch/stun_server.h"

struct world_nat {
	enum nat_mapping mapping;	/* NONE: a firewall */
	enum nat_filtering filtering;
	enum nat_ports ports;
	int step;			/* SEQUENTIAL */
	bool low_class;			/* 512-1023 go to 600-1023 */
	bool accepts;			/* what is unsolicited makes a flow (poison) */
	bool hairpin;
	unsigned int addresses;		/* external ones; 0: one */
	uint8_t hop;			/* the NAT decrements TTLs as this router; 0: the first */
	uint64_t lifetime_us;		/* 0: for ever */
	unsigned int loss;		/* percent of packets, each way */
	uint64_t one_way_us;
	unsigned int servers;		/* which answer: 0 none, 1 the first, 2 both */
	bool plain;			/* servers without a second address */
	bool low_refused;		/* no privileged port for the host */
	uint32_t seed;
};

/* What a whole survey finds out; the sockets were opened and closed. Returns the microseconds
 * that it took. config's servers, locals and seed are set here. */
uint64_t world_survey(const struct world_nat *nat, struct survey_config *config,
		      struct nat *ret);
