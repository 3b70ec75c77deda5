/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The simulated NAT: RFC 4787's behaviours one by one, Linux's as they were measured, and the
 * ways in which real NATs run out.
 */
#include "../sim/nat.h"
#include "harness.h"

#define S UINT64_C(1000000)	/* µs */
#define MS UINT64_C(1000)

static struct address at(const char *text)
{
	struct address a;

	cr_assert_eq(address_parse(text, 0, &a), 0);
	return a;
}

static void assert_is(const struct address *a, struct address b)
{
	cr_assert(address_equal(a, &b));
}

static struct sim_nat *make(const char *name)
{
	struct address external = at("198.51.100.1");
	struct sim_nat_config c;

	cr_assert(sim_nat_named(name, &external, 7, &c));
	return sim_nat_new(&c);
}

static struct sim_packet packet(struct address from, struct address to)
{
	return (struct sim_packet){ .src = from, .dst = to, .ttl = SIM_TTL };
}

/* From inside; ret_external: as whom the remote sees it. */
static enum sim_verdict out(struct sim_nat *nat, uint64_t now, struct address from,
			    struct address to, struct address *ret_external)
{
	struct sim_packet p = packet(from, to);
	enum sim_verdict verdict = sim_nat_out(nat, now, &p);

	if (verdict == SIM_FORWARD)
		*ret_external = p.src;
	return verdict;
}

static uint16_t port(struct sim_nat *nat, uint64_t now, struct address from, struct address to)
{
	struct address external;

	cr_assert_eq(out(nat, now, from, to, &external), SIM_FORWARD);
	return external.port;
}

static enum sim_verdict in(struct sim_nat *nat, uint64_t now, struct address from,
			   struct address to)
{
	struct sim_packet p = packet(from, to);

	return sim_nat_in(nat, now, &p);
}

#define HOST at("192.168.1.2:40000")
#define OTHER at("192.168.1.3:40000")
#define REMOTE at("203.0.113.9:3478")
#define REMOTE_PORT at("203.0.113.9:3479")
#define REMOTE_IP at("203.0.113.10:3478")

static bool same_mapping(const char *name, struct address to)
{
	struct sim_nat *nat = make(name);
	bool same = port(nat, 0, HOST, REMOTE) == port(nat, 0, HOST, to);

	sim_nat_free(nat);
	return same;
}

TEST(sim_nat, maps_as_its_kind_does)
{
	static const struct {
		const char *name;
		bool other_port, other_ip;	/* the same external port for them? */
	} kinds[] = {
		{ "easy", true, true }, { "cone", true, true }, { "linux", true, true },
		{ "address", true, false }, { "hard", false, false }, { "block", false, false },
		{ "sequential", false, false }, { "linux-random", false, false },
	};

	for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
		cr_assert_eq(same_mapping(kinds[i].name, REMOTE_PORT), kinds[i].other_port, "%s",
			     kinds[i].name);
		cr_assert_eq(same_mapping(kinds[i].name, REMOTE_IP), kinds[i].other_ip, "%s",
			     kinds[i].name);
	}
}

static bool lets_in(const char *name, struct address from)
{
	struct sim_nat *nat = make(name);
	struct address external;
	enum sim_verdict verdict;

	cr_assert_eq(out(nat, 0, HOST, REMOTE, &external), SIM_FORWARD);
	verdict = in(nat, 0, from, external);
	sim_nat_free(nat);
	cr_assert(verdict == SIM_FORWARD || verdict == SIM_DROP_FILTERED ||
		  verdict == SIM_DROP_UNSOLICITED);
	return verdict == SIM_FORWARD;
}

TEST(sim_nat, filters_as_its_kind_does)
{
	static const struct {
		const char *name;
		bool other_port, other_ip;	/* are they let in? */
	} kinds[] = {
		{ "cone", true, true }, { "restricted", true, false }, { "easy", false, false },
		{ "hard", false, false }, { "address", false, false }, { "linux", false, false },
	};

	for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
		cr_assert(lets_in(kinds[i].name, REMOTE));
		cr_assert_eq(lets_in(kinds[i].name, REMOTE_PORT), kinds[i].other_port, "%s",
			     kinds[i].name);
		cr_assert_eq(lets_in(kinds[i].name, REMOTE_IP), kinds[i].other_ip, "%s",
			     kinds[i].name);
	}
}

