/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rows of report.h.
 */
#include "report.h"

#include <inttypes.h>
#include <stdlib.h>

void sim_report_init(struct sim_report *r, const struct sim_pair *pair, uint32_t trials)
{
	*r = (struct sim_report){ .pair = pair };
	r->took_us = sim_alloc(trials, sizeof *r->took_us);
	r->first_us = sim_alloc(trials, sizeof *r->first_us);
	r->survey_us = sim_alloc(trials, sizeof *r->survey_us);
	r->packets = sim_alloc(trials, sizeof *r->packets);
	r->ports = sim_alloc(trials, sizeof *r->ports);
}

void sim_report_free(struct sim_report *r)
{
	free(r->took_us);
	free(r->first_us);
	free(r->survey_us);
	free(r->packets);
	free(r->ports);
}

void sim_report_add(struct sim_report *r, uint64_t seed, const struct sim_result *result)
{
	uint32_t failures = r->trials - r->successes;

	r->survey_us[r->trials] = result->survey_us;
	r->packets[r->trials] = result->packets;
	r->ports[r->trials++] = result->ports;
	r->digest = r->digest * 31 + result->digest;
	if (result->success) {
		r->first_us[r->successes] = result->first_us;
		r->took_us[r->successes++] = result->took_us;
	} else if (failures < SIM_FAILED_SHOWN) {
		r->failed[failures] = seed;
	}
}

static int compare_u64(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

static int compare_u32(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

static void sort(struct sim_report *r)
{
	qsort(r->took_us, r->successes, sizeof *r->took_us, compare_u64);
	qsort(r->first_us, r->successes, sizeof *r->first_us, compare_u64);
	qsort(r->survey_us, r->trials, sizeof *r->survey_us, compare_u64);
	qsort(r->packets, r->trials, sizeof *r->packets, compare_u32);
	qsort(r->ports, r->trials, sizeof *r->ports, compare_u32);
}

/* In ms, of n sorted ones; 0 of none. */
static double quantile_ms(const uint64_t *sorted, uint32_t n, double q)
{
	uint32_t i = (uint32_t)(q * n);

	if (n == 0)
		return 0;
	return (double)sorted[i < n ? i : n - 1] / 1000;
}

static uint32_t quantile(const uint32_t *sorted, uint32_t n, double q)
{
	uint32_t i = (uint32_t)(q * n);

	return n == 0 ? 0 : sorted[i < n ? i : n - 1];
}

static uint32_t failures_shown(const struct sim_report *r)
{
	uint32_t n = r->trials - r->successes;

	return n < SIM_FAILED_SHOWN ? n : SIM_FAILED_SHOWN;
}

void sim_report_title(FILE *out)
{
	fprintf(out, "%-22s %7s %8s %9s %9s %9s %8s %9s %8s %7s  %s\n", "pair", "trials", "success",
		"median ms", "p90 ms", "p99 ms", "first ms", "survey ms", "packets", "ports", "failed seeds");
}

void sim_report_row(struct sim_report *r, FILE *out)
{
	sort(r);
	fprintf(out, "%-22s %7u %6.2f %% %9.1f %9.1f %9.1f %8.1f %9.1f %8u %7u ", r->pair->name,
		r->trials, r->trials ? 100.0 * r->successes / r->trials : 0,
		quantile_ms(r->took_us, r->successes, 0.5),
		quantile_ms(r->took_us, r->successes, 0.9),
		quantile_ms(r->took_us, r->successes, 0.99),
		quantile_ms(r->first_us, r->successes, 0.5),
		quantile_ms(r->survey_us, r->trials, 0.5), quantile(r->packets, r->trials, 0.5),
		quantile(r->ports, r->trials, 0.5));
	for (uint32_t i = 0; i < failures_shown(r); i++)
		fprintf(out, " %" PRIu64, r->failed[i]);
	fputc('\n', out);
	fflush(out);
}

void sim_report_json(struct sim_report *r, FILE *out)
{
	sort(r);
	fprintf(out, "{\"pair\":\"%s\",\"trials\":%u,\"successes\":%u,\"median_ms\":%.3f,"
		"\"p90_ms\":%.3f,\"p99_ms\":%.3f,\"first_median_ms\":%.3f,"
		"\"survey_median_ms\":%.3f,", r->pair->name,
		r->trials, r->successes, quantile_ms(r->took_us, r->successes, 0.5),
		quantile_ms(r->took_us, r->successes, 0.9),
		quantile_ms(r->took_us, r->successes, 0.99),
		quantile_ms(r->first_us, r->successes, 0.5),
		quantile_ms(r->survey_us, r->trials, 0.5));
	fprintf(out, "\"packets_median\":%u,\"packets_p90\":%u,\"ports_median\":%u,"
		"\"ports_p90\":%u,\"digest\":\"%016" PRIx64 "\",\"failed\":[",
		quantile(r->packets, r->trials, 0.5), quantile(r->packets, r->trials, 0.9),
		quantile(r->ports, r->trials, 0.5), quantile(r->ports, r->trials, 0.9), r->digest);
	for (uint32_t i = 0; i < failures_shown(r); i++)
		fprintf(out, "%s%" PRIu64, i ? "," : "", r->failed[i]);
	fputs("],\"took_us\":[", out);
	for (uint32_t i = 0; i < r->successes; i++)
		fprintf(out, "%s%" PRIu64, i ? "," : "", r->took_us[i]);
	fputs("]}\n", out);
	fflush(out);
}
