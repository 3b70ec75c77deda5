/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The addresses of locals.h: getifaddrs(3), the drivers that made the interfaces, rtnetlink.
 */
#include "locals.h"

#include <errno.h>
#include <ifaddrs.h>
#include <linux/ethtool.h>
#include <linux/if_addr.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "../fd.h"
#include "gateway.h"

/* ---- what an interface is ---- */

static bool begins_with_any(const char *name, const char *const *words, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (strncmp(name, words[i], strlen(words[i])) == 0)
			return true;
	return false;
}

/* Made for containers, virtual machines or tunnels: by what its driver is called, or by its
 * name where a driver does not tell. */
static bool is_bridge(int sock, const char *name)
{
	static const char *const drivers[] = { "bridge", "veth", "tun", "openvswitch", "vxlan" };
	static const char *const names[] = {
		"docker", "br-", "virbr", "vnet", "vmnet", "vboxnet", "lxc", "lxd", "podman", "cni",
	};
	struct ethtool_drvinfo info = { .cmd = ETHTOOL_GDRVINFO };
	struct ifreq request = { .ifr_data = (void *)&info };

	if (begins_with_any(name, names, sizeof names / sizeof *names))
		return true;
	snprintf(request.ifr_name, sizeof request.ifr_name, "%s", name);
	if (ioctl(sock, SIOCETHTOOL, &request) < 0)
		return false;
	info.driver[sizeof info.driver - 1] = '\0';
	return begins_with_any(info.driver, drivers, sizeof drivers / sizeof *drivers);
}

/* ---- what an address is ---- */

#define IPV6_LINES_MAX 256u

/* The IPv6 addresses that are not to be used, which getifaddrs(3) does not tell. */
struct unfit {
	size_t n;
	uint8_t ip[IPV6_LINES_MAX][16];
};

static bool parse_hex_ip(const char *hex, uint8_t ip[static 16])
{
	for (size_t i = 0; i < 16; i++) {
		unsigned int byte;

		if (sscanf(hex + 2 * i, "%2x", &byte) != 1)
			return false;
		ip[i] = (uint8_t)byte;
	}
	return true;
}

static void find_unfit(struct unfit *ret)
{
	const unsigned int bad = IFA_F_TEMPORARY | IFA_F_DEPRECATED | IFA_F_TENTATIVE |
				 IFA_F_DADFAILED;
	FILE *f = fopen("/proc/net/if_inet6", "re");
	char line[128], hex[33];
	unsigned int flags;

	ret->n = 0;
	while (f && fgets(line, sizeof line, f) && ret->n < IPV6_LINES_MAX) {
		if (sscanf(line, "%32s %*x %*x %*x %x", hex, &flags) == 2 && flags & bad &&
		    strlen(hex) == 32 && parse_hex_ip(hex, ret->ip[ret->n]))
			ret->n++;
	}
	if (f)
		fclose(f);
}

static bool is_unfit(const struct unfit *unfit, const struct address *a)
{
	for (size_t i = 0; a->family == 6 && i < unfit->n; i++)
		if (memcmp(unfit->ip[i], a->ip, 16) == 0)
			return true;
	return false;
}

static bool is_useful(const struct address *a)
{
	enum address_scope scope = address_scope(a);

	return scope == SCOPE_PRIVATE || scope == SCOPE_SHARED || scope == SCOPE_GLOBAL;
}

/* Ones from the left; 255 for no netmask. */
static uint8_t count_bits(const struct sockaddr *mask, size_t ip_bytes)
{
	size_t len = ip_bytes == 4 ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6);
	struct address a;
	uint8_t bits = 0;

	if (!mask || address_from_sockaddr(mask, (socklen_t)len, &a) < 0)
		return (uint8_t)(ip_bytes * 8);
	while (bits < ip_bytes * 8 && a.ip[bits / 8] & 0x80 >> bits % 8)
		bits++;
	return bits;
}

/* ---- the list ---- */

struct ranked {
	struct punch_local local;
	unsigned int rank;
	size_t order;		/* the kernel's */
};

