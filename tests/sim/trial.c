/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One trial of a pair (scenario.h), from the surveys to what came of it.
 */
#include <stdio.h>

#include "scenario.h"

#define LIMIT_US 15000000u
#define CALM_US 3000000u	/* a flow is old enough to be a stream; then things change */

static void on_surveyed(void *arg)
{
	struct sim_scene *s = arg;

	if (++s->surveyed < 2)
		return;
	for (unsigned int side = 0; side < 2; side++) {
		if (s->options.learn == SIM_LEARN_ORACLE)
			sim_oracle(&s->ends[side].nat, s->nats[side], s->nats_n[side]);
		sim_end_start(&s->ends[side]);
	}
}

static bool is_met(void *arg)
{
	const struct sim_scene *s = arg;
	const struct sim_end *e = s->ends;

	return (sim_end_has(&e[0], s->pair->wanted) && sim_end_has(&e[1], s->pair->wanted)) ||
	       e[0].failed_us != SIM_NEVER || e[1].failed_us != SIM_NEVER;
}

/* Both got something again that was sent since, by a path as wanted. */
static bool is_repaired(void *arg)
{
	const struct sim_scene *s = arg;

	for (unsigned int i = 0; i < 2; i++) {
		if (!sim_end_has(&s->ends[i], s->pair->wanted) ||
		    s->ends[i].data_us[PUNCH_PATH_DIRECT] <= s->changed_us)
			return false;
	}
	return true;
}

static uint64_t later(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

static bool change(struct sim_scene *s)
{
	uint64_t limit = s->pair->limit_us ? s->pair->limit_us : LIMIT_US;

	sim_world_run(s->world, sim_world_now(s->world) + CALM_US, NULL, NULL);
	if (!is_met(s))
		return false;
	s->changed_us = sim_world_now(s->world);
	if (s->pair->change == SIM_CHANGE_REBIND) {
		sim_box_reboot(s->outermost[0], NULL);
	} else {
		sim_plug_readdress(s->plugs[0], NULL, 0);
		sim_plug_readdress(s->plugs[1], &s->elsewhere, 1);
		s->ends[0].observed = s->elsewhere_seen;
		sim_end_moved(&s->ends[0]);
	}
	return sim_world_run(s->world, s->changed_us + limit, is_repaired, s);
}

void sim_scene_run(struct sim_scene *s, struct sim_result *ret)
{
	uint64_t limit = s->pair->limit_us ? s->pair->limit_us : LIMIT_US, known, first;
	struct sim_end *e = s->ends;
	struct punch_counters count;
	const char *rung;

	*ret = (struct sim_result){ 0 };
	sim_end_survey(&e[0], on_surveyed, s);
	sim_end_survey(&e[1], on_surveyed, s);
	ret->success = sim_world_run(s->world, SIM_SURVEY_US + limit, is_met, s) &&
		       e[0].failed_us == SIM_NEVER && e[1].failed_us == SIM_NEVER;
	known = later(later(e[0].gathered_us, e[1].gathered_us),
		      later(e[0].heard_us, e[1].heard_us));
	if (ret->success && s->pair->change) {
		ret->success = change(s);
		known = s->changed_us;
	}
	ret->took_us = sim_world_now(s->world) > known ? sim_world_now(s->world) - known : 0;
	ret->survey_us = later(e[0].surveyed_us, e[1].surveyed_us);
	for (unsigned int i = 0; i < 2; i++) {
		first = SIM_NEVER;
		for (int k = PUNCH_PATH_LAN; k < SIM_KINDS; k++)
			first = e[i].first_us[k] < first ? e[i].first_us[k] : first;
		ret->first_us = later(ret->first_us, first > known ? first - known : 0);
		if (e[i].punch) {
			punch_count(e[i].punch, &count);
			ret->packets += (uint32_t)count.sent;
		}
		ret->ports = e[i].ports > ret->ports ? e[i].ports : ret->ports;
	}
	ret->digest = sim_world_digest(s->world);
	rung = e[e[0].ports < e[1].ports].rung;
	snprintf(ret->rung, sizeof ret->rung, "%s", rung);
}
