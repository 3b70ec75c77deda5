/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Named pairs of hosts behind simulated NATs, and one trial of one of them: both survey, both
 * gather, and they are introduced. For tests/sim and for tests.
 */
#pragma once

#include "end.h"
#include "server.h"

enum sim_place {
	SIM_APART,		/* each behind its own NATs */
	SIM_ONE_LAN,		/* behind the first one's, in one network */
	SIM_ONE_CARRIER,	/* the same, each in a network of its own */
};

enum sim_change {
	SIM_CHANGE_NONE,
	SIM_CHANGE_REBIND,	/* the first one's outermost NAT reboots */
	SIM_CHANGE_ADDRESS,	/* the first one goes to another network, behind a Linux NAT */
};

#define SIM_LAN (1u << PUNCH_PATH_LAN)
#define SIM_DIRECT (1u << PUNCH_PATH_DIRECT)
#define SIM_RELAYED (1u << PUNCH_PATH_RELAYED)

struct sim_pair {
	const char *name, *what;
	const char *nats[2];		/* sim_nat_names, from the host outwards, joined by "+" */
	enum sim_place place;
	enum sim_change change;
	unsigned int wanted;		/* kinds of path */
	double loss;			/* of each way from host to host */
	bool low_ports, relay_only;
	uint32_t late_us[2];		/* one of them is told its signals so late: from, to */
	uint32_t limit_us;		/* it has failed after; 0: 15 s */
};

/* Ended by a NULL name. */
extern const struct sim_pair sim_pairs[];
const struct sim_pair *sim_pair_find(const char *name);

/* How the ends come to know their NATs. */
enum sim_learn {
	SIM_LEARN_SURVEY,
	SIM_LEARN_ORACLE,	/* all of it, at once: what a perfect survey would find */
	SIM_LEARN_NOTHING,
};

struct sim_options {
	uint32_t signal_us;		/* one way */
	enum sim_learn learn;
	bool relay;
};

struct sim_result {
	bool success;
	uint64_t took_us;		/* from when both know the other's candidates, or from the
					 * change, until both have a path as wanted */
	uint64_t survey_us, first_us;	/* the longer survey; until both have any path */
	uint32_t packets, ports;	/* both together; the one that tried more */
	uint64_t digest;
	char rung[24];
};

#define SIM_COLUMNS 9u
#define SIM_NATS 3u

struct sim_scene {
	struct sim_world *world;
	const struct sim_pair *pair;
	struct sim_options options;
	struct sim_net *core;
	struct sim_end ends[2];
	struct sim_box *hosts[2];
	struct sim_box *outermost[2];	/* NATs */
	struct sim_nat *nats[2][SIM_NATS];	/* from the core inwards */
	unsigned int nats_n[2];
	struct sim_plug *plugs[2];	/* the first one's: where it is, where it will be */
	struct address elsewhere, elsewhere_seen;
	struct sim_stun stun;
	struct sim_relay relay;
	unsigned int surveyed;
	uint64_t changed_us;
	/* From host to host, NULL for the core: for a picture. */
	const struct sim_box *columns[SIM_COLUMNS];
	const char *titles[SIM_COLUMNS];
	unsigned int columns_n;
};

/* Both host's roles depend on the seed. */
void sim_scene_init(struct sim_scene *scene, const struct sim_pair *pair,
		    const struct sim_options *options, uint64_t seed);
void sim_scene_run(struct sim_scene *scene, struct sim_result *ret);
void sim_scene_free(struct sim_scene *scene);

/* What is to be known of NATs, the outermost first. */
void sim_oracle(struct nat *ret, struct sim_nat *const *nats, unsigned int n);
