/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lab: many introductions of two peers, each in a lab of its own; for benches, and to look at
 * one that failed. Without --json it prints a line for people per trial.
 */
#include <errno.h>
#include <getopt.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pair.h"

static const char text[] =
	"Usage: lab --pair A:B [OPTION]…\n"
	"\n"
	"Introduces two `punch peer` programs behind real NATs, and tells what came of it.\n"
	"\n"
	"  --pair A:B          who is behind what: HOME[/CARRIER][+accept][+limit=FLOWS], or\n"
	"                      same-lan:A, same-carrier:A; --list tells the words\n"
	"  --trials N          so many (1)\n"
	"  --want PATH         success is: lan, direct, relayed (direct)\n"
	"  --relay             there is a relay\n"
	"  --relay-only        and the peers use nothing else\n"
	"  --low-ports         both may open sockets below 1024\n"
	"  --delay MS          of each of the four links there and back (10)\n"
	"  --jitter MS, --loss P, --hops N (4), --seed N\n"
	"  --signal MS         what a signal takes (40)\n"
	"  --late MS           B starts so much later\n"
	"  --slow-a MS, --slow-b MS  that end's signals take so much longer\n"
	"  --shake HOW         then A's NAT restarts (rebind), or A's address changes (move);\n"
	"                      success is a path again\n"
	"  --limit SECONDS     to give up after (20)\n"
	"  --kernel            the kernel as the core: no delays, no hops\n"
	"  --ipv6              there is IPv6, too\n"
	"  --no-survey         the peers do not look at their NATs first\n"
	"  --no-map            nor ask their routers for ports\n"
	"  --program PATH      of punch ($INTRO_BUILD/punch, or where it was built)\n"
	"  --json              an object per trial, and one with the sum\n"
	"  --verbose           what the peers say, on standard error\n"
	"\n"
	"Exits 0 (all succeeded), 1 (not all), 100 (wrong command line), 111 (no lab here).\n";

enum {
	OPT_PAIR = 0x100, OPT_TRIALS, OPT_WANT, OPT_RELAY, OPT_LOW_PORTS, OPT_DELAY, OPT_JITTER,
	OPT_LOSS, OPT_HOPS, OPT_SEED, OPT_SIGNAL, OPT_LATE, OPT_LIMIT, OPT_KERNEL, OPT_IPV6,
	OPT_SLOW_A, OPT_SLOW_B, OPT_RELAY_ONLY, OPT_SHAKE, OPT_NO_SURVEY, OPT_NO_MAP, OPT_PROGRAM,
	OPT_JSON, OPT_VERBOSE, OPT_LIST, OPT_HELP,
};

static const struct option options[] = {
	{ "pair", required_argument, NULL, OPT_PAIR },
	{ "trials", required_argument, NULL, OPT_TRIALS },
	{ "want", required_argument, NULL, OPT_WANT },
	{ "relay", no_argument, NULL, OPT_RELAY },
	{ "relay-only", no_argument, NULL, OPT_RELAY_ONLY },
	{ "low-ports", no_argument, NULL, OPT_LOW_PORTS },
	{ "delay", required_argument, NULL, OPT_DELAY },
	{ "jitter", required_argument, NULL, OPT_JITTER },
	{ "loss", required_argument, NULL, OPT_LOSS },
	{ "hops", required_argument, NULL, OPT_HOPS },
	{ "seed", required_argument, NULL, OPT_SEED },
	{ "signal", required_argument, NULL, OPT_SIGNAL },
	{ "late", required_argument, NULL, OPT_LATE },
	{ "slow-a", required_argument, NULL, OPT_SLOW_A },
	{ "slow-b", required_argument, NULL, OPT_SLOW_B },
	{ "limit", required_argument, NULL, OPT_LIMIT },
	{ "shake", required_argument, NULL, OPT_SHAKE },
	{ "kernel", no_argument, NULL, OPT_KERNEL },
	{ "ipv6", no_argument, NULL, OPT_IPV6 },
	{ "no-survey", no_argument, NULL, OPT_NO_SURVEY },
	{ "no-map", no_argument, NULL, OPT_NO_MAP },
	{ "program", required_argument, NULL, OPT_PROGRAM },
	{ "json", no_argument, NULL, OPT_JSON },
	{ "verbose", no_argument, NULL, OPT_VERBOSE },
	{ "list", no_argument, NULL, OPT_LIST },
	{ "help", no_argument, NULL, OPT_HELP },
	{ 0 },
};

enum { MORE_MAX = 8 };

struct run {
	struct pair_config pair;
	char name[PAIR_NAME_BYTES], program[512];
	const char *label;
	const char *more[MORE_MAX];
	size_t more_n;
	unsigned long trials;
	uint32_t slow_us[2];
	bool json;
};

