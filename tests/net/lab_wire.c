/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who is connected to whom in a lab: lab_wire.h. Parents make pairs of interfaces, and each node
 * then sets itself up.
 */
#include "lab_wire.h"

#include <errno.h>
#include <string.h>

struct wiring {
	struct lab *lab;
	struct scripts *scripts;
	struct box_config *box;
	int error;		/* the first one */
};

static const char *const publics[2] = { LAB_PUBLIC_A, LAB_PUBLIC_B };

#define line(w, ...) script_line((w)->scripts, __VA_ARGS__)

/* ---- the box ---- */

static void route_to(struct wiring *w, const char *net, unsigned int bits, unsigned int port)
{
	struct box_route route = { .bits = bits, .port = port };

	if (w->box->routes_n == BOX_ROUTES_MAX || address_parse(net, 0, &route.net) < 0)
		w->error = -EINVAL;
	else
		w->box->routes[w->box->routes_n++] = route;
}

static struct sim_link_config link_of(const struct wiring *w, unsigned int number)
{
	struct sim_link_config link = w->lab->config.core.link;

	link.seed = link.seed * 64 + number;
	return link;
}

static int open_tun(const void *arg)
{
	return box_tun(arg);
}

/* A node's device that is a port of the box's: its number. */
static unsigned int plug(struct wiring *w, enum lab_node node, const char *device, int nat)
{
	unsigned int port = (unsigned int)w->box->ports_n;
	int tun;

	if (w->error || port == BOX_PORTS_MAX) {
		w->error = w->error ? w->error : -ENOSPC;
		return 0;
	}
	tun = space_open(&w->lab->space[node], open_tun, device);
	if (tun < 0) {
		w->error = tun;
		return 0;
	}
	w->lab->tuns[port] = tun;
	w->box->ports[port] = (struct box_port){
		.tun = tun, .nat = nat, .up = link_of(w, 2 * port),
		.down = link_of(w, 2 * port + 1),
	};
	w->box->ports_n++;
	line(w, node, SCRIPT_SETUP, "link set lo up");
	line(w, node, SCRIPT_SETUP, "link set %s up txqueuelen 10000", device);
	return port;
}

static void default_route(struct wiring *w, enum lab_node node, const char *device)
{
	line(w, node, SCRIPT_SETUP, "route add default dev %s", device);
	if (w->lab->config.ipv6)
		line(w, node, SCRIPT_SETUP, "route add ::/0 dev %s", device);
}

/* A node in the inner network of one of the box's NATs. */
static void plug_inside(struct wiring *w, enum lab_node node, const char *device, int nat,
			const char *net, unsigned int host, const char *net6)
{
	unsigned int port = plug(w, node, device, nat);
	char *ip = w->lab->ip[node], later[16];

	snprintf(ip, sizeof w->lab->ip[node], "%s.%u", net, host);
	line(w, node, SCRIPT_SETUP, "address add %s/24 dev %s", ip, device);
	default_route(w, node, device);
	route_to(w, ip, 32, port);
	/* lab_change_address()'s. */
	snprintf(later, sizeof later, "%s.%u", net, host + 100);
	route_to(w, later, 32, port);
	if (w->lab->config.ipv6)
		route_to(w, net6, 48, port);
}

static int add_nat(struct wiring *w, enum lab_end end)
{
	struct box_nat *nat = &w->box->nats[w->box->nats_n];
	struct address external;

	address_parse(publics[end], 0, &external);
	if (!sim_nat_named(w->lab->config.side[end].user_nat, &external,
			   w->lab->config.core.link.seed + end, &nat->config)) {
		w->error = -EINVAL;
		return -1;
	}
	nat->up = link_of(w, 40u + 2 * end);
	nat->down = link_of(w, 41u + 2 * end);
	return (int)w->box->nats_n++;
}

/* ---- cables ---- */

/* A pair of interfaces, nNODE on the parent. Their indices differ because the kernel would tell
 * IPv6 up to a second later that they are up where these are equal. */
static void link_pair(struct wiring *w, enum lab_node parent, enum lab_node node,
		      const char *device)
{
	line(w, parent, SCRIPT_LINKS,
	     "link add n%u index %u type veth peer name %s index %u netns /proc/self/fd/%d", node,
	     100u + node, device, 200u + node, w->lab->space[node].net);
}

static void plug_core(struct wiring *w, enum lab_node node, const char *device,
		      const char *const *ips, const char *net6)
{
	link_pair(w, LAB_CORE, node, device);
	line(w, LAB_CORE, SCRIPT_SETUP, "link set n%u up", node);
	line(w, node, SCRIPT_SETUP, "link set lo up");
	line(w, node, SCRIPT_SETUP, "link set %s up", device);
	for (; *ips; ips++) {
		line(w, node, SCRIPT_SETUP, "address add %s/32 dev %s", *ips, device);
		line(w, LAB_CORE, SCRIPT_SETUP, "route add %s/32 dev n%u", *ips, node);
	}
	line(w, node, SCRIPT_SETUP, "route add default via 169.254.1.1 dev %s onlink", device);
	if (!w->lab->config.ipv6)
		return;
	line(w, LAB_CORE, SCRIPT_SETUP, "address add fe80::1/64 dev n%u nodad", node);
	line(w, LAB_CORE, SCRIPT_SETUP, "route add %s/48 via fe80::2 dev n%u", net6, node);
	line(w, node, SCRIPT_SETUP, "address add fe80::2/64 dev %s nodad", device);
	line(w, node, SCRIPT_SETUP, "route add ::/0 via fe80::1 dev %s", device);
}

