/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The simulated world: time in order, packets that arrive where they should, and the same trace
 * for the same seed.
 */
#include <errno.h>

#include "../sim/world.h"
#include "harness.h"

#define MS UINT64_C(1000)	/* µs */

static struct address at(const char *text)
{
	struct address a;

	cr_assert_eq(address_parse(text, 0, &a), 0);
	return a;
}

/* A server in the core, and two hosts on one LAN behind a NAT. */
struct town {
	struct sim_world *world;
	struct sim_net *core, *lan;
	struct sim_box *server, *nat, *host[2];
	struct sim_plug *plug[2];
	struct sim_socket *socket[3];	/* the hosts', the server's */
	struct {
		unsigned int n;
		struct address from;
		uint64_t at_us;
		size_t len;
	} got[3];
	enum sim_verdict last;
};

static void note(void *arg, const struct sim_step *step)
{
	((struct town *)arg)->last = step->verdict;
}

static void receive(void *arg, struct sim_socket *socket, const struct address *from,
		    const uint8_t *bytes, size_t len)
{
	struct town *t = arg;
	int who = 0;

	while (t->socket[who] != socket)
		who++;
	t->got[who].n++;
	t->got[who].from = *from;
	t->got[who].at_us = sim_world_now(t->world);
	t->got[who].len = len;
	/* The server echoes. */
	if (who == 2)
		sim_socket_send(socket, from, 0, bytes, len);
}

static struct sim_socket *open_socket(struct town *t, struct sim_box *host, const char *local)
{
	struct address a = at(local);
	struct sim_socket *s;

	cr_assert_eq(sim_socket_open(host, &a, OUTPUT_BIND_ANY, receive, t, &s), 0);
	return s;
}

static void build(struct town *t, const char *kind, uint64_t seed,
		  const struct sim_link_config *link)
{
	struct address external = at("198.51.100.1"), inside = at("192.168.1.1"),
		       server = at("203.0.113.1");
	struct address hosts[2] = { at("192.168.1.2"), at("192.168.1.3") };
	struct sim_nat_config c;

	*t = (struct town){ .world = sim_world_new(seed) };
	sim_world_watch(t->world, note, t);
	t->core = sim_net_add(t->world, 6);
	t->lan = sim_net_add(t->world, 0);
	t->server = sim_host_add(t->world);
	sim_plug_add(t->server, t->core, &server, 1, link, link);
	cr_assert(sim_nat_named(kind, &external, seed, &c));
	t->nat = sim_nat_add(t->world, &c);
	sim_plug_add(t->nat, t->lan, &inside, 1, NULL, NULL);
	sim_plug_add(t->nat, t->core, c.external, c.externals, link, link);
	for (int i = 0; i < 2; i++) {
		t->host[i] = sim_host_add(t->world);
		t->plug[i] = sim_plug_add(t->host[i], t->lan, &hosts[i], 1, NULL, NULL);
		t->socket[i] = open_socket(t, t->host[i], "0.0.0.0:40000");
	}
	t->socket[2] = open_socket(t, t->server, "203.0.113.1:3478");
}

static const struct sim_link_config ten_ms = { .delay_us = 10000 };

static void send_text(struct town *t, int who, const char *to, uint8_t ttl)
{
	struct address a = at(to);

	sim_socket_send(t->socket[who], &a, ttl, "hello", 5);
}

TEST(sim_world, carries_there_and_back)
{
	struct address seen = at("198.51.100.1:40000"), server = at("203.0.113.1:3478");
	struct town t;

	build(&t, "easy", 1, &ten_ms);
	send_text(&t, 0, "203.0.113.1:3478", 0);
	sim_world_run(t.world, UINT64_MAX, NULL, NULL);
	cr_assert_eq(t.got[2].n, 1);
	cr_assert_eq(t.got[2].len, 5);
	cr_assert_eq(t.got[2].at_us, 20 * MS);
	cr_assert(address_equal(&t.got[2].from, &seen));
	cr_assert_eq(t.got[0].n, 1);
	cr_assert_eq(t.got[0].at_us, 40 * MS);
	cr_assert(address_equal(&t.got[0].from, &server));
	cr_assert_eq(t.got[1].n, 0);
	sim_world_free(t.world);
}

