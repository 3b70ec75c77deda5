/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The program punch behind real NATs, one introduction each: whether there is the path that there
 * should be, and datagrams go through it. How often and how fast is the bench's to say (`lab`).
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "harness.h"
#include "pair.h"

/* Of the links to and from the core; signals take as long as they would by a server there. */
enum { DELAY_US = 10000, SIGNAL_US = 40000, HOPS = 4 };

/* No router here gives ports away, and the peers would be asking for seconds. */
static const char *const no_map[] = { "--no-map", NULL };

static struct pair_config pair_of(const char *name, const char *want,
				  char buf[static PAIR_NAME_BYTES])
{
	struct pair_config config = {
		.lab.core = { .box = true, .hops = HOPS, .link.delay_us = DELAY_US },
		.more = { no_map, no_map }, .want = want, .log = -1,
		.signal_us = { SIGNAL_US, SIGNAL_US },
	};

	if (pair_parse(name, &config.lab, buf) < 0)
		harness_fail("no pair: %s", name);
	return config;
}

static void expect_path(struct pair_config *config, const char *name)
{
	struct pair_result r;
	char program[PATH_BYTES];
	int error;

	program_path("punch", program);
	config->program = program;
	NEED(access("/dev/net/tun", R_OK | W_OK) == 0, "/dev/net/tun is not ours to open");
	error = pair_run(config, &r);
	NEED(error != -EPERM && error != -ENOSPC && error != -EUSERS, "%s", r.why);
	cr_assert_eq(error, 0, "%s: %s: %s", name, strerror(-error), r.why);
	harness_note("%s: %s by %s after %.1f ms (%llu and %llu packets)%s", name, r.end[0].path,
		    r.end[0].rung, (double)r.wanted_us / 1e3,
		    (unsigned long long)r.end[0].packets, (unsigned long long)r.end[1].packets,
		    r.why);
	cr_expect(r.wanted, "%s: %s and %s; %s, %s", name, r.end[0].path, r.end[1].path,
		  r.end[0].reason, r.end[1].reason);
	cr_expect(r.echoed, "%s: nothing came back", name);
	if (config->shake != PAIR_STILL) {
		harness_note("%s: repaired after %.1f ms", name, (double)r.repaired_us / 1e3);
		cr_expect(r.repaired, "%s: not repaired", name);
	}
}

static void expect_direct(const char *name)
{
	char buf[PAIR_NAME_BYTES];
	struct pair_config config = pair_of(name, "direct", buf);

	expect_path(&config, name);
}

/* As it is by default, asking routers that do not answer. */
TEST(pairs, easy_and_easy)
{
	static const char name[] = "preserve:preserve";
	char buf[PAIR_NAME_BYTES];
	struct pair_config config = pair_of(name, "direct", buf);

	config.more[0] = config.more[1] = NULL;
	expect_path(&config, name);
}

TEST(pairs, one_without_a_nat)
{
	expect_direct("none:fully-random");
}

TEST(pairs, firewall_and_hard)
{
	expect_direct("firewall:fully-random");
}

/* The ANSWER comes late: what B sent with it would have poisoned A's router. */
TEST(pairs, accepting_routers_and_a_late_answer)
{
	static const char name[] = "preserve+accept:preserve+accept";
	char buf[PAIR_NAME_BYTES];
	struct pair_config config = pair_of(name, "direct", buf);

	config.signal_us[LAB_A] = 160000;
	expect_path(&config, name);
}

TEST(pairs, cones)
{
	expect_direct("full-cone:restricted");
}

TEST(pairs, easy_and_hard)
{
	expect_direct("preserve:fully-random");
}

TEST(pairs, accepting_easy_and_hard)
{
	expect_direct("preserve+accept:fully-random");
}

TEST(pairs, hard_and_hard_by_low_ports)
{
	static const char name[] = "fully-random:fully-random";
	static const char *const more[] = { "--no-map", "--low-ports", NULL };
	char buf[PAIR_NAME_BYTES];
	struct pair_config config = pair_of(name, "direct", buf);

	config.more[0] = config.more[1] = more;
	expect_path(&config, name);
}

TEST(pairs, hard_and_hard_by_ipv6)
{
	static const char name[] = "fully-random:fully-random";
	char buf[PAIR_NAME_BYTES];
	struct pair_config config = pair_of(name, "direct", buf);

	config.lab.ipv6 = true;
	expect_path(&config, name);
}

TEST(pairs, easy_and_sequential)
{
	expect_direct("preserve:sequential");
}

TEST(pairs, both_sequential)
{
	expect_direct("sequential:sequential");
}

TEST(pairs, easy_and_block)
{
	expect_direct("preserve:@block");
}

TEST(pairs, easy_behind_a_carrier_that_is_easy)
{
	expect_direct("preserve/preserve:preserve");
}

TEST(pairs, hard_carrier_and_easy)
{
	expect_direct("preserve/fully-random:preserve");
}

TEST(pairs, same_carrier)
{
	expect_direct("same-carrier:preserve/@cone");
}

TEST(pairs, same_lan)
{
	static const char name[] = "same-lan:preserve";
	char buf[PAIR_NAME_BYTES];
	struct pair_config config = pair_of(name, "lan", buf);

	expect_path(&config, name);
}

TEST(pairs, relay_where_nothing_else_works)
{
	static const char name[] = "@hard:@hard";
	char buf[PAIR_NAME_BYTES];
	struct pair_config config = pair_of(name, "relayed", buf);

	config.relay = true;
	expect_path(&config, name);
}

TEST(pairs, router_restarts)
{
	static const char name[] = "preserve:preserve";
	char buf[PAIR_NAME_BYTES];
	struct pair_config config = pair_of(name, "direct", buf);

	config.shake = PAIR_REBIND;
	expect_path(&config, name);
}

TEST(pairs, host_moves)
{
	static const char name[] = "preserve:preserve";
	char buf[PAIR_NAME_BYTES];
	struct pair_config config = pair_of(name, "direct", buf);

	config.shake = PAIR_MOVE;
	expect_path(&config, name);
}

TEST(pair_name, is_understood)
{
	char buf[PAIR_NAME_BYTES];
	struct lab_config c = { 0 };

	cr_assert_eq(pair_parse("preserve/random+accept+limit=9:@block", &c, buf), 0);
	cr_expect_eq(c.side[0].nat, LAB_NAT_PRESERVE);
	cr_expect_eq(c.side[0].carrier, LAB_NAT_RANDOM);
	cr_expect(c.side[0].input_accept);
	cr_expect_eq(c.side[0].flows_max, 9);
	cr_expect_eq(c.side[1].nat, LAB_NAT_NONE);
	cr_expect_str_eq(c.side[1].user_nat, "block");
	cr_assert_eq(pair_parse("same-carrier:preserve/@cone", &c, buf), 0);
	cr_expect(c.same_carrier && !c.same_lan);
	cr_expect_str_eq(c.side[0].user_nat, "cone");
}

TEST(pair_name, that_means_nothing_is_refused)
{
	static const char *const names[] = {
		"", "preserve", ":", "preserve:", ":preserve", "nat:preserve", "preserve:@nat",
		"@cone/preserve:preserve", "preserve+:x", "preserve+limit=0:preserve",
		"preserve+limit=9x:preserve", "same-lan:", "preserve:preserve+deny",
	};

	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		char buf[PAIR_NAME_BYTES];
		struct lab_config c = { 0 };

		cr_expect_eq(pair_parse(names[i], &c, buf), -EINVAL, "\"%s\"", names[i]);
	}
}
