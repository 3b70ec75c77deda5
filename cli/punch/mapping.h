/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A UDP port of the router's that leads to one of ours: asked for by PCP, else NAT-PMP, else
 * UPnP-IGD, renewed while it is needed, and given back.
 *
 * All of it happens in a child process, the mapper, which holds nothing but one socket to us:
 * two of the libraries that it uses block or read XML from the network. It gives the mapping
 * back when that socket ends, however we end.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "../../libintro/punch/address.h"

enum mapping_method {
	MAPPING_PCP = 1,
	MAPPING_NAT_PMP = 2,
	MAPPING_UPNP = 4,
};
#define MAPPING_ALL (MAPPING_PCP | MAPPING_NAT_PMP | MAPPING_UPNP)

/* "pcp", "nat-pmp", "upnp"; "none" for 0. */
const char *mapping_method_word(unsigned int method);

struct mapping_result {
	unsigned int method;		/* 0: no router gave one */
	struct address external;	/* the router's; may be private behind another NAT */
	uint32_t lease_s;
};

struct mapping {
	pid_t mapper;
	int fd;			/* readable when mapping_read() has something; -1: ended */
};

/* Ask the default gateway for a mapping of our port by these methods (MAPPING_x). 0 or a
 * negative errno. The process must be single-threaded. */
int mapping_start(struct mapping *ret, uint16_t port, unsigned int methods);

/* 0 with what there is now, -EAGAIN: no news yet; -EPIPE: there will be none, and fd is -1. */
int mapping_read(struct mapping *m, struct mapping_result *ret);

/* Give it back, and wait for that: at most 3 s, a router that does not answer. */
void mapping_end(struct mapping *m);
