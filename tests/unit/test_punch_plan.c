/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which rung two NATs call for (libintro/punch/plan.h): both ends compute halves that fit.
 */
#include <math.h>
#include <stdlib.h>

#include "../../libintro/punch/etiquette.h"
#include "../../libintro/punch/plan.h"
#include "harness.h"

static const struct nat easy = { .mapping = NAT_MAPPING_ENDPOINT_INDEPENDENT };
static const struct nat public = { .mapping = NAT_MAPPING_NONE };
static const struct nat unknown;
static const struct nat random_ports = {
	.mapping = NAT_MAPPING_ADDRESS_PORT_DEPENDENT,
	.ports = NAT_PORTS_RANDOM,
	.set = { 1024, 65535, 1 },
	.addresses = 1,
};
static const struct nat block = {
	.mapping = NAT_MAPPING_ADDRESS_PORT_DEPENDENT,
	.ports = NAT_PORTS_BLOCK,
	.set = { 20480, 20991, 1 },
	.addresses = 1,
};
static const struct nat sequential = {
	.mapping = NAT_MAPPING_ADDRESS_PORT_DEPENDENT,
	.ports = NAT_PORTS_SEQUENTIAL,
	.step = 2,
	.last = 30000,
	.foreign = 20,
	.addresses = 1,
};
static const struct nat linux_random = {
	.mapping = NAT_MAPPING_ADDRESS_PORT_DEPENDENT,
	.ports = NAT_PORTS_RANDOM,
	.set = { 1024, 65535, 1 },
	.low_ports = NAT_YES,
	.addresses = 1,
};
static const struct nat pooled = {
	.mapping = NAT_MAPPING_ADDRESS_PORT_DEPENDENT,
	.ports = NAT_PORTS_RANDOM,
	.addresses = 2,
};

static struct plan plan_of(const struct nat *we, bool we_low, const struct nat *they,
			   bool they_low)
{
	struct plan_end a = { we, we_low }, b = { they, they_low };
	struct plan plan;

	plan_make(&plan, &a, &b);
	return plan;
}

TEST(punch_plan, each_half_fits_the_other)
{
	static const struct {
		const struct nat *a, *b;
		bool low;
		enum plan_kind of_a, of_b;
	} cases[] = {
		{ &easy, &easy, false, PLAN_CHECKS, PLAN_CHECKS },
		{ &easy, &public, false, PLAN_CHECKS, PLAN_CHECKS },
		{ &easy, &random_ports, false, PLAN_SWEEP, PLAN_FAN },
		{ &public, &block, false, PLAN_SWEEP, PLAN_FAN },
		{ &easy, &sequential, false, PLAN_WINDOW, PLAN_CHECKS },
		{ &sequential, &sequential, false, PLAN_FAN, PLAN_FAN },
		{ &block, &block, false, PLAN_GRID, PLAN_GRID },
		{ &linux_random, &linux_random, true, PLAN_GRID, PLAN_GRID },
		{ &linux_random, &linux_random, false, PLAN_RELAY, PLAN_RELAY },
		{ &random_ports, &random_ports, false, PLAN_RELAY, PLAN_RELAY },
		{ &random_ports, &sequential, false, PLAN_RELAY, PLAN_RELAY },
		{ &easy, &pooled, false, PLAN_RELAY, PLAN_RELAY },
		{ &unknown, &unknown, false, PLAN_RELAY, PLAN_RELAY },
	};

	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct plan a = plan_of(cases[i].a, cases[i].low, cases[i].b, cases[i].low);
		struct plan b = plan_of(cases[i].b, cases[i].low, cases[i].a, cases[i].low);

		cr_assert_eq(a.kind, cases[i].of_a, "case %zu", i);
		cr_assert_eq(b.kind, cases[i].of_b, "case %zu", i);
		if (a.first == PLAN_THEY_FIRST)
			cr_assert_eq(b.first, PLAN_WE_FIRST, "case %zu", i);
	}
}

TEST(punch_plan, a_sweep_goes_where_the_fan_is)
{
	struct plan fan = plan_of(&block, false, &easy, false);
	struct plan sweep = plan_of(&easy, false, &block, false);
	struct plan low = plan_of(&easy, false, &linux_random, true);

	cr_assert_eq(sweep.set.low, 20480);
	cr_assert_eq(sweep.set.high, 20991);
	cr_assert_leq(fan.sockets, 64);
	cr_assert_eq(low.set.low, 600);
	cr_assert_eq(low.set.high, 1023);
	cr_assert_eq(plan_of(&linux_random, true, &easy, false).bind, OUTPUT_BIND_LOW);
	cr_assert_eq(plan_of(&linux_random, false, &easy, false).bind, OUTPUT_BIND_ANY);
}

/* What etiquette allows is enough: the chance that N flows in K ports are met by M probes. */
TEST(punch_plan, sprays_meet_within_the_caps)
{
	static const struct {
		const struct nat *nat;
		double ports;
	} cases[] = { { &random_ports, 64512 }, { &block, 512 } };

	for (size_t i = 0; i < 2; i++) {
		struct plan fan = plan_of(cases[i].nat, false, &easy, false);
		struct plan sweep = plan_of(&easy, false, cases[i].nat, false);
		double miss = exp(-(double)fan.sockets * sweep.targets / cases[i].ports);

		cr_assert_lt(miss, 0.001);
		cr_assert_leq(sweep.targets, ETIQUETTE_PROBES);
		cr_assert_leq(fan.sockets, ETIQUETTE_FLOWS);
	}
	cr_assert_leq(plan_of(&linux_random, true, &linux_random, true).targets * 64,
		      ETIQUETTE_FLOWS);
}

TEST(punch_plan, a_window_begins_behind_the_last_port_and_is_wide_enough_for_others)
{
	struct plan plan = plan_of(&easy, false, &sequential, false);
	struct nat busy = sequential;

	cr_assert_eq(plan.from, 30000);
	cr_assert_eq(plan.step, 2);
	cr_assert_geq(plan.targets, 14, "20 ports a second for 300 ms, and their deviation");
	busy.foreign = 65535;
	cr_assert_leq(plan_of(&easy, false, &busy, false).targets, 64);
}

TEST(punch_plan, two_sequential_nats_meet_at_one_pair_of_ports)
{
	struct nat other = sequential;
	struct plan a, b;

	other.last = 50000;
	other.step = -1;
	a = plan_of(&sequential, false, &other, false);
	b = plan_of(&other, false, &sequential, false);
	cr_assert_eq(a.port, 50000 - 20);
	cr_assert_eq(b.port, 30000 + 40);
	cr_assert_gt(a.sockets, 20);
}
