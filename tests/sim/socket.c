/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The simulated world's hosts: UDP sockets, bound as the kernel would, and what they send and
 * are sent.
 */
#include <errno.h>

#include "world.h"
#include "world_state.h"

/* net.ipv4.ip_local_port_range */
#define EPHEMERAL_LOW 32768u
#define EPHEMERAL_PORTS 28232u
#define LOW_LOW 512u
#define LOW_PORTS 512u
#define BIND_TRIES 1000

void sim_box_privilege(struct sim_box *host, bool low_ports)
{
	host->low_ports = low_ports;
}

static uint16_t choose_port(struct sim_world *w, enum output_bind bind)
{
	if (bind == OUTPUT_BIND_LOW)
		return (uint16_t)(LOW_LOW + sim_rng_below(&w->rng, LOW_PORTS));
	if (bind == OUTPUT_BIND_EVEN)
		return (uint16_t)(EPHEMERAL_LOW + 2 * sim_rng_below(&w->rng, EPHEMERAL_PORTS / 2));
	return (uint16_t)(EPHEMERAL_LOW + sim_rng_below(&w->rng, EPHEMERAL_PORTS));
}

int sim_socket_open(struct sim_box *host, const struct address *local, enum output_bind bind,
		    sim_receive *receive, void *arg, struct sim_socket **ret)
{
	struct address at = *local;
	struct sim_socket *s;
	int tries = BIND_TRIES;

	while (at.port == 0) {
		at.port = choose_port(host->world, bind);
		if (!sim_table_find(&host->sockets, &at, NULL))
			break;
		at.port = 0;
		if (--tries == 0)
			return -EADDRINUSE;
	}
	if (at.port < 1024 && !host->low_ports)
		return -EACCES;
	if (sim_table_find(&host->sockets, &at, NULL))
		return -EADDRINUSE;
	s = sim_pool_take(&host->world->sockets);
	*s = (struct sim_socket){ .host = host, .receive = receive, .arg = arg };
	sim_table_add(&host->sockets, &s->node, &at, NULL);
	*ret = s;
	return 0;
}

void sim_socket_close(struct sim_socket *s)
{
	sim_table_remove(&s->host->sockets, &s->node);
	sim_pool_give(&s->host->world->sockets, s);
}

static bool is_unbound(const struct address *a)
{
	struct address none = { .family = a->family };

	return address_same_ip(a, &none);
}

/* By which plug, and from which of its addresses, a datagram leaves: by one whose network has
 * the destination, else by the first one. */
static struct sim_plug *choose_plug(const struct sim_box *host, const struct address *from,
				    const struct address *to, struct address *ret)
{
	struct address ip = *to;
	struct sim_plug *plug, *best = NULL;
	const struct address *at;
	bool near;

	ip.port = 0;
	for (size_t i = 0; i < host->plugs_n; i++) {
		plug = host->plugs[i];
		near = sim_table_find(&plug->net->addresses, &ip, NULL);
		for (size_t k = 0; k < plug->n; k++) {
			at = &plug->addresses[k].node.key.a;
			if (at->family != to->family ||
			    (!is_unbound(from) && !address_same_ip(at, from)))
				continue;
			if (!best || near) {
				best = plug;
				*ret = *at;
			}
			if (near)
				return plug;
			break;
		}
	}
	return best;
}

void sim_socket_send(struct sim_socket *s, const struct address *to, uint8_t ttl,
		     const void *bytes, size_t len)
{
	struct sim_world *w = s->host->world;
	const struct address *bound = &s->node.key.a;
	struct sim_packet *p;
	struct sim_plug *plug;

	if (len > SIM_PACKET_BYTES)
		return;
	p = sim_packet_new(w, len);
	p->src = *bound;
	p->dst = *to;
	p->id = (uint32_t)w->packets++;
	p->ttl = ttl ? ttl : SIM_TTL;
	memcpy(p->bytes, bytes, len);
	plug = choose_plug(s->host, bound, to, &p->src);
	p->src.port = bound->port;
	sim_world_trace(w, &(struct sim_step){ w->now_us, s->host, true, SIM_FORWARD, p, NULL });
	if (plug)
		sim_plug_send(plug, p);
	else
		sim_packet_end(w, s->host, p, SIM_DROP_ROUTE);
}

void sim_socket_local(const struct sim_socket *s, struct address *ret)
{
	struct address local = s->node.key.a, addresses[SIM_PLUG_ADDRESSES];
	size_t n = sim_box_addresses(s->host, addresses, SIM_PLUG_ADDRESSES);

	for (size_t i = 0; i < n && is_unbound(&local); i++) {
		if (addresses[i].family == local.family)
			memcpy(local.ip, addresses[i].ip, sizeof local.ip);
	}
	*ret = local;
}

void sim_host_receive(struct sim_box *host, struct sim_packet *p)
{
	struct address any = { .family = p->dst.family, .port = p->dst.port };
	struct sim_node *node = sim_table_find(&host->sockets, &p->dst, NULL);
	struct sim_socket *s;

	if (!node)
		node = sim_table_find(&host->sockets, &any, NULL);
	if (!node) {
		sim_packet_end(host->world, host, p, SIM_DROP_CLOSED);
		return;
	}
	s = sim_container(node, struct sim_socket, node);
	sim_world_trace(host->world, &(struct sim_step){ host->world->now_us, host, false,
							 SIM_DELIVERED, p, NULL });
	/* The socket may be closed by it. */
	s->receive(s->arg, s, &p->src, p->bytes, p->len);
	sim_packet_free(host->world, p);
}
