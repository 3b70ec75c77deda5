/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The simulator: trials of named pairs of NATs with the real engine, in virtual time.
 *
 *	sim [--pair NAME]... [--trials N] [--seed S] [--json] [--draw] [--list]
 *	    [--signal MS] [--oracle | --no-survey] [--no-relay]
 *
 * Trial i of a pair has seed S + i; a trial is played again, alone, by its seed. Exit status 0,
 * or 1 for wrong usage.
 */
#include <getopt.h>
#include <inttypes.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "ladder.h"
#include "report.h"

#define PAIRS_MAX 64u
#define SIGNAL_US 1000u		/* a coordinator at hand, as in the kernel lab */

struct wish {
	const struct sim_pair *pairs[PAIRS_MAX];
	size_t pairs_n;
	uint32_t trials;
	uint64_t seed;
	bool json, draw;
	struct sim_options options;
};

static void usage(void)
{
	fputs("usage: sim [--pair NAME]... [--trials N] [--seed S] [--json] [--draw] [--list]\n"
	      "           [--signal MS] [--oracle | --no-survey] [--no-relay]\n", stderr);
	exit(EXIT_FAILURE);
}

static uint64_t number(const char *text, uint64_t max)
{
	char *end;
	uint64_t n = strtoull(text, &end, 10);

	if (*text < '0' || *text > '9' || *end || n > max)
		usage();
	return n;
}

static void list(void)
{
	for (const struct sim_pair *pair = sim_pairs; pair->name; pair++)
		printf("%-22s %s\n", pair->name, pair->what);
	exit(EXIT_SUCCESS);
}

static void wish_pair(struct wish *w, const char *name)
{
	const struct sim_pair *pair = sim_pair_find(name);

	if (!pair || w->pairs_n == PAIRS_MAX) {
		fprintf(stderr, "sim: no pair %s: see --list\n", name);
		exit(EXIT_FAILURE);
	}
	w->pairs[w->pairs_n++] = pair;
}

static void wish_all(struct wish *w)
{
	for (const struct sim_pair *pair = sim_pairs; pair->name; pair++)
		wish_pair(w, pair->name);
}

static void parse(struct wish *w, int argc, char **argv)
{
	static const struct option options[] = {
		{ "pair", required_argument, NULL, 'p' }, { "trials", required_argument, NULL, 't' },
		{ "seed", required_argument, NULL, 's' }, { "json", no_argument, NULL, 'j' },
		{ "draw", no_argument, NULL, 'd' }, { "list", no_argument, NULL, 'l' },
		{ "signal", required_argument, NULL, 'S' },
		{ "no-survey", no_argument, NULL, 'n' },
		{ "oracle", no_argument, NULL, 'o' }, { "no-relay", no_argument, NULL, 'r' },
		{ NULL, 0, NULL, 0 },
	};
	int option;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (option) {
		case 'p':
			wish_pair(w, optarg);
			break;
		case 't':
			w->trials = (uint32_t)number(optarg, 10000000);
			break;
		case 's':
			w->seed = number(optarg, UINT64_MAX);
			break;
		case 'j':
			w->json = true;
			break;
		case 'd':
			w->draw = true;
			break;
		case 'l':
			list();
			break;
		case 'S':
			w->options.signal_us = (uint32_t)number(optarg, 10000) * 1000;
			break;
		case 'n':
			w->options.learn = SIM_LEARN_NOTHING;
			break;
		case 'o':
			w->options.learn = SIM_LEARN_ORACLE;
			break;
		case 'r':
			w->options.relay = false;
			break;
		default:
			usage();
		}
	}
	if (optind < argc)
		usage();
}

static void try_once(const struct wish *w, const struct sim_pair *pair, uint64_t seed,
		     struct sim_result *ret)
{
	struct sim_ladder *ladder = NULL;
	struct sim_scene scene;
	uint64_t from;

	sim_scene_init(&scene, pair, &w->options, seed);
	if (w->draw)
		ladder = sim_ladder_new(&scene);
	sim_scene_run(&scene, ret);
	if (ladder) {
		from = scene.ends[0].surveyed_us > scene.ends[1].surveyed_us ?
			       scene.ends[0].surveyed_us : scene.ends[1].surveyed_us;
		printf("%s, seed %" PRIu64 "\n", pair->name, seed);
		sim_ladder_draw(ladder, from == SIM_NEVER ? 0 : from, stdout);
		printf("%s after %.3f ms, digest %016" PRIx64 "\n",
		       ret->success ? "as wanted" : "failed", (double)ret->took_us / 1000,
		       ret->digest);
		sim_ladder_free(ladder);
	}
	sim_scene_free(&scene);
}

static void run_pair(const struct wish *w, const struct sim_pair *pair)
{
	struct sim_report report;
	struct sim_result result;

	sim_report_init(&report, pair, w->trials);
	for (uint64_t seed = w->seed; seed - w->seed < w->trials; seed++) {
		try_once(w, pair, seed, &result);
		sim_report_add(&report, seed, &result);
	}
	if (w->json)
		sim_report_json(&report, stdout);
	else if (!w->draw)
		sim_report_row(&report, stdout);
	sim_report_free(&report);
}

int main(int argc, char **argv)
{
	struct wish w = {
		.trials = 100,
		.seed = 1,
		.options = { .signal_us = SIGNAL_US, .relay = true },
	};
	struct timespec begin, end;

	/* Worlds come and go: their memory is not to be asked of the kernel each time. */
	mallopt(M_MMAP_THRESHOLD, 64 << 20);
	mallopt(M_TRIM_THRESHOLD, 256 << 20);
	parse(&w, argc, argv);
	if (w.draw && w.pairs_n == 0)
		usage();
	if (w.pairs_n == 0)
		wish_all(&w);
	clock_gettime(CLOCK_MONOTONIC, &begin);
	if (!w.json && !w.draw)
		sim_report_title(stdout);
	for (size_t i = 0; i < w.pairs_n; i++)
		run_pair(&w, w.pairs[i]);
	clock_gettime(CLOCK_MONOTONIC, &end);
	fprintf(stderr, "%.1f s\n", (double)(end.tv_sec - begin.tv_sec) +
		(double)(end.tv_nsec - begin.tv_nsec) / 1e9);
	return EXIT_SUCCESS;
}