TEST(sim_world, takes_the_short_way_in_a_lan)
{
	struct address first = at("192.168.1.2:40000");
	struct town t;

	build(&t, "easy", 1, &ten_ms);
	send_text(&t, 0, "192.168.1.3:40000", 1);
	sim_world_run(t.world, UINT64_MAX, NULL, NULL);
	cr_assert_eq(t.got[1].n, 1);
	cr_assert_eq(t.got[1].at_us, 0);
	cr_assert(address_equal(&t.got[1].from, &first));
	sim_world_free(t.world);
}

/* 1 at the NAT, 6 in the core. */
TEST(sim_world, ends_what_has_no_ttl_left)
{
	struct town t;

	build(&t, "easy", 1, &ten_ms);
	send_text(&t, 0, "203.0.113.1:3478", 7);
	sim_world_run(t.world, UINT64_MAX, NULL, NULL);
	cr_assert_eq(t.last, SIM_DROP_TTL);
	cr_assert_eq(t.got[2].n, 0);
	send_text(&t, 0, "203.0.113.1:3478", 8);
	sim_world_run(t.world, UINT64_MAX, NULL, NULL);
	cr_assert_eq(t.got[2].n, 1);
	sim_world_free(t.world);
}

TEST(sim_world, says_why_something_does_not_arrive)
{
	struct town t;

	build(&t, "easy", 1, &ten_ms);
	send_text(&t, 0, "203.0.113.1:3479", 0);
	sim_world_run(t.world, UINT64_MAX, NULL, NULL);
	cr_assert_eq(t.last, SIM_DROP_CLOSED);
	send_text(&t, 0, "203.0.113.2:3478", 0);
	sim_world_run(t.world, UINT64_MAX, NULL, NULL);
	cr_assert_eq(t.last, SIM_DROP_ROUTE);
	send_text(&t, 2, "198.51.100.1:555", 0);
	sim_world_run(t.world, UINT64_MAX, NULL, NULL);
	cr_assert_eq(t.last, SIM_DROP_UNSOLICITED);
	sim_world_free(t.world);
}

TEST(sim_world, hairpins_through_a_nat)
{
	struct address external = at("198.51.100.1:40000");
	struct town t;

	build(&t, "cone", 1, &ten_ms);
	send_text(&t, 0, "203.0.113.1:3478", 0);
	sim_world_run(t.world, UINT64_MAX, NULL, NULL);
	t.got[0].n = 0;
	send_text(&t, 1, "198.51.100.1:40000", 0);
	sim_world_run(t.world, UINT64_MAX, NULL, NULL);
	cr_assert_eq(t.got[0].n, 1);
	cr_assert(address_same_ip(&t.got[0].from, &external));
	sim_world_free(t.world);
}

TEST(sim_world, reboots_and_moves)
{
	struct address elsewhere = at("198.51.100.99"), moved = at("192.168.1.77"), none[1];
	struct town t;

	build(&t, "easy", 1, &ten_ms);
	send_text(&t, 0, "203.0.113.1:3478", 0);
	sim_world_run(t.world, 20 * MS, NULL, NULL);
	cr_assert_eq(t.got[2].n, 1);
	sim_box_reboot(t.nat, &elsewhere);
	sim_world_run(t.world, UINT64_MAX, NULL, NULL);
	cr_assert_eq(t.got[0].n, 0);	/* the echo went to the address that is no more */
	cr_assert_eq(t.last, SIM_DROP_ROUTE);
	send_text(&t, 0, "203.0.113.1:3478", 0);
	sim_world_run(t.world, UINT64_MAX, NULL, NULL);
	cr_assert(address_same_ip(&t.got[2].from, &elsewhere));
	cr_assert_eq(t.got[0].n, 1);

	sim_plug_readdress(t.plug[0], &moved, 1);
	cr_assert_eq(sim_box_addresses(t.host[0], none, 1), 1);
	cr_assert(address_equal(&none[0], &moved));
	send_text(&t, 0, "192.168.1.3:40000", 0);
	sim_world_run(t.world, UINT64_MAX, NULL, NULL);
	cr_assert(address_same_ip(&t.got[1].from, &moved));
	sim_world_free(t.world);
}

