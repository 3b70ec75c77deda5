/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The command line of `punch peer`, understood and checked.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../../libintro/punch/punch.h"

struct peer_options {
	enum punch_role role;
	struct address servers[2];	/* STUN */
	struct address relay;
	struct address observed;	/* port 0 */
	uint8_t secret[32];		/* zero: none */
	bool v4, v6;
	bool survey, map, low_ports, relay_only;
	uint16_t port;			/* of the main socket; 0: any */
	uint16_t listen;		/* on the loopback; 0: echo */
	unsigned int methods;		/* of mapping: MAPPING_x */
	int64_t time_ms;		/* 0: until it is ended */
};

/* 0; or an exit code + 1, when it has said what there was to say (--help: CODE_OK + 1). */
int peer_options_get(struct peer_options *ret, int argc, char **argv);