TEST(sim_nat, translates_both_ways)
{
	struct sim_nat *nat = make("hard");
	struct sim_packet p = packet(HOST, REMOTE);
	struct address external;

	cr_assert_eq(sim_nat_out(nat, 0, &p), SIM_FORWARD);
	cr_assert(sim_nat_owns(nat, &p.src));
	assert_is(&p.dst, REMOTE);
	cr_assert_eq(p.ttl, SIM_TTL - 1);
	external = p.src;
	p = packet(REMOTE, external);
	cr_assert_eq(sim_nat_in(nat, 0, &p), SIM_FORWARD);
	assert_is(&p.dst, HOST);
	assert_is(&p.src, REMOTE);
	cr_assert_eq(p.ttl, SIM_TTL - 1);
	sim_nat_free(nat);
}

TEST(sim_nat, opens_nothing_for_a_packet_whose_ttl_ends)
{
	struct sim_nat *nat = make("linux");
	struct sim_packet p = packet(HOST, REMOTE);

	p.ttl = 1;
	cr_assert_eq(sim_nat_out(nat, 0, &p), SIM_DROP_TTL);
	cr_assert_eq(sim_nat_flows(nat), 0);
	p.ttl = 2;
	cr_assert_eq(sim_nat_out(nat, 0, &p), SIM_FORWARD);
	cr_assert_eq(p.ttl, 1);
	cr_assert_eq(sim_nat_flows(nat), 1);
	sim_nat_free(nat);
}

/* ---- ports */

/* Ports that so many sockets get, from internal port `from` on. */
static void take_ports(const char *name, uint16_t from, size_t n, uint16_t *ret)
{
	struct sim_nat *nat = make(name);
	struct address host = HOST;

	for (size_t i = 0; i < n; i++) {
		host.port = (uint16_t)(from + i);
		ret[i] = port(nat, 0, host, REMOTE);
	}
	sim_nat_free(nat);
}

TEST(sim_nat, chooses_ports_as_its_kind_does)
{
	uint16_t ports[400];
	bool moved = false;

	take_ports("easy", 40000, 400, ports);
	for (unsigned int i = 0; i < 400; i++)
		cr_assert_eq(ports[i], 40000 + i);
	take_ports("sequential", 40000, 400, ports);
	for (unsigned int i = 1; i < 400; i++)
		cr_assert(ports[i] == ports[i - 1] + 1 || ports[i] == 1024);
	take_ports("block", 40000, 400, ports);
	for (unsigned int i = 0; i < 400; i++)
		cr_assert(ports[i] >= 20480 && ports[i] < 20480 + 512);
	take_ports("parity", 40000, 400, ports);
	for (unsigned int i = 0; i < 400; i++)
		cr_assert_eq(ports[i] % 2, i % 2);
	take_ports("linux-random", 600, 400, ports);
	for (unsigned int i = 0; i < 400; i++) {
		cr_assert(ports[i] >= 600 && ports[i] <= 1023);
		moved |= ports[i] != 600 + i;
	}
	cr_assert(moved);
	take_ports("linux-random", 100, 400, ports);
	for (unsigned int i = 0; i < 400; i++)
		cr_assert(ports[i] >= 1 && ports[i] <= 511);
	take_ports("linux-random", 40000, 400, ports);
	for (unsigned int i = 0; i < 400; i++)
		cr_assert_geq(ports[i], 1024);
}

TEST(sim_nat, gives_no_port_twice_and_runs_out)
{
	struct sim_nat *nat = make("block");
	struct address host = HOST, external;
	bool taken[512] = { false };

	for (uint16_t i = 0; i < 512; i++) {
		host.port = (uint16_t)(10000 + i);
		cr_assert_eq(out(nat, 0, host, REMOTE, &external), SIM_FORWARD);
		cr_assert(!taken[external.port - 20480]);
		taken[external.port - 20480] = true;
	}
	host.port = 9999;
	cr_assert_eq(out(nat, 0, host, REMOTE, &external), SIM_DROP_PORTS);
	/* The next host has a block of its own. */
	cr_assert_geq(port(nat, 0, OTHER, REMOTE), 20480 + 512);
	sim_nat_free(nat);
}