static int list(void)
{
	printf("The kernel's NATs:\n");
	for (unsigned int i = 0; i < LAB_NAT_KERNEL_KINDS; i++)
		printf("  %s\n", lab_nat_word((enum lab_nat)i));
	printf("The box's:\n");
	for (const struct sim_nat_name *n = sim_nat_names; n->name; n++)
		printf("  @%-20s%s\n", n->name, n->what);
	return 0;
}

static bool get_number(const char *value, double max, double *ret)
{
	char *end;
	double n;

	errno = 0;
	n = strtod(value, &end);
	if (errno || end == value || *end || !(n >= 0 && n <= max))
		return false;
	*ret = n;
	return true;
}

static uint32_t microseconds(double ms)
{
	return (uint32_t)(ms * 1000);
}

/* An option with a number. */
static bool set_number(struct run *r, int c, double n)
{
	struct lab_core *core = &r->pair.lab.core;

	switch (c) {
	case OPT_TRIALS: r->trials = (unsigned long)n; break;
	case OPT_DELAY: core->link.delay_us = microseconds(n); break;
	case OPT_JITTER: core->link.jitter_us = microseconds(n); break;
	case OPT_LOSS: core->link.loss = n; return n <= 1;
	case OPT_HOPS: core->hops = (unsigned int)n; return n < 64;
	case OPT_SEED: core->link.seed = (uint64_t)n; break;
	case OPT_SIGNAL: r->pair.signal_us[0] = r->pair.signal_us[1] = microseconds(n); break;
	case OPT_SLOW_A: r->slow_us[LAB_A] = microseconds(n); break;
	case OPT_SLOW_B: r->slow_us[LAB_B] = microseconds(n); break;
	case OPT_LATE: r->pair.late_us[LAB_B] = microseconds(n); break;
	case OPT_LIMIT: r->pair.limit_us = microseconds(n * 1000); return n <= 1000;
	default: return false;
	}
	return true;
}

/* A further word for the peers; the last place stays NULL. */
static bool add(struct run *r, const char *word)
{
	if (r->more_n + 1 == MORE_MAX)
		return false;
	r->more[r->more_n++] = word;
	return true;
}

static bool set_option(struct run *r, int c)
{
	double n;

	switch (c) {
	case OPT_PAIR:
		r->label = optarg;
		return pair_parse(optarg, &r->pair.lab, r->name) == 0;
	case OPT_SHAKE:
		r->pair.shake = strcmp(optarg, "move") == 0 ? PAIR_MOVE : PAIR_REBIND;
		return r->pair.shake == PAIR_MOVE || strcmp(optarg, "rebind") == 0;
	case OPT_WANT: r->pair.want = optarg; break;
	case OPT_RELAY: r->pair.relay = true; break;
	case OPT_RELAY_ONLY: r->pair.relay = true; return add(r, "--relay-only");
	case OPT_LOW_PORTS: return add(r, "--low-ports");
	case OPT_NO_SURVEY: return add(r, "--no-survey");
	case OPT_NO_MAP: return add(r, "--no-map");
	case OPT_KERNEL: memset(&r->pair.lab.core, 0, sizeof r->pair.lab.core); break;
	case OPT_IPV6: r->pair.lab.ipv6 = true; break;
	case OPT_PROGRAM: snprintf(r->program, sizeof r->program, "%s", optarg); break;
	case OPT_JSON: r->json = true; break;
	case OPT_VERBOSE: r->pair.log = 2; break;
	default: return get_number(optarg, 1e6, &n) && set_number(r, c, n);
	}
	return true;
}

/* ---- what came of it ---- */

static void print_json(json_t *object)
{
	json_dumpf(object, stdout, JSON_COMPACT);
	putchar('\n');
	fflush(stdout);
	json_decref(object);
}

static bool is_success(const struct run *r, const struct pair_result *p)
{
	return p->wanted && p->echoed && (r->pair.shake == PAIR_STILL || p->repaired);
}

static double success_ms(const struct run *r, const struct pair_result *p)
{
	return (double)(r->pair.shake == PAIR_STILL ? p->wanted_us : p->repaired_us) / 1e3;
}

