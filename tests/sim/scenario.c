/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Building what a trial needs (scenario.h). Each host is 10 ms from the core's middle, as are
 * the servers: 40 ms there and back between any two.
 */
#include "scenario.h"

#include <stdio.h>
#include <stdlib.h>

#define ACCESS_US 10000u
#define NEAR_US 250u		/* within a LAN where that is what is looked at */
#define CORE_HOPS 8u
#define DATA_US 50000u

static struct address make_address(unsigned int a, unsigned int b, unsigned int c, unsigned int d)
{
	return (struct address){
		.family = 4,
		.ip = { (uint8_t)a, (uint8_t)b, (uint8_t)c, (uint8_t)d },
	};
}

static void add_column(struct sim_scene *s, const struct sim_box *box, const char *title)
{
	if (s->columns_n == SIM_COLUMNS)
		abort();
	s->columns[s->columns_n] = box;
	s->titles[s->columns_n++] = title;
}

static struct sim_link_config access_link(const struct sim_pair *pair)
{
	/* Half of the loss here, half at the other end. */
	return (struct sim_link_config){ .delay_us = ACCESS_US,
					 .loss = 1 - sqrt(1 - pair->loss) };
}

/* Where a host plugs in: behind the NATs whose names begin at kinds; they are made from the core
 * inwards. Returns the innermost network. */
static struct sim_net *add_nats(struct sim_scene *s, unsigned int side, const char *kinds,
				struct sim_box **ret_boxes, unsigned int *ret_n)
{
	struct sim_link_config link = access_link(s->pair);
	struct sim_net *net = s->core, *within;
	struct sim_nat_config c;
	struct address inside, external;
	char name[64], *last;
	/* The first one's other network. */
	unsigned int n = 0, second = side == 0 && s->plugs[0] ? 1 : 0;

	snprintf(name, sizeof name, "%s", kinds);
	do {
		last = strrchr(name, '+');
		external = make_address(100, 64 + side, 0, 2);
		if (n == 0)
			external = side == 0 ? make_address(198, 51, 100, 10 + 100 * second) :
					       make_address(203, 0, 113, 10);
		if (!sim_nat_named(last ? last + 1 : name, &external,
				   sim_rng_u64(sim_world_rng(s->world)), &c))
			abort();
		ret_boxes[n] = sim_nat_add(s->world, &c);
		inside = last ? make_address(100, 64 + side, 0, 1) :
				make_address(192, 168, 1 + side + 10 * second, 1);
		/* A carrier's network has routers of its own. */
		within = sim_net_add(s->world, last ? 1 : 0);
		sim_plug_add(ret_boxes[n], within, &inside, 1, NULL, NULL);
		sim_plug_add(ret_boxes[n], net, c.external, c.externals, n == 0 ? &link : NULL,
			     n == 0 ? &link : NULL);
		net = within;
		n++;
		if (last)
			*last = '\0';
	} while (last);
	*ret_n = n;
	return net;
}

static void add_servers(struct sim_scene *s)
{
	struct sim_link_config link = { .delay_us = ACCESS_US };
	struct address ips[2] = { make_address(192, 0, 2, 1), make_address(192, 0, 2, 2) };
	struct address relay = make_address(192, 0, 2, 3);
	struct sim_box *box = sim_host_add(s->world);

	sim_plug_add(box, s->core, ips, 2, &link, &link);
	sim_stun_open(&s->stun, box, ips);
	if (!s->options.relay)
		return;
	box = sim_host_add(s->world);
	sim_plug_add(box, s->core, &relay, 1, &link, &link);
	relay.port = RELAY_PORT;
	sim_relay_open(&s->relay, s->world, box, &relay);
}

static const char *const nat_titles[2][2] = { { "carrier A", "NAT A" }, { "carrier B", "NAT B" } };

static void add_columns(struct sim_scene *s, unsigned int side, struct sim_box *const *boxes,
			unsigned int n)
{
	for (unsigned int i = 0; i < n; i++) {
		unsigned int k = side ? i : n - 1 - i;

		add_column(s, boxes[k], nat_titles[side][k == n - 1]);
	}
}