TEST(sim_nat, steps_down_and_around)
{
	struct address external = at("198.51.100.1"), host = HOST;
	struct sim_nat_config c;
	struct sim_nat *nat;

	cr_assert(sim_nat_named("sequential", &external, 1, &c));
	c.step = -4;
	c.start = 1030;
	nat = sim_nat_new(&c);
	cr_assert_eq(port(nat, 0, host, REMOTE), 1030);
	cr_assert_eq(port(nat, 0, host, REMOTE_PORT), 1026);
	cr_assert_eq(port(nat, 0, host, REMOTE_IP), 65534);
	sim_nat_free(nat);
}

TEST(sim_nat, others_take_ports_too)
{
	struct sim_nat *nat = make("busy");
	unsigned int first = port(nat, 0, HOST, REMOTE), last = port(nat, 100 * S, OTHER, REMOTE);
	unsigned int taken = (last + 64512 - first) % 64512 - 1;

	/* 2000 on average, with a deviation of 45. */
	cr_assert(taken > 1700 && taken < 2300, "%u", taken);
	sim_nat_free(nat);
}

TEST(sim_nat, falls_back_where_a_port_cannot_be_kept)
{
	struct sim_nat *nat = make("easy");

	cr_assert_eq(port(nat, 0, HOST, REMOTE), 40000);
	cr_assert_neq(port(nat, 0, OTHER, REMOTE_IP), 40000);
	sim_nat_free(nat);
}

TEST(sim_nat, pools_its_addresses_as_told)
{
	struct sim_nat *nat = make("carrier");
	struct sim_nat_config c = *sim_nat_config(nat);
	struct address host = HOST, first, external;
	bool other = false;

	cr_assert_eq(out(nat, 0, host, REMOTE, &first), SIM_FORWARD);
	for (host.port = 1; host.port < 64; host.port++) {
		cr_assert_eq(out(nat, 0, host, REMOTE, &external), SIM_FORWARD);
		cr_assert(address_same_ip(&first, &external));
	}
	cr_assert_eq(out(nat, 0, OTHER, REMOTE, &external), SIM_FORWARD);
	cr_assert(!address_same_ip(&first, &external));
	sim_nat_free(nat);
	c.arbitrary = true;
	nat = sim_nat_new(&c);
	for (host.port = 1; host.port < 64; host.port++) {
		cr_assert_eq(out(nat, 0, host, REMOTE, &external), SIM_FORWARD);
		other |= !address_same_ip(&first, &external);
	}
	cr_assert(other);
	sim_nat_free(nat);
}

/* ---- hairpin */

TEST(sim_nat, hairpins_with_the_external_source)
{
	struct sim_nat *nat = make("cone");
	struct address external;
	struct sim_packet p;

	cr_assert_eq(out(nat, 0, HOST, REMOTE, &external), SIM_FORWARD);
	p = packet(OTHER, external);
	cr_assert_eq(sim_nat_out(nat, 0, &p), SIM_HAIRPIN);
	assert_is(&p.dst, HOST);
	cr_assert(sim_nat_owns(nat, &p.src));
	sim_nat_free(nat);
	nat = make("linux");
	cr_assert_eq(out(nat, 0, HOST, REMOTE, &external), SIM_FORWARD);
	p = packet(OTHER, external);
	cr_assert_eq(sim_nat_out(nat, 0, &p), SIM_DROP_HAIRPIN);
	cr_assert_eq(sim_nat_flows(nat), 1);
	sim_nat_free(nat);
}

/* ---- Linux */