static void print_trial(const struct run *r, unsigned long number, const struct pair_result *p)
{
	const struct pair_end *a = &p->end[0], *b = &p->end[1];

	if (!r->json) {
		printf("%s %lu: %s, a path after %.1f ms, the wanted one after %.1f ms "
		       "(%s/%s, %s/%s), echo %s%.1f ms, repaired after %.1f ms; "
		       "%llu+%llu packets; lab up in %.0f ms %s%s%s\n",
		       r->label, number, is_success(r, p) ? "success" : "failure",
		       (double)p->connected_us / 1e3, (double)p->wanted_us / 1e3, a->path,
		       b->path, a->rung, b->rung, p->echoed ? "" : "failed ",
		       (double)p->echo_us / 1e3, (double)p->repaired_us / 1e3,
		       (unsigned long long)a->packets,
		       (unsigned long long)b->packets, (double)p->up_us / 1e3, p->why, a->reason,
		       b->reason);
		fflush(stdout);
		return;
	}
	print_json(json_pack("{s:s, s:I, s:b, s:b, s:b, s:b, s:f, s:f, s:f, s:f, s:f, "
			     "s:[s,s], s:[s,s], s:[s,s], s:[I,I], s:[I,I], s:[I,I]}",
			     "pair", r->label, "trial", (json_int_t)number,
			     "connected", (int)p->connected, "wanted", (int)p->wanted,
			     "echoed", (int)p->echoed, "repaired", (int)p->repaired,
			     "repaired_ms", (double)p->repaired_us / 1e3,
			     "connected_ms", (double)p->connected_us / 1e3,
			     "wanted_ms", (double)p->wanted_us / 1e3,
			     "echo_ms", (double)p->echo_us / 1e3, "up_ms", (double)p->up_us / 1e3,
			     "path", a->path, b->path, "rung", a->rung, b->rung,
			     "reason", a->reason, b->reason,
			     "packets", (json_int_t)a->packets, (json_int_t)b->packets,
			     "ports", (json_int_t)a->ports, (json_int_t)b->ports,
			     "flows", (json_int_t)a->flows, (json_int_t)b->flows));
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double part(const double *sorted, unsigned long n, double p)
{
	return n ? sorted[(unsigned long)(p * (double)(n - 1) + 0.5)] : 0;
}

/* times: of the successes, in ms. */
static void print_sum(const struct run *r, double *times, unsigned long n)
{
	qsort(times, n, sizeof *times, compare);
	if (r->json)
		print_json(json_pack("{s:s, s:I, s:I, s:f, s:f, s:f}", "pair", r->label,
				     "trials", (json_int_t)r->trials, "successes", (json_int_t)n,
				     "median_ms", part(times, n, 0.5), "p95_ms",
				     part(times, n, 0.95), "worst_ms", part(times, n, 1)));
	else
		printf("%s: %lu of %lu, median %.1f ms, p95 %.1f ms, worst %.1f ms\n", r->label, n,
		       r->trials, part(times, n, 0.5), part(times, n, 0.95), part(times, n, 1));
}

static int run_all(struct run *r)
{
	double *times = calloc(r->trials ? r->trials : 1, sizeof *times);
	unsigned long successes = 0;
	int code = 0;

	if (!times)
		return 111;
	for (unsigned long i = 0; i < r->trials && code == 0; i++) {
		struct pair_result result;

		if (pair_run(&r->pair, &result) < 0) {
			fprintf(stderr, "lab: %s\n", result.why);
			code = 111;
			break;
		}
		print_trial(r, i, &result);
		if (is_success(r, &result))
			times[successes++] = success_ms(r, &result);
		r->pair.lab.core.link.seed++;
	}
	if (code == 0)
		print_sum(r, times, successes);
	free(times);
	return code ? code : successes == r->trials ? 0 : 1;
}

int main(int argc, char **argv)
{
	static struct run r = {
		.trials = 1,
		.pair = { .want = "direct", .log = -1, .signal_us = { 40000, 40000 },
			  .lab.core = { .box = true, .hops = 4, .link.delay_us = 10000 } },
	};
	const char *built = getenv("INTRO_BUILD");
	int c;

	snprintf(r.program, sizeof r.program, "%s/punch", built ? built : BUILD_DIR);
	while ((c = getopt_long(argc, argv, ":", options, NULL)) != -1) {
		if (c == OPT_HELP)
			return fputs(text, stdout) < 0;
		if (c == OPT_LIST)
			return list();
		if (c == ':' || c == '?' || !set_option(&r, c)) {
			fprintf(stderr, "lab: cannot understand %s; see --help\n",
				argv[optind - 1]);
			return 100;
		}
	}
	if (!r.label || optind < argc) {
		fprintf(stderr, "lab: wanted: --pair, and no more words; see --help\n");
		return 100;
	}
	r.pair.program = r.program;
	for (int i = 0; i < 2; i++)
		r.pair.signal_us[i] += r.slow_us[i];
	r.pair.more[0] = r.pair.more[1] = r.more;
	return run_all(&r);
}