static void keep_nats(struct sim_scene *s, unsigned int side, struct sim_box *const *boxes,
		      unsigned int n)
{
	s->nats_n[side] = n;
	for (unsigned int i = 0; i < n; i++)
		s->nats[side][i] = sim_box_nat(boxes[i]);
	s->outermost[side] = boxes[0];
}

/* Both behind the first one's NATs. */
static void build_together(struct sim_scene *s)
{
	struct sim_link_config near = { .delay_us = NEAR_US };
	struct sim_box *boxes[SIM_COLUMNS];
	struct address address;
	unsigned int n;
	struct sim_net *net = add_nats(s, 0, s->pair->nats[0], boxes, &n);

	for (unsigned int side = 0; side < 2; side++) {
		address = s->pair->place == SIM_ONE_LAN ? make_address(192, 168, 1, 2 + side) :
							  make_address(100, 64, 1 + side, 2);
		s->hosts[side] = sim_host_add(s->world);
		sim_plug_add(s->hosts[side], net, &address, 1, NULL, &near);
		keep_nats(s, side, boxes, n);
	}
	add_column(s, s->hosts[0], "host A");
	add_column(s, s->hosts[1], "host B");
	add_columns(s, 0, boxes, n);
	add_column(s, NULL, "core");
}

static void build_apart(struct sim_scene *s)
{
	struct sim_box *boxes[SIM_COLUMNS], *first = NULL;
	struct address address;
	struct sim_net *net;
	unsigned int n;

	for (unsigned int side = 0; side < 2; side++) {
		net = add_nats(s, side, s->pair->nats[side], boxes, &n);
		address = make_address(192, 168, 1 + side, 2);
		s->hosts[side] = sim_host_add(s->world);
		keep_nats(s, side, boxes, n);
		if (side == 0) {
			first = s->hosts[0];
			add_column(s, first, "host A");
			add_columns(s, 0, boxes, n);
			add_column(s, NULL, "core");
			s->plugs[0] = sim_plug_add(first, net, &address, 1, NULL, NULL);
			if (s->pair->change != SIM_CHANGE_ADDRESS)
				continue;
			net = add_nats(s, 0, "linux", boxes, &n);
			s->elsewhere = make_address(192, 168, 11, 2);
			s->elsewhere_seen = sim_nat_config(sim_box_nat(boxes[0]))->external[0];
			s->plugs[1] = sim_plug_add(first, net, &address, 0, NULL, NULL);
		} else {
			add_columns(s, 1, boxes, n);
			add_column(s, s->hosts[1], "host B");
			sim_plug_add(s->hosts[1], net, &address, 1, NULL, NULL);
		}
	}
}

void sim_scene_init(struct sim_scene *s, const struct sim_pair *pair,
		    const struct sim_options *options, uint64_t seed)
{
	bool swapped = seed % 2 == 1;
	struct sim_rng *rng;

	*s = (struct sim_scene){ .pair = pair, .options = *options };
	s->world = sim_world_new(seed);
	rng = sim_world_rng(s->world);
	s->core = sim_net_add(s->world, CORE_HOPS);
	add_servers(s);
	if (pair->place == SIM_APART)
		build_apart(s);
	else
		build_together(s);
	for (unsigned int side = 0; side < 2; side++) {
		struct sim_end_config c = {
			.box = s->hosts[side],
			.role = (side == 1) == swapped ? PUNCH_OFFERER : PUNCH_ANSWERER,
			.servers = { s->stun.server.at[0][0], s->stun.server.at[1][0] },
			.survey = options->learn == SIM_LEARN_SURVEY,
			.low_ports = pair->low_ports,
			.relay_only = pair->relay_only,
			.signal_us = options->signal_us,
			.data_us = pair->change ? DATA_US : 0,
		};

		if (options->relay)
			sim_socket_local(s->relay.socket, &c.relay);
		if (side == 0 && pair->late_us[1] > 0)
			c.late_us = pair->late_us[0] +
				    sim_rng_below(rng, pair->late_us[1] - pair->late_us[0]);
		sim_end_init(&s->ends[side], s->world, &c);
	}
	sim_ends_join(&s->ends[0], &s->ends[1]);
}

void sim_scene_free(struct sim_scene *s)
{
	sim_end_free(&s->ends[0]);
	sim_end_free(&s->ends[1]);
	if (s->options.relay)
		sim_relay_free(&s->relay);
	sim_world_free(s->world);
}