TEST(sim_nat, two_hosts_keep_one_port_where_the_tuple_is_free)
{
	struct sim_nat *nat = make("linux");
	uint16_t moved;

	cr_assert_eq(port(nat, 0, HOST, REMOTE), 40000);
	cr_assert_eq(port(nat, 0, OTHER, REMOTE_IP), 40000);
	moved = port(nat, 0, OTHER, REMOTE);
	cr_assert_neq(moved, 40000);
	/* Newer remotes see the port that it was given last, older ones what they saw before: one
	 * socket has two external ports. */
	cr_assert_eq(port(nat, 0, OTHER, at("203.0.113.11:3478")), moved);
	cr_assert_eq(port(nat, 0, OTHER, REMOTE_IP), 40000);
	cr_assert_eq(port(nat, 0, OTHER, REMOTE), moved);
	sim_nat_free(nat);
}

#define A_SEEN at("198.51.100.1:40000")
#define B_SEEN at("198.51.100.2:40000")

/* Two such NATs, a host behind each; A sends first and then each 20 ms, B from skew on; one way
 * takes 20 ms. Whether something got through to a host within 12 s; ret: as whom B is seen. */
static bool meet(const char *name, uint64_t skew, struct address *ret_b)
{
	struct sim_nat *a = make(name), *b;
	struct sim_nat_config c = *sim_nat_config(a);
	struct address a_as = A_SEEN;
	bool met = false;

	c.external[0] = at("198.51.100.2");
	b = sim_nat_new(&c);
	*ret_b = B_SEEN;
	for (uint64_t now = 0; now < 12 * S && !met; now += 20 * MS) {
		/* What was sent 20 ms ago arrives. */
		if (now > 0)
			met |= in(b, now, a_as, B_SEEN) == SIM_FORWARD;
		if (now > skew)
			met |= in(a, now, *ret_b, A_SEEN) == SIM_FORWARD;
		cr_assert_eq(out(a, now, HOST, B_SEEN, &a_as), SIM_FORWARD);
		cr_assert_eq(a_as.port, 40000);
		if (now >= skew)
			cr_assert_eq(out(b, now, HOST, A_SEEN, ret_b), SIM_FORWARD);
	}
	sim_nat_free(a);
	sim_nat_free(b);
	return met;
}

TEST(sim_nat, is_poisoned_by_who_comes_before_our_own)
{
	struct address b;

	cr_assert(!meet("linux-accept", 60 * MS, &b));
	cr_assert_neq(b.port, 40000);
	cr_assert(meet("linux", 60 * MS, &b));
	cr_assert_eq(b.port, 40000);
	/* Simultaneous: nobody comes before. */
	cr_assert(meet("linux-accept", 0, &b));
	cr_assert_eq(b.port, 40000);
}

TEST(sim_nat, poison_lasts_while_it_is_fed)
{
	struct sim_nat *nat = make("linux-accept");

	for (uint64_t now = 0; now < 100 * S; now += 29 * S)
		cr_assert_eq(in(nat, now, B_SEEN, A_SEEN), SIM_DROP_POISON);
	cr_assert_neq(port(nat, 116 * S, HOST, B_SEEN), 40000);
	/* Other remotes are not concerned. */
	cr_assert_eq(port(nat, 116 * S, OTHER, REMOTE), 40000);
	sim_nat_free(nat);
	nat = make("linux-accept");
	cr_assert_eq(in(nat, 0, B_SEEN, A_SEEN), SIM_DROP_POISON);
	cr_assert_eq(port(nat, 31 * S, HOST, B_SEEN), 40000);
	sim_nat_free(nat);
}

TEST(sim_nat, poison_comes_with_any_ttl)
{
	struct sim_nat *nat = make("linux-accept");
	struct sim_packet p = packet(B_SEEN, A_SEEN);

	p.ttl = 1;
	cr_assert_eq(sim_nat_in(nat, 0, &p), SIM_DROP_POISON);
	cr_assert_neq(port(nat, 0, HOST, B_SEEN), 40000);
	sim_nat_free(nat);
}

/* ---- time */

/* One packet out, `replies` packets in and one more each way at active_us; whether the remote
 * still gets in after silence. */
