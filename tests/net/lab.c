/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who is connected to whom in the lab, and with which addresses: lab.h.
 */
#include "lab.h"

#include <errno.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "lab_script.h"

static uint64_t now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000u + (uint64_t)t.tv_nsec / 1000u;
}

static const char *const publics[2] = { LAB_PUBLIC_A, LAB_PUBLIC_B };

const char *lab_public(const struct lab *lab, enum lab_end end)
{
	enum lab_end home = lab->config.same_lan ? LAB_A : end;

	if (lab->config.side[home].nat == LAB_NAT_FIREWALL)
		return lab->ip[end == LAB_A ? LAB_HOST_A : LAB_HOST_B];
	return publics[home];
}

/* ---- which nodes there are ---- */

static bool node_wanted(const struct lab_config *c, enum lab_node node)
{
	const struct lab_side *a = &c->side[LAB_A], *b = &c->side[LAB_B];
	bool far = !c->same_lan;

	switch (node) {
	case LAB_THIRD_A: return a->third;
	case LAB_THIRD_B: return far && b->third;
	case LAB_ROUTER_A: return a->nat != LAB_NAT_NONE;
	case LAB_ROUTER_B: return far && b->nat != LAB_NAT_NONE;
	case LAB_CARRIER_A: return a->carrier != LAB_NAT_NONE;
	case LAB_CARRIER_B: return far && b->carrier != LAB_NAT_NONE;
	default: return true;
	}
}

static int config_check(const struct lab_config *c)
{
	for (int i = 0; i < 2; i++) {
		const struct lab_side *s = &c->side[i];

		if (s->nat == LAB_NAT_NONE && (s->carrier != LAB_NAT_NONE || s->third))
			return -EINVAL;
		if (s->carrier == LAB_NAT_FIREWALL ||
		    (s->nat == LAB_NAT_FIREWALL && s->carrier != LAB_NAT_NONE))
			return -EINVAL;
	}
	return c->same_lan && c->side[LAB_A].nat == LAB_NAT_NONE ? -EINVAL : 0;
}

static int make_spaces(struct lab *lab)
{
	struct space spaces[LAB_NODES];
	size_t n = 0;
	int error;

	for (unsigned int i = 0; i < LAB_NODES; i++)
		n += node_wanted(&lab->config, (enum lab_node)i);
	error = spaces_make(spaces, n);
	if (error)
		return error;
	for (unsigned int i = 0; i < LAB_NODES; i++) {
		lab->space[i] = spaces[0];
		lab->space[i].net = -1;
	}
	for (unsigned int i = 0, next = 0; i < LAB_NODES; i++)
		if (node_wanted(&lab->config, (enum lab_node)i))
			lab->space[i] = spaces[next++];
	return 0;
}

/* ---- wiring: parents make the pairs, each node then sets itself up ---- */

static void wire_core(struct scripts *s)
{
	script_line(s, LAB_CORE, SCRIPT_SETUP, "link set lo up");
	script_line(s, LAB_CORE, SCRIPT_SETUP, "address add 169.254.1.1/32 dev lo");
}

/* A pair of interfaces, nNODE on the parent. Their indices differ because the kernel would tell
 * IPv6 up to a second later that they are up where these are equal. */
static void link_pair(const struct lab *lab, struct scripts *s, enum lab_node parent,
		      enum lab_node node, const char *device)
{
	script_line(s, parent, SCRIPT_LINKS,
		    "link add n%u index %u type veth peer name %s index %u netns "
		    "/proc/self/fd/%d",
		    node, 100u + node, device, 200u + node, lab->space[node].net);
}

/* A node at the core, with these IPv4 addresses ("" ends) and IPv6 network. */
static void wire_public(struct lab *lab, struct scripts *s, enum lab_node node,
			const char *device, const char *const *ips, const char *net6)
{
	link_pair(lab, s, LAB_CORE, node, device);
	script_line(s, LAB_CORE, SCRIPT_SETUP, "link set n%u up", node);
	script_line(s, node, SCRIPT_SETUP, "link set lo up");
	script_line(s, node, SCRIPT_SETUP, "link set %s up", device);
	snprintf(lab->ip[node], sizeof lab->ip[node], "%s", ips[0]);
	for (; *ips; ips++) {
		script_line(s, node, SCRIPT_SETUP, "address add %s/32 dev %s", *ips, device);
		script_line(s, LAB_CORE, SCRIPT_SETUP, "route add %s/32 dev n%u", *ips, node);
	}
	script_line(s, node, SCRIPT_SETUP, "route add default via 169.254.1.1 dev %s onlink",
		    device);
	if (!lab->config.ipv6)
		return;
	script_line(s, LAB_CORE, SCRIPT_SETUP, "address add fe80::1/64 dev n%u nodad", node);
	script_line(s, LAB_CORE, SCRIPT_SETUP, "route add %s via fe80::2 dev n%u", net6, node);
	script_line(s, node, SCRIPT_SETUP, "address add fe80::2/64 dev %s nodad", device);
	script_line(s, node, SCRIPT_SETUP, "route add ::/0 via fe80::1 dev %s", device);
}

