/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A simulated host that is one end of an introduction: it surveys its NATs, then runs the engine,
 * carries out what both want done, and notes what came of it. For scenarios.
 */
#pragma once

#include "../../libintro/punch/punch.h"
#include "../../libintro/punch/survey.h"
#include "memory.h"
#include "world.h"

#define SIM_SURVEY_US 1800000u
#define SIM_NEVER UINT64_MAX

enum { SIM_KINDS = PUNCH_PATH_RELAYED + 1 };

struct sim_end_config {
	struct sim_box *box;
	enum punch_role role;
	struct address servers[2];
	struct address relay;		/* or none */
	bool survey;			/* before anything else */
	bool low_ports;
	bool relay_only;
	uint32_t signal_us;		/* one way, to the other end */
	uint32_t late_us;		/* what it is told comes so much later still */
	uint32_t data_us;		/* once there is a path, it sends something so often; 0: no */
};

struct sim_end {
	struct sim_end_config config;
	struct sim_world *world;
	struct sim_end *other;
	struct sim_pool slots, letters;
	struct sim_slot **sockets;	/* by the machine's numbers */
	size_t sockets_n;
	uint64_t armed_us;		/* when the next timer is due */
	struct survey *survey;
	struct punch *punch;
	struct punch_host host;
	struct nat nat;			/* what the survey found */
	struct address observed;	/* as the coordinator sees it */
	void (*surveyed)(void *arg);
	void *surveyed_arg;

	/* What came of it; moments, SIM_NEVER: not yet. */
	uint64_t surveyed_us;
	uint64_t gathered_us;
	uint64_t heard_us;		/* the first signal of the other end's */
	uint64_t first_us[SIM_KINDS];	/* the first path of this kind */
	uint64_t failed_us, lost_us;	/* the last time each */
	enum punch_path_kind kind;	/* of the path */
	enum punch_reason reason;
	char rung[24];			/* what found the last path */
	uint32_t packets, ports, flows;	/* as the last event said */
	/* The application's datagrams that came: when they were sent, the last one by each kind
	 * of path. */
	uint64_t data_us[SIM_KINDS];
	uint64_t data_n;
};

void sim_end_init(struct sim_end *end, struct sim_world *world,
		  const struct sim_end_config *config);
void sim_end_free(struct sim_end *end);
/* The two ends of one introduction. */
void sim_ends_join(struct sim_end *a, struct sim_end *b);

/* Begin with the survey; fn(arg) is called when it is over, or at once without one. */
void sim_end_survey(struct sim_end *end, void (*fn)(void *arg), void *arg);
/* Begin to gather, and so on. */
void sim_end_start(struct sim_end *end);
/* The host's addresses are others now. */
void sim_end_moved(struct sim_end *end);
/* Is its path of one of these kinds (bits 1 << enum punch_path_kind)? */
bool sim_end_has(const struct sim_end *end, unsigned int kinds);
