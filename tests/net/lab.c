/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The lab's coming and going: lab.h.
 */
#include "lab.h"

#include <errno.h>
#include <net/if.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "lab_wire.h"

static uint64_t now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000u + (uint64_t)t.tv_nsec / 1000u;
}

const char *lab_public(const struct lab *lab, enum lab_end end)
{
	enum lab_end home = lab->config.same_lan || lab->config.same_carrier ? LAB_A : end;

	if (lab->config.side[home].nat == LAB_NAT_FIREWALL)
		return lab->ip[end == LAB_A ? LAB_HOST_A : LAB_HOST_B];
	return home == LAB_A ? LAB_PUBLIC_A : LAB_PUBLIC_B;
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

static int side_check(const struct lab_config *c, const struct lab_side *s)
{
	if (s->nat == LAB_NAT_NONE && (s->carrier != LAB_NAT_NONE || s->third))
		return -EINVAL;
	if (s->carrier == LAB_NAT_FIREWALL)
		return -EINVAL;
	if (s->nat == LAB_NAT_FIREWALL && (s->carrier != LAB_NAT_NONE || s->user_nat))
		return -EINVAL;
	return s->user_nat && (!c->core.box || s->carrier != LAB_NAT_NONE) ? -EINVAL : 0;
}

static int config_check(const struct lab_config *c)
{
	const struct lab_side *a = &c->side[LAB_A], *b = &c->side[LAB_B];

	if (side_check(c, a) < 0 || side_check(c, b) < 0)
		return -EINVAL;
	if (c->same_lan && a->nat == LAB_NAT_NONE && !a->user_nat)
		return -EINVAL;
	return c->same_carrier && (c->same_lan || !a->user_nat || a->nat == LAB_NAT_NONE ||
				   b->nat == LAB_NAT_NONE || b->user_nat) ? -EINVAL : 0;
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

void lab_rules(const struct lab *lab, enum lab_node node, FILE *out)
{
	enum lab_end end = node == LAB_ROUTER_B || node == LAB_CARRIER_B ? LAB_B : LAB_A;
	const struct lab_side *side = &lab->config.side[end];
	bool carrier = node == LAB_CARRIER_A || node == LAB_CARRIER_B;
	bool outermost = carrier || (side->carrier == LAB_NAT_NONE && !side->user_nat &&
				     !(end == LAB_B && lab->config.same_carrier));
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

/* What is sent before the kernel has noticed that the other end of a cable is up is lost, and a
 * lost question for a neighbour is asked again after a second. */
static int wait_running(const struct space *space)
{
	static const char *const devices[] = { "wan", "lan", "eth0" };
	int fd = space_socket(space, AF_INET), tries = 0;

	if (fd < 0)
		return fd;
	for (size_t i = 0; i < sizeof devices / sizeof *devices; i++) {
		struct ifreq request = { 0 };

		snprintf(request.ifr_name, sizeof request.ifr_name, "%s", devices[i]);
		while (ioctl(fd, SIOCGIFFLAGS, &request) == 0 &&
		       !(request.ifr_flags & IFF_RUNNING) && tries++ < 3000)
			usleep(1000);
	}
	close(fd);
	return 0;
}

/* All that follows the namespaces. */
static int build(struct lab *lab)
{
	struct box_config box = { 0 };
	struct scripts scripts;
	int error = scripts_begin(&scripts);

	if (!error)
		error = lab_wire(lab, &scripts, &box);
	if (error) {
		snprintf(lab->why, sizeof lab->why, "the lab cannot be wired: %s",
			 strerror(-error));
		scripts_free(&scripts);
		return error;
	}
	error = scripts_run(&scripts, lab);
	if (!error && lab->config.core.box)
		error = box_start(&lab->box, &box);
	for (unsigned int i = 0; i < LAB_NODES && !error; i++)
		if (i != LAB_CORE && lab->space[i].net >= 0)
			error = wait_running(&lab->space[i]);
	return error;
}

int lab_up(struct lab *ret, const struct lab_config *config)
{
	uint64_t began = now_us();
	struct lab lab = { .config = *config, .box.control = -1 };
	int error = config_check(config);

	for (size_t i = 0; i < BOX_PORTS_MAX; i++)
		lab.tuns[i] = -1;
	if (!error)
		error = make_spaces(&lab);
	if (error) {
		snprintf(ret->why, sizeof ret->why, "no network namespaces: %s",
			 strerror(-error));
		return error;
	}
	error = build(&lab);
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

	/* All are told before any is waited for. */
	for (size_t i = 0; i < LAB_CHILDREN_MAX; i++)
		if (lab->children[i] > 0)
			kill(lab->children[i], SIGTERM);
	for (size_t i = 0; i < LAB_CHILDREN_MAX; i++)
		lab_stop(lab, lab->children[i]);
	box_stop(&lab->box);
	for (size_t i = 0; i < BOX_PORTS_MAX; i++)
		if (lab->tuns[i] >= 0)
			close(lab->tuns[i]);
	for (size_t i = 0; i < LAB_NODES; i++)
		lab->space[i].user = -1;
	spaces_free(lab->space, LAB_NODES);
	if (user >= 0)
		close(user);
}