static bool lasts(const char *name, unsigned int replies, uint64_t active, uint64_t silence)
{
	struct sim_nat *nat = make(name);
	struct address external;
	enum sim_verdict verdict;

	cr_assert_eq(out(nat, 0, HOST, REMOTE, &external), SIM_FORWARD);
	for (unsigned int i = 0; i < replies; i++)
		cr_assert_eq(in(nat, 0, REMOTE, external), SIM_FORWARD);
	if (active > 0) {
		cr_assert_eq(out(nat, active, HOST, REMOTE, &external), SIM_FORWARD);
		cr_assert_eq(in(nat, active, REMOTE, external), SIM_FORWARD);
	}
	verdict = in(nat, active + silence, REMOTE, external);
	sim_nat_free(nat);
	return verdict == SIM_FORWARD;
}

TEST(sim_nat, forgets_in_linuxs_time)
{
	cr_assert(lasts("linux", 0, 0, 29 * S));
	cr_assert(!lasts("linux", 0, 0, 31 * S));
	cr_assert(lasts("linux", 1, 0, 29 * S));
	cr_assert(!lasts("linux", 1, 0, 31 * S));
	/* Both ways, but not beyond 2 s. */
	cr_assert(!lasts("linux", 1, 1 * S, 31 * S));
	cr_assert(lasts("linux", 1, 3 * S, 118 * S));
	cr_assert(!lasts("linux", 1, 3 * S, 122 * S));
	cr_assert(!lasts("hard", 1, 3 * S, 122 * S));
}

TEST(sim_nat, calls_nothing_a_stream_that_goes_one_way)
{
	struct sim_nat *nat = make("linux");
	struct address external;

	cr_assert_eq(out(nat, 0, HOST, REMOTE, &external), SIM_FORWARD);
	cr_assert_eq(out(nat, 3 * S, HOST, REMOTE, &external), SIM_FORWARD);
	cr_assert_eq(in(nat, 34 * S, REMOTE, external), SIM_DROP_UNSOLICITED);
	sim_nat_free(nat);
}

TEST(sim_nat, refreshes_for_outbound_only_if_told)
{
	struct sim_nat *nat = make("easy");
	struct sim_nat_config c = *sim_nat_config(nat);
	struct address external;

	cr_assert_eq(out(nat, 0, HOST, REMOTE, &external), SIM_FORWARD);
	cr_assert_eq(in(nat, 29 * S, REMOTE, external), SIM_FORWARD);
	cr_assert_eq(in(nat, 58 * S, REMOTE, external), SIM_FORWARD);
	sim_nat_free(nat);
	c.outbound_refresh = true;
	nat = sim_nat_new(&c);
	cr_assert_eq(out(nat, 0, HOST, REMOTE, &external), SIM_FORWARD);
	cr_assert_eq(in(nat, 29 * S, REMOTE, external), SIM_FORWARD);
	cr_assert_eq(in(nat, 31 * S, REMOTE, external), SIM_DROP_UNSOLICITED);
	sim_nat_free(nat);
}

TEST(sim_nat, a_reboot_forgets_everything)
{
	struct sim_nat *nat = make("easy");
	struct address external, moved = at("198.51.100.77");

	cr_assert_eq(out(nat, 0, HOST, REMOTE, &external), SIM_FORWARD);
	sim_nat_reboot(nat, NULL);
	cr_assert_eq(sim_nat_flows(nat), 0);
	cr_assert_eq(in(nat, 0, REMOTE, external), SIM_DROP_UNSOLICITED);
	sim_nat_reboot(nat, &moved);
	cr_assert_eq(out(nat, 0, HOST, REMOTE, &external), SIM_FORWARD);
	cr_assert(address_same_ip(&external, &moved));
	sim_nat_free(nat);
}

/* ---- limits */

static unsigned int open_many(struct sim_nat *nat, uint64_t from, uint64_t apart, unsigned int n,
			      enum sim_verdict otherwise)
{
	struct address host = HOST, external;
	enum sim_verdict verdict;
	unsigned int opened = 0;

	for (unsigned int i = 0; i < n; i++) {
		host.port = (uint16_t)(10000 + i);
		verdict = out(nat, from + i * apart, host, REMOTE, &external);
		cr_assert(verdict == SIM_FORWARD || verdict == otherwise);
		opened += verdict == SIM_FORWARD;
	}
	return opened;
}

