/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What happens to people behind NATs: the router restarts, the address changes. lab.h.
 */
#include "lab.h"

#include <errno.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <linux/netlink.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lab_script.h"

/* A netlink socket belongs to the namespace that it was made in. */
static int open_netfilter(const void *arg)
{
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER);

	(void)arg;
	return fd >= 0 ? fd : -errno;
}

/* Deleting no flow in particular deletes them all. */
static int flush_flows(const struct space *space)
{
	struct {
		struct nlmsghdr head;
		struct nfgenmsg family;
	} request = {
		.head = { .nlmsg_len = sizeof request,
			  .nlmsg_type = NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_DELETE,
			  .nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK },
		.family = { .nfgen_family = AF_UNSPEC, .version = NFNETLINK_V0 },
	};
	struct {
		struct nlmsghdr head;
		struct nlmsgerr error;
		char rest[256];
	} reply;
	int fd = space_open(space, open_netfilter, NULL);
	int error = 0;

	if (fd < 0)
		return fd;
	if (send(fd, &request, sizeof request, 0) < 0)
		error = -errno;
	else if (recv(fd, &reply, sizeof reply, 0) < (ssize_t)(sizeof reply - sizeof reply.rest))
		error = -EPROTO;
	else
		error = reply.error.error;
	close(fd);
	return error;
}

static enum lab_node outermost(const struct lab *lab, enum lab_end end)
{
	if (end == LAB_A || lab->config.same_lan)
		return lab->space[LAB_CARRIER_A].net >= 0 ? LAB_CARRIER_A : LAB_ROUTER_A;
	return lab->space[LAB_CARRIER_B].net >= 0 ? LAB_CARRIER_B : LAB_ROUTER_B;
}

int lab_rebind(struct lab *lab, enum lab_end end)
{
	bool other = end == LAB_B && (lab->config.same_lan || lab->config.same_carrier);
	enum lab_node node = outermost(lab, end);
	int error;

	/* The box numbers its NATs in the order of the sides that have one. */
	if (lab->config.side[other ? LAB_A : end].user_nat)
		return box_reboot(&lab->box,
				  end == LAB_B && !other && lab->config.side[LAB_A].user_nat);
	if (lab->space[node].net < 0)
		return -ENODEV;
	lab->rebound[lab->config.same_lan ? LAB_A : end] = true;
	error = lab_rules_load(lab, node);
	return error ? error : flush_flows(&lab->space[node]);
}

int lab_change_address(struct lab *lab, enum lab_end end)
{
	const struct lab_side *side = &lab->config.side[lab->config.same_lan ? LAB_A : end];
	enum lab_node host = end == LAB_A ? LAB_HOST_A : LAB_HOST_B;
	struct space_program program = {
		.argv = (const char *const[]){ "ip", "-batch", "-", NULL },
		.in = -1, .out = -1, .err = SPACE_STDERR,
	};
	char *dot = strrchr(lab->ip[host], '.'), text[256];
	unsigned int old;
	int net, status;
	pid_t pid;

	if (side->nat == LAB_NAT_NONE && !side->user_nat)
		return -ENODEV;
	if (!dot || sscanf(dot, ".%u", &old) != 1)
		return -EINVAL;
	net = (int)(dot - lab->ip[host]);
	snprintf(text, sizeof text,
		 "address del %s/24 dev eth0\naddress add %.*s.%u/24 dev eth0\n"
		 "route add default via %.*s.1 dev eth0\n",
		 lab->ip[host], net, lab->ip[host], old + 100, net, lab->ip[host]);
	pid = space_feed(&lab->space[host], &program, text);
	status = pid > 0 ? space_wait(pid, SPACE_HANG_MS) : pid;
	if (status == 0)
		snprintf(dot, sizeof lab->ip[host] - (size_t)net, ".%u", old + 100);
	return status > 0 ? -EIO : status;
}
