/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What many trials of a pair come to, as a row of a table or of JSON. For tests/sim.
 */
#pragma once

#include <stdio.h>

#include "scenario.h"

#define SIM_FAILED_SHOWN 8u

struct sim_report {
	const struct sim_pair *pair;
	uint32_t trials, successes;
	uint64_t *took_us;		/* of the successes */
	uint64_t *first_us, *survey_us;
	uint32_t *packets, *ports;
	uint64_t digest;		/* of all digests */
	uint64_t failed[SIM_FAILED_SHOWN];	/* seeds of the first failures */
};

/* trials: at most so many will be added. */
void sim_report_init(struct sim_report *report, const struct sim_pair *pair, uint32_t trials);
void sim_report_add(struct sim_report *report, uint64_t seed, const struct sim_result *result);
void sim_report_free(struct sim_report *report);

void sim_report_title(FILE *out);
/* Sorts what it has. */
void sim_report_row(struct sim_report *report, FILE *out);
void sim_report_json(struct sim_report *report, FILE *out);
