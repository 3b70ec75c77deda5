/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two `punch peer` programs in a lab of their own, introduced to each other: signals are carried
 * from one's output to the other's input, as slowly as wanted, and what they say of their path is
 * measured. For the tests of pairs and for the program that does many trials.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lab.h"

#define PAIR_WORD_BYTES 24u

/* What happens once there is the wanted path. */
enum pair_shake {
	PAIR_STILL,
	PAIR_REBIND,		/* lab_rebind() */
	PAIR_MOVE,		/* lab_change_address() */
};

struct pair_config {
	struct lab_config lab;
	const char *program;		/* path of punch */
	const char *want;		/* the path to wait for: "lan", "direct", "relayed"; NULL:
					 * any */
	bool relay;			/* there is a relay */
	uint32_t signal_us[2];		/* how long a signal takes to that end */
	uint32_t late_us[2];		/* that end is started so much later */
	uint32_t limit_us;		/* to give up after, from the start of the later end, and
					 * again from the shake */
	enum pair_shake shake;
	enum lab_end shaken;		/* whom it happens to */
	const char *const *more[2];	/* further arguments of that end's peer; or NULL */
	int log;			/* where all that they say goes as well; -1: nowhere */
};

struct pair_end {
	char path[PAIR_WORD_BYTES];	/* the last one; "" for none */
	char rung[PAIR_WORD_BYTES];	/* that found it */
	char reason[PAIR_WORD_BYTES];	/* of failure; "" for none */
	uint64_t packets, ports, flows;	/* that it took, as the peer counts them */
};

struct pair_result {
	bool connected;		/* both have some path */
	bool wanted;		/* both have the wanted one */
	bool echoed;		/* and datagrams of A's came back from B over it */
	/* Since the later of OFFER and ANSWER was delivered. */
	uint64_t connected_us, wanted_us;
	uint64_t echo_us;	/* of the fastest datagram, there and back */
	bool repaired;		/* and did again after the shake, */
	uint64_t repaired_us;	/* so long after it */
	uint64_t up_us;		/* the lab's */
	struct pair_end end[2];
	char why[160];
};

/* Zero delays in config mean 0; limit_us 0: 20 s. 0 if there was a trial, whatever it gave;
 * else a negative errno with ret->why: -EPERM as lab_up(). */
int pair_run(const struct pair_config *config, struct pair_result *ret);

/* A pair by its name: "A:B", or "same-lan:A" and "same-carrier:A", where a side is
 *
 *	HOME[/CARRIER][+accept][+limit=FLOWS]
 *
 * HOME and CARRIER are lab_nat_word()s, or "@NAME" for one of the box's NATs (sim_nat_names),
 * which must be the outermost one. Sets lab's sides; strings in it point into buf. -EINVAL. */
#define PAIR_NAME_BYTES 128u
int pair_parse(const char *name, struct lab_config *ret, char buf[static PAIR_NAME_BYTES]);