/* Whether a router's inner network is more than one cable. */
static bool lan_shared(const struct lab *lab, enum lab_node router)
{
	return (router == LAB_ROUTER_A &&
		(lab->config.same_lan || lab->config.side[LAB_A].third)) ||
	       (router == LAB_ROUTER_B && lab->config.side[LAB_B].third);
}

/* A router's inner network: net is the first three bytes of its /24; first is who is there in
 * any case. */
static void wire_lan(const struct lab *lab, struct scripts *s, enum lab_node router,
		     enum lab_node first, const char *net)
{
	if (lan_shared(lab, router))
		script_line(s, router, SCRIPT_LINKS,
			    "link add lan type bridge forward_delay 0 mcast_snooping 0");
	else
		script_line(s, router, SCRIPT_SETUP, "link set n%u name lan", first);
	script_line(s, router, SCRIPT_SETUP, "link set lan up");
	script_line(s, router, SCRIPT_SETUP, "address add %s.1/24 dev lan", net);
	if (lab->config.ipv6)
		script_line(s, router, SCRIPT_SETUP, "address add fe80::1/64 dev lan nodad");
}

static void wire_inside(struct lab *lab, struct scripts *s, enum lab_node router,
			enum lab_node node, const char *device, const char *net,
			unsigned int host)
{
	link_pair(lab, s, router, node, device);
	if (lan_shared(lab, router))
		script_line(s, router, SCRIPT_SETUP, "link set n%u master lan up", node);
	script_line(s, node, SCRIPT_SETUP, "link set lo up");
	script_line(s, node, SCRIPT_SETUP, "link set %s up", device);
	script_line(s, node, SCRIPT_SETUP, "address add %s.%u/24 dev %s", net, host, device);
	script_line(s, node, SCRIPT_SETUP, "route add default via %s.1 dev %s", net, device);
	snprintf(lab->ip[node], sizeof lab->ip[node], "%s.%u", net, host);
	if (lab->config.ipv6)
		script_line(s, node, SCRIPT_SETUP, "route add ::/0 via fe80::1 dev %s", device);
}

