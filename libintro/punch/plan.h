/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which rung of the ladder two NATs call for, beside the plain checks of candidates: from what
 * is known of both, each end computes its own half. Pure functions, and the mathematics.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "nat.h"
#include "output.h"

enum plan_kind {
	PLAN_CHECKS,	/* nothing beside the pairs */
	PLAN_WINDOW,	/* our socket to the ports that their sequential NAT gives next */
	PLAN_FAN,	/* many sockets of ours to their one port: they sweep, or meet us */
	PLAN_SWEEP,	/* our socket to the ports where their fan may be */
	PLAN_GRID,	/* many sockets to many ports: two small sets */
	PLAN_RELAY,	/* hopeless: no direct path is tried beyond the pairs */
};

enum plan_first {
	PLAN_BY_ROLE,	/* whoever opens in this generation */
	PLAN_WE_FIRST,
	PLAN_THEY_FIRST,
};

struct plan {
	enum plan_kind kind;
	enum plan_first first;
	const char *word;		/* for people: "prediction", "spray", ... */
	enum output_bind bind;
	unsigned int sockets;		/* ours; 0: the main one */
	uint32_t targets;		/* ports of theirs a socket sends to */
	struct nat_ports_set set;	/* the ports that are tried, in any order */
	int32_t from, step;		/* WINDOW: from + step * 1, 2, ... in this order */
	uint16_t port;			/* FAN: the one port; 0: their candidate's */
};

struct plan_end {
	const struct nat *nat;
	bool low_ports;			/* may bind ports below 1024 */
};

void plan_make(struct plan *ret, const struct plan_end *we, const struct plan_end *they);