TEST(sim_nat, limits_the_flows_of_a_host)
{
	struct sim_nat *nat = make("limited");
	struct sim_nat_config c = *sim_nat_config(nat);
	struct address host = HOST, external, other;

	cr_assert_eq(open_many(nat, 0, 0, 300, SIM_DROP_LIMIT), 128);
	cr_assert_eq(sim_nat_flows(nat), 128);
	/* Not those of others, and not for ever. */
	cr_assert_eq(out(nat, 0, OTHER, REMOTE, &external), SIM_FORWARD);
	cr_assert_eq(open_many(nat, 31 * S, 0, 300, SIM_DROP_LIMIT), 128);
	sim_nat_free(nat);

	c.full = SIM_FULL_EVICT;
	nat = sim_nat_new(&c);
	host.port = 10000;
	cr_assert_eq(open_many(nat, 0, 0, 128, SIM_DROP_LIMIT), 128);
	cr_assert_eq(out(nat, 0, host, REMOTE, &external), SIM_FORWARD);
	cr_assert_eq(out(nat, 0, HOST, REMOTE, &other), SIM_FORWARD);
	cr_assert_eq(sim_nat_flows(nat), 128);
	/* The one that was used last is not the one that went. */
	cr_assert_eq(in(nat, 0, REMOTE, external), SIM_FORWARD);
	sim_nat_free(nat);
}

TEST(sim_nat, guards_against_floods)
{
	struct sim_nat *nat = make("guarded");
	struct sim_nat_config c = *sim_nat_config(nat);
	struct address first = HOST, external;

	cr_assert_eq(out(nat, 0, first, REMOTE, &external), SIM_FORWARD);
	cr_assert_eq(open_many(nat, 0, 0, 300, SIM_DROP_FLOOD), 199);
	/* What is open goes on; new ones do not until a second after the last attempt too many. */
	cr_assert_eq(in(nat, 0, REMOTE, external), SIM_FORWARD);
	cr_assert_eq(out(nat, 999 * MS, OTHER, REMOTE, &external), SIM_FORWARD);
	cr_assert_eq(out(nat, 999 * MS, first, REMOTE_IP, &external), SIM_DROP_FLOOD);
	cr_assert_eq(out(nat, 2001 * MS, first, REMOTE_IP, &external), SIM_FORWARD);
	sim_nat_free(nat);

	/* Who goes on with 1000 a second stays silenced; 100 a second are no flood. */
	nat = sim_nat_new(&c);
	cr_assert_eq(open_many(nat, 0, 1 * MS, 5000, SIM_DROP_FLOOD), 200);
	sim_nat_free(nat);
	nat = sim_nat_new(&c);
	cr_assert_eq(open_many(nat, 0, 10 * MS, 500, SIM_DROP_FLOOD), 500);
	sim_nat_free(nat);

	c.guard = SIM_GUARD_ALL;
	nat = sim_nat_new(&c);
	cr_assert_eq(out(nat, 0, first, REMOTE, &external), SIM_FORWARD);
	cr_assert_eq(open_many(nat, 0, 0, 300, SIM_DROP_FLOOD), 199);
	cr_assert_eq(in(nat, 0, REMOTE, external), SIM_DROP_FLOOD);
	sim_nat_free(nat);
}

TEST(sim_nat, stays_quick_with_many_flows)
{
	struct sim_nat *nat = make("hard");
	struct address host = HOST, external;

	for (unsigned int i = 0; i < 64512; i++) {
		host.port = (uint16_t)(1024 + i);
		cr_assert_eq(out(nat, i, host, REMOTE, &external), SIM_FORWARD);
	}
	cr_assert_eq(sim_nat_flows(nat), 64512);
	cr_assert_eq(out(nat, S, OTHER, REMOTE, &external), SIM_DROP_PORTS);
	cr_assert_eq(out(nat, 60 * S, OTHER, REMOTE, &external), SIM_FORWARD);
	cr_assert_eq(sim_nat_flows(nat), 1);
	sim_nat_free(nat);
}