/* A node at the core, with these IPv4 addresses, ended by NULL, and this IPv6 /48. */
static void wire_public(struct wiring *w, enum lab_node node, const char *device,
			const char *const *ips, const char *net6)
{
	unsigned int port;

	snprintf(w->lab->ip[node], sizeof w->lab->ip[node], "%s", ips[0]);
	if (!w->lab->config.core.box) {
		plug_core(w, node, device, ips, net6);
		return;
	}
	port = plug(w, node, device, -1);
	for (; *ips; ips++) {
		line(w, node, SCRIPT_SETUP, "address add %s/32 dev %s", *ips, device);
		route_to(w, *ips, 32, port);
	}
	default_route(w, node, device);
	if (w->lab->config.ipv6)
		route_to(w, net6, 48, port);
}

bool lab_lan_shared(const struct lab *lab, enum lab_node router)
{
	return (router == LAB_ROUTER_A &&
		(lab->config.same_lan || lab->config.side[LAB_A].third)) ||
	       (router == LAB_ROUTER_B && lab->config.side[LAB_B].third);
}

/* A router's inner network: net is the first three bytes of its /24; first is who is there in
 * any case. */
static void wire_lan(struct wiring *w, enum lab_node router, enum lab_node first,
		     const char *net)
{
	if (lab_lan_shared(w->lab, router))
		line(w, router, SCRIPT_LINKS,
		     "link add lan type bridge forward_delay 0 mcast_snooping 0");
	else
		line(w, router, SCRIPT_SETUP, "link set n%u name lan", first);
	line(w, router, SCRIPT_SETUP, "link set lan up");
	line(w, router, SCRIPT_SETUP, "address add %s.1/24 dev lan", net);
	if (w->lab->config.ipv6)
		line(w, router, SCRIPT_SETUP, "address add fe80::1/64 dev lan nodad");
}

static void wire_inside(struct wiring *w, enum lab_node router, enum lab_node node,
			const char *device, const char *net, unsigned int host)
{
	link_pair(w, router, node, device);
	if (lab_lan_shared(w->lab, router))
		line(w, router, SCRIPT_SETUP, "link set n%u master lan up", node);
	line(w, node, SCRIPT_SETUP, "link set lo up");
	line(w, node, SCRIPT_SETUP, "link set %s up", device);
	line(w, node, SCRIPT_SETUP, "address add %s.%u/24 dev %s", net, host, device);
	line(w, node, SCRIPT_SETUP, "route add default via %s.1 dev %s", net, device);
	snprintf(w->lab->ip[node], sizeof w->lab->ip[node], "%s.%u", net, host);
	if (w->lab->config.ipv6)
		line(w, node, SCRIPT_SETUP, "route add ::/0 via fe80::1 dev %s", device);
}

/* ---- a side ---- */

/* A host's IPv6 address is of its side's network, wherever it is attached. */
static void number_6(struct wiring *w, enum lab_end end, enum lab_node node, unsigned int host)
{
	bool behind = w->lab->config.side[end].nat != LAB_NAT_NONE;

	if (w->lab->config.ipv6)
		line(w, node, SCRIPT_SETUP, "address add 2001:db8:%c:1::%u/%u dev eth0 nodad",
		     end == LAB_A ? 'a' : 'b', host, behind ? 64 : 128);
}

/* Behind a router that does not translate, hosts have addresses of the network that its own is
 * of. */
static const char *home_net(const struct lab *lab, enum lab_end end)
{
	static const char *const private[] = { "192.168.1", "192.168.2" };
	static const char *const public[] = { "198.51.100", "203.0.113" };

	return lab->config.side[end].nat == LAB_NAT_FIREWALL ? public[end] : private[end];
}

static void wire_home(struct wiring *w, enum lab_end end, enum lab_node router)
{
	const char *net = home_net(w->lab, end);
	enum lab_node host = end == LAB_A ? LAB_HOST_A : LAB_HOST_B;
	enum lab_node third = end == LAB_A ? LAB_THIRD_A : LAB_THIRD_B;

	wire_lan(w, router, host, net);
	wire_inside(w, router, host, "eth0", net, 10);
	number_6(w, end, host, 10);
	if (w->lab->config.side[end].third) {
		wire_inside(w, router, third, "eth0", net, 12);
		number_6(w, end, third, 12);
	}
	if (w->lab->config.ipv6)
		line(w, router, SCRIPT_SETUP, "route add 2001:db8:%c:1::/64 dev lan",
		     end == LAB_A ? 'a' : 'b');
	if (end == LAB_A && w->lab->config.same_lan) {
		wire_inside(w, router, LAB_HOST_B, "eth0", net, 11);
		number_6(w, end, LAB_HOST_B, 11);
	}
}