static int compare(const void *a, const void *b)
{
	const struct ranked *x = a, *y = b;

	if (x->rank != y->rank)
		return x->rank < y->rank ? -1 : 1;
	return x->order < y->order ? -1 : x->order > y->order;
}

/* Whether ifa is one for the list; *ret without its port. */
static bool look_at(const struct ifaddrs *ifa, const struct unfit *unfit, const char *real,
		    int sock, struct ranked *ret)
{
	struct ranked r = { 0 };
	struct address *a = &r.local.address;
	size_t len;

	if (!ifa->ifa_addr || !(ifa->ifa_flags & IFF_UP) || ifa->ifa_flags & IFF_LOOPBACK)
		return false;
	len = ifa->ifa_addr->sa_family == AF_INET ? sizeof(struct sockaddr_in) :
						    sizeof(struct sockaddr_in6);
	if (address_from_sockaddr(ifa->ifa_addr, (socklen_t)len, a) < 0 || !is_useful(a) ||
	    is_unfit(unfit, a))
		return false;
	r.local.prefix_bits = count_bits(ifa->ifa_netmask, address_ip_bytes(a));
	/* inside a container the way out is such an interface, too */
	if (strcmp(ifa->ifa_name, real) != 0)
		r.rank = 2;
	if (r.rank > 0 && is_bridge(sock, ifa->ifa_name)) {
		r.local.bridge = true;
		r.rank = 4;
	}
	/* of IPv4 addresses there are few, so that both families have their place */
	r.rank += a->family == 6;
	*ret = r;
	return true;
}

int locals_find(struct locals *ret, uint16_t port, bool v4, bool v6)
{
	enum { MANY = 256 };
	_cleanup_close_ int sock = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct gateway gateway = { 0 };
	struct ranked ranked[MANY];
	struct ifaddrs *all = NULL;
	struct unfit unfit;
	size_t n = 0;

	if (getifaddrs(&all) < 0)
		return -errno;
	(void)gateway_find(&gateway);	/* without one no interface is the real one */
	find_unfit(&unfit);
	for (struct ifaddrs *ifa = all; ifa && n < MANY; ifa = ifa->ifa_next) {
		if (!look_at(ifa, &unfit, gateway.interface, sock, &ranked[n]) ||
		    (ranked[n].local.address.family == 4 ? !v4 : !v6))
			continue;
		ranked[n].local.address.port = port;
		ranked[n].order = n;
		n++;
	}
	freeifaddrs(all);
	qsort(ranked, n, sizeof *ranked, compare);
	memset(ret, 0, sizeof *ret);
	for (size_t i = 0; i < n && i < PUNCH_LOCALS_MAX; i++)
		ret->list[ret->n++] = ranked[i].local;
	return 0;
}

bool locals_equal(const struct locals *a, const struct locals *b)
{
	if (a->n != b->n)
		return false;
	for (size_t i = 0; i < a->n; i++) {
		const struct punch_local *x = &a->list[i], *y = &b->list[i];

		if (!address_equal(&x->address, &y->address) || x->prefix_bits != y->prefix_bits ||
		    x->bridge != y->bridge)
			return false;
	}
	return true;
}

/* ---- changes ---- */

int locals_watch(void)
{
	struct sockaddr_nl sa = {
		.nl_family = AF_NETLINK,
		.nl_groups = RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR |
			     RTMGRP_IPV4_ROUTE,
	};
	_cleanup_close_ int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC,
					NETLINK_ROUTE);

	if (fd < 0 || bind(fd, (struct sockaddr *)&sa, sizeof sa) < 0)
		return -errno;
	return fd_steal(&fd);
}

int locals_drain(int watch)
{
	char buf[8192];		/* what it says is not read: the whole list is, anew */
	ssize_t n;

	do
		n = recv(watch, buf, sizeof buf, MSG_DONTWAIT);
	while (n > 0 || (n < 0 && (errno == EINTR || errno == ENOBUFS)));
	return n < 0 && errno != EAGAIN ? -errno : 0;
}