/* A host's IPv6 address is of its side's network, wherever it is attached. */
static void number_6(struct lab *lab, struct scripts *s, enum lab_end end, enum lab_node node,
		     unsigned int host)
{
	bool behind = lab->config.side[end].nat != LAB_NAT_NONE;

	if (lab->config.ipv6)
		script_line(s, node, SCRIPT_SETUP, "address add 2001:db8:%c:1::%u/%u dev eth0 nodad",
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

static void wire_home(struct lab *lab, struct scripts *s, enum lab_end end, enum lab_node router)
{
	const char *net = home_net(lab, end);
	enum lab_node host = end == LAB_A ? LAB_HOST_A : LAB_HOST_B;
	enum lab_node third = end == LAB_A ? LAB_THIRD_A : LAB_THIRD_B;
	char letter = end == LAB_A ? 'a' : 'b';

	wire_lan(lab, s, router, host, net);
	wire_inside(lab, s, router, host, "eth0", net, 10);
	number_6(lab, s, end, host, 10);
	if (lab->config.side[end].third) {
		wire_inside(lab, s, router, third, "eth0", net, 12);
		number_6(lab, s, end, third, 12);
	}
	if (lab->config.ipv6)
		script_line(s, router, SCRIPT_SETUP, "route add 2001:db8:%c:1::/64 dev lan", letter);
	if (end == LAB_A && lab->config.same_lan) {
		wire_inside(lab, s, router, LAB_HOST_B, "eth0", net, 11);
		number_6(lab, s, end, LAB_HOST_B, 11);
	}
}

static void wire_side(struct lab *lab, struct scripts *s, enum lab_end end)
{
	static const char *const nets[] = { "100.64.1", "100.64.2" };
	static const char *const nets6[] = { "2001:db8:a::/48", "2001:db8:b::/48" };
	const struct lab_side *side = &lab->config.side[end];
	enum lab_node router = end == LAB_A ? LAB_ROUTER_A : LAB_ROUTER_B;
	enum lab_node carrier = end == LAB_A ? LAB_CARRIER_A : LAB_CARRIER_B;
	enum lab_node host = end == LAB_A ? LAB_HOST_A : LAB_HOST_B;
	const char *ips[] = { publics[end], NULL };

	if (side->nat == LAB_NAT_NONE) {
		wire_public(lab, s, host, "eth0", ips, nets6[end]);
		number_6(lab, s, end, host, 10);
		return;
	}
	wire_home(lab, s, end, router);
	if (side->carrier == LAB_NAT_NONE) {
		wire_public(lab, s, router, "wan", ips, nets6[end]);
		if (side->nat == LAB_NAT_FIREWALL)
			script_line(s, LAB_CORE, SCRIPT_SETUP, "route add %s.0/24 via %s dev n%u "
				    "onlink", home_net(lab, end), publics[end], router);
		return;
	}
	wire_public(lab, s, carrier, "wan", ips, nets6[end]);
	wire_lan(lab, s, carrier, router, nets[end]);
	wire_inside(lab, s, carrier, router, "wan", nets[end], 2);
	if (!lab->config.ipv6)
		return;
	script_line(s, router, SCRIPT_SETUP, "address add fe80::2/64 dev wan nodad");
	script_line(s, carrier, SCRIPT_SETUP, "route add %s via fe80::2 dev lan", nets6[end]);
}

static void wire_services(struct lab *lab, struct scripts *s)
{
	const char *stun[] = { LAB_STUN_1, LAB_STUN_2, NULL };
	const char *relay[] = { LAB_RELAY_IP, NULL };

	wire_public(lab, s, LAB_STUN, "eth0", stun, "2001:db8:5::/64");
	wire_public(lab, s, LAB_RELAY, "eth0", relay, "2001:db8:6::/64");
	if (!lab->config.ipv6)
		return;
	script_line(s, LAB_STUN, SCRIPT_SETUP, "address add 2001:db8:5::1/128 dev eth0 nodad");
	script_line(s, LAB_STUN, SCRIPT_SETUP, "address add 2001:db8:5::2/128 dev eth0 nodad");
	script_line(s, LAB_RELAY, SCRIPT_SETUP, "address add 2001:db8:6::1/128 dev eth0 nodad");
}

void lab_rules(const struct lab *lab, enum lab_node node, FILE *out)
{
	enum lab_end end = node == LAB_ROUTER_B || node == LAB_CARRIER_B ? LAB_B : LAB_A;
	const struct lab_side *side = &lab->config.side[end];
	bool carrier = node == LAB_CARRIER_A || node == LAB_CARRIER_B;
	bool outermost = carrier || side->carrier == LAB_NAT_NONE;
	struct rules rules = {
		.nat = carrier ? side->carrier : side->nat,
		.wan = "wan",
		.lan = "lan",
		.public = lab->ip[node],
		.input_accept = outermost && side->input_accept,
		.flows_max = outermost ? side->flows_max : 0,
	};

	if (outermost && lab->rebound[end]) {
		rules.low = 30000;
		rules.high = 39999;
	}
	rules_write(out, &rules);
}

/* A bridge is told late that it is up, and has no IPv6 before that. */
static int wait_shared(struct lab *lab)
{
	static const enum lab_node routers[] = { LAB_ROUTER_A, LAB_ROUTER_B };

	for (size_t i = 0; i < 2; i++) {
		struct ifreq request = { .ifr_name = "lan" };
		int fd, tries = 0;

		if (!lan_shared(lab, routers[i]) || lab->space[routers[i]].net < 0)
			continue;
		fd = space_socket(&lab->space[routers[i]], AF_INET);
		if (fd < 0)
			return fd;
		while (ioctl(fd, SIOCGIFFLAGS, &request) == 0 &&
		       !(request.ifr_flags & IFF_RUNNING) && tries++ < 300)
			usleep(10000);
		close(fd);
	}
	return 0;
}

int lab_up(struct lab *ret, const struct lab_config *config)
{
	uint64_t began = now_us();
	struct lab lab = { .config = *config };
	struct scripts scripts;
	int error = config_check(config);

	if (!error)
		error = make_spaces(&lab);
	if (error) {
		snprintf(ret->why, sizeof ret->why, "no network namespaces: %s",
			 strerror(-error));
		return error;
	}
	error = scripts_begin(&scripts);
	if (!error) {
		wire_core(&scripts);
		wire_services(&lab, &scripts);
		wire_side(&lab, &scripts, LAB_A);
		if (!config->same_lan)
			wire_side(&lab, &scripts, LAB_B);
		error = scripts_run(&scripts, &lab);
	}
	if (!error && config->ipv6)
		error = wait_shared(&lab);
	lab.up_us = now_us() - began;
	if (error) {
		memcpy(ret->why, lab.why, sizeof ret->why);
		lab_down(&lab);
		return error;
	}
	*ret = lab;
	return 0;
}

void lab_down(struct lab *lab)
{
	int user = lab->space[LAB_CORE].user;

	for (size_t i = 0; i < LAB_CHILDREN_MAX; i++)
		lab_stop(lab, lab->children[i]);
	for (size_t i = 0; i < LAB_NODES; i++)
		lab->space[i].user = -1;
	spaces_free(lab->space, LAB_NODES);
	if (user >= 0)
		close(user);
}