TEST(sim_world, binds_as_asked)
{
	struct address any = { .family = 4 }, taken = at("0.0.0.0:40000"), local;
	struct sim_socket *s;
	struct town t;

	build(&t, "easy", 1, NULL);
	cr_assert_eq(sim_socket_open(t.host[0], &taken, OUTPUT_BIND_ANY, receive, &t, &s),
		     -EADDRINUSE);
	cr_assert_eq(sim_socket_open(t.host[0], &any, OUTPUT_BIND_LOW, receive, &t, &s), -EACCES);
	sim_box_privilege(t.host[0], true);
	for (int i = 0; i < 100; i++) {
		cr_assert_eq(sim_socket_open(t.host[0], &any, OUTPUT_BIND_LOW, receive, &t, &s), 0);
		sim_socket_local(s, &local);
		cr_assert(local.port >= 512 && local.port < 1024);
		cr_assert_eq(sim_socket_open(t.host[0], &any, OUTPUT_BIND_EVEN, receive, &t, &s),
			     0);
		sim_socket_local(s, &local);
		cr_assert(local.port % 2 == 0 && local.port > 1023);
	}
	sim_socket_close(t.socket[0]);
	cr_assert_eq(sim_socket_open(t.host[0], &taken, OUTPUT_BIND_ANY, receive, &t, &s), 0);
	sim_socket_local(s, &local);
	cr_assert_eq(local.port, 40000);
	cr_assert_eq(local.ip[3], 2);
	sim_world_free(t.world);
}

struct order {
	struct sim_world *world;
	uint64_t last, calls;
};

static void check_order(void *arg)
{
	struct order *o = arg;

	cr_assert_geq(sim_world_now(o->world), o->last);
	o->last = sim_world_now(o->world);
	if (o->calls++ < 20000)
		sim_world_at(o->world, o->last + sim_rng_below(sim_world_rng(o->world), 1000),
			     check_order, o);
}

TEST(sim_world, happens_in_order)
{
	struct order o = { .world = sim_world_new(3) };

	for (unsigned int i = 0; i < 1000; i++)
		sim_world_at(o.world, sim_rng_below(sim_world_rng(o.world), 5000), check_order, &o);
	sim_world_run(o.world, UINT64_MAX, NULL, NULL);
	cr_assert_eq(o.calls, 21000);
	sim_world_free(o.world);
}

static uint64_t play(uint64_t seed)
{
	struct sim_link_config bad = { .delay_us = 5000, .jitter_us = 5000, .loss = 0.1,
				       .duplicate = 0.05, .reorder = 0.1, .reorder_us = 3000 };
	struct address server = at("203.0.113.1:3478"), any = { .family = 4 };
	struct sim_socket *s;
	struct town t;
	uint64_t digest;

	build(&t, "hard", seed, &bad);
	for (int i = 0; i < 50; i++) {
		send_text(&t, i % 2, "203.0.113.1:3478", 0);
		cr_assert_eq(sim_socket_open(t.host[0], &any, OUTPUT_BIND_ANY, receive, &t, &s), 0);
		sim_socket_send(s, &server, 7, &i, sizeof i);
		sim_socket_close(s);
	}
	sim_world_run(t.world, UINT64_MAX, NULL, NULL);
	digest = sim_world_digest(t.world);
	sim_world_free(t.world);
	return digest;
}

TEST(sim_world, is_decided_by_its_seed)
{
	uint64_t digest = play(1);

	cr_assert_eq(play(1), digest);
	cr_assert_neq(play(2), digest);
	cr_assert_neq(play(2), play(3));
}

/* Which of 64 packets arrive. */
static uint64_t arrivals(uint64_t seed)
{
	struct sim_link_config lossy = { .loss = 0.3 };
	uint64_t pattern = 0;
	struct town t;

	build(&t, "easy", seed, &lossy);
	for (int i = 0; i < 64; i++) {
		t.got[2].n = 0;
		send_text(&t, 0, "203.0.113.1:3478", 0);
		sim_world_run(t.world, UINT64_MAX, NULL, NULL);
		pattern |= (uint64_t)t.got[2].n << i;
	}
	sim_world_free(t.world);
	return pattern;
}

TEST(sim_world, loses_as_its_seed_says)
{
	cr_assert_eq(arrivals(1), arrivals(1));
	cr_assert_neq(arrivals(1), arrivals(2));
}
