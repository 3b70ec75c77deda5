/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The simulated world's space: networks, boxes, plugs, and how a packet gets on.
 */
#include <stdlib.h>

#include "world.h"
#include "world_state.h"

struct sim_net *sim_net_add(struct sim_world *w, unsigned int hops)
{
	struct sim_net *net = sim_alloc(1, sizeof *net);

	net->world = w;
	net->hops = hops;
	SLIST_INSERT_HEAD(&w->nets, net, of_world);
	return net;
}

struct sim_box *sim_host_add(struct sim_world *w)
{
	struct sim_box *box = sim_alloc(1, sizeof *box);

	box->world = w;
	SLIST_INSERT_HEAD(&w->boxes, box, of_world);
	return box;
}

struct sim_box *sim_nat_add(struct sim_world *w, const struct sim_nat_config *config)
{
	struct sim_box *box = sim_host_add(w);

	box->nat = sim_nat_new(config);
	return box;
}

struct sim_nat *sim_box_nat(struct sim_box *box)
{
	return box->nat;
}

static bool link_init(struct sim_world *w, struct sim_link *link,
		      const struct sim_link_config *config)
{
	struct sim_link_config seeded;

	if (!config)
		return false;
	seeded = *config;
	seeded.seed = sim_rng_u64(&w->rng);
	sim_link_init(link, &seeded);
	return true;
}

struct sim_plug *sim_plug_add(struct sim_box *box, struct sim_net *net,
			      const struct address *addresses, size_t n,
			      const struct sim_link_config *out, const struct sim_link_config *in)
{
	struct sim_plug *plug = sim_pool_take(&box->world->plugs);

	*plug = (struct sim_plug){ .box = box, .net = net };
	plug->delayed[0] = link_init(box->world, &plug->out, out);
	plug->delayed[1] = link_init(box->world, &plug->in, in);
	sim_plug_readdress(plug, addresses, n);
	if (box->nat && box->plugs_n == 0)
		net->gateway = plug;
	box->plugs[box->plugs_n++] = plug;
	return plug;
}

void sim_plug_readdress(struct sim_plug *plug, const struct address *addresses, size_t n)
{
	struct address ip;

	for (size_t i = 0; i < plug->n; i++)
		sim_table_remove(&plug->net->addresses, &plug->addresses[i].node);
	plug->n = n;
	for (size_t i = 0; i < n; i++) {
		ip = addresses[i];
		ip.port = 0;
		plug->addresses[i].plug = plug;
		sim_table_add(&plug->net->addresses, &plug->addresses[i].node, &ip, NULL);
	}
}

void sim_box_reboot(struct sim_box *box, const struct address *external)
{
	sim_nat_reboot(box->nat, external);
	if (external)
		sim_plug_readdress(box->plugs[1], external, 1);
}

size_t sim_box_addresses(const struct sim_box *box, struct address *ret, size_t n)
{
	size_t used = 0;

	for (size_t i = 0; i < box->plugs_n; i++) {
		for (size_t k = 0; k < box->plugs[i]->n && used < n; k++)
			ret[used++] = box->plugs[i]->addresses[k].node.key.a;
	}
	return used;
}

void sim_packet_end(struct sim_world *w, const struct sim_box *box, struct sim_packet *p,
		    enum sim_verdict verdict)
{
	sim_world_trace(w, &(struct sim_step){ w->now_us, box, false, verdict, p, NULL });
	sim_packet_free(w, p);
}

/* Through a link to the plug's net or box. */
static void cross(struct sim_plug *plug, struct sim_packet *p, bool to_box)
{
	struct sim_world *w = plug->net->world;
	struct sim_event event = { .plug = plug, .packet = p, .at_box = to_box };
	struct sim_passage passage;

	if (!plug->delayed[to_box]) {
		sim_plug_arrive(plug, p, to_box);
		return;
	}
	sim_link_send(to_box ? &plug->in : &plug->out, w->now_us, p, &passage);
	if (passage.n == 0) {
		sim_packet_end(w, NULL, p, passage.verdict);
		return;
	}
	if (passage.n == 2) {
		event.packet = sim_packet_new(w, p->len);
		sim_packet_copy(event.packet, p);
		event.at_us = passage.at_us[1];
		sim_world_push(w, &event);
		event.packet = p;
	}
	event.at_us = passage.at_us[0];
	sim_world_push(w, &event);
}

void sim_plug_send(struct sim_plug *plug, struct sim_packet *p)
{
	cross(plug, p, false);
}

/* To whom a packet goes that came by a plug. */
static struct sim_plug *find_next(const struct sim_net *net, const struct sim_plug *from,
				  const struct address *dst)
{
	struct address ip = *dst;
	struct sim_node *node;

	ip.port = 0;
	node = sim_table_find(&net->addresses, &ip, NULL);
	if (node)
		return sim_container(node, struct sim_plug_address, node)->plug;
	return net->gateway != from ? net->gateway : NULL;
}

static void route(struct sim_plug *from, struct sim_packet *p)
{
	struct sim_net *net = from->net;
	struct sim_plug *to = find_next(net, from, &p->dst);

	if (p->ttl <= net->hops) {
		sim_packet_end(net->world, NULL, p, SIM_DROP_TTL);
	} else if (!to) {
		sim_packet_end(net->world, NULL, p, SIM_DROP_ROUTE);
	} else {
		p->ttl = (uint8_t)(p->ttl - net->hops);
		cross(to, p, true);
	}
}

static void translate(struct sim_plug *from, struct sim_packet *p)
{
	struct sim_box *box = from->box;
	struct sim_world *w = box->world;
	bool inside = from == box->plugs[0];
	enum sim_verdict verdict;

	if (inside)
		verdict = sim_nat_out(box->nat, w->now_us, p);
	else
		verdict = sim_nat_in(box->nat, w->now_us, p);
	if (verdict != SIM_FORWARD && verdict != SIM_HAIRPIN) {
		sim_packet_end(w, box, p, verdict);
		return;
	}
	sim_world_trace(w, &(struct sim_step){ w->now_us, box, false, verdict, p, NULL });
	sim_plug_send(box->plugs[inside && verdict == SIM_FORWARD], p);
}

void sim_plug_arrive(struct sim_plug *plug, struct sim_packet *p, bool at_box)
{
	if (!at_box)
		route(plug, p);
	else if (plug->box->nat)
		translate(plug, p);
	else
		sim_host_receive(plug->box, p);
}