static const char *const carrier_nets[] = { "100.64.1", "100.64.2" };
static const char *const nets6[] = { "2001:db8:a::", "2001:db8:b::" };

/* Behind one of the box's NATs: a home's router, or the hosts themselves. */
static void wire_user_nat(struct wiring *w, enum lab_end end)
{
	const struct lab_config *c = &w->lab->config;
	enum lab_node router = end == LAB_A ? LAB_ROUTER_A : LAB_ROUTER_B;
	enum lab_node host = end == LAB_A ? LAB_HOST_A : LAB_HOST_B;
	int nat = c->same_carrier && end == LAB_B ? 0 : add_nat(w, end);

	if (c->side[end].nat != LAB_NAT_NONE) {
		wire_home(w, end, router);
		plug_inside(w, router, "wan", nat, carrier_nets[end], 2, nets6[end]);
		return;
	}
	plug_inside(w, host, "eth0", nat, home_net(w->lab, end), 10, nets6[end]);
	number_6(w, end, host, 10);
	if (c->same_lan)
		plug_inside(w, LAB_HOST_B, "eth0", nat, home_net(w->lab, end), 11, nets6[LAB_B]);
	if (c->same_lan)
		number_6(w, LAB_B, LAB_HOST_B, 11);
}

static void wire_side(struct wiring *w, enum lab_end end)
{
	const struct lab_side *side = &w->lab->config.side[end];
	enum lab_node router = end == LAB_A ? LAB_ROUTER_A : LAB_ROUTER_B;
	enum lab_node carrier = end == LAB_A ? LAB_CARRIER_A : LAB_CARRIER_B;
	enum lab_node host = end == LAB_A ? LAB_HOST_A : LAB_HOST_B;
	const char *ips[] = { publics[end], NULL };

	if (side->nat == LAB_NAT_NONE) {
		wire_public(w, host, "eth0", ips, nets6[end]);
		number_6(w, end, host, 10);
		return;
	}
	wire_home(w, end, router);
	if (side->carrier == LAB_NAT_NONE) {
		wire_public(w, router, "wan", ips, nets6[end]);
		if (side->nat != LAB_NAT_FIREWALL)
			return;
		if (w->lab->config.core.box)
			route_to(w, publics[end], 24, (unsigned int)w->box->ports_n - 1);
		else
			line(w, LAB_CORE, SCRIPT_SETUP, "route add %s.0/24 via %s dev n%u onlink",
			     home_net(w->lab, end), publics[end], router);
		return;
	}
	wire_public(w, carrier, "wan", ips, nets6[end]);
	wire_lan(w, carrier, router, carrier_nets[end]);
	wire_inside(w, carrier, router, "wan", carrier_nets[end], 2);
	if (!w->lab->config.ipv6)
		return;
	line(w, router, SCRIPT_SETUP, "address add fe80::2/64 dev wan nodad");
	line(w, carrier, SCRIPT_SETUP, "route add %s/48 via fe80::2 dev lan", nets6[end]);
}

static void wire_services(struct wiring *w)
{
	const char *stun[] = { LAB_STUN_1, LAB_STUN_2, NULL };
	const char *relay[] = { LAB_RELAY_IP, NULL };

	wire_public(w, LAB_STUN, "eth0", stun, "2001:db8:5::");
	wire_public(w, LAB_RELAY, "eth0", relay, "2001:db8:6::");
	if (!w->lab->config.ipv6)
		return;
	line(w, LAB_STUN, SCRIPT_SETUP, "address add 2001:db8:5::1/128 dev eth0 nodad");
	line(w, LAB_STUN, SCRIPT_SETUP, "address add 2001:db8:5::2/128 dev eth0 nodad");
	line(w, LAB_RELAY, SCRIPT_SETUP, "address add 2001:db8:6::1/128 dev eth0 nodad");
}

int lab_wire(struct lab *lab, struct scripts *s, struct box_config *box)
{
	const struct lab_config *c = &lab->config;
	struct wiring w = { .lab = lab, .scripts = s, .box = box };

	box->hops = c->core.hops;
	if (c->core.expired)
		address_parse("192.0.2.254", 0, &box->router);
	line(&w, LAB_CORE, SCRIPT_SETUP, "link set lo up");
	line(&w, LAB_CORE, SCRIPT_SETUP, "address add 169.254.1.1/32 dev lo");
	wire_services(&w);
	for (unsigned int end = LAB_A; end <= (c->same_lan ? LAB_A : LAB_B); end++) {
		bool user = c->side[end].user_nat || (end == LAB_B && c->same_carrier);

		if (user)
			wire_user_nat(&w, (enum lab_end)end);
		else
			wire_side(&w, (enum lab_end)end);
	}
	return w.error;
}
