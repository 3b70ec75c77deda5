/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The default route of gateway.h, as the kernel lists it.
 */
#include "gateway.h"

#include <errno.h>
#include <inttypes.h>
#include <net/route.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "../fd.h"

/* Which of our addresses the kernel takes for datagrams to there. */
static int local_towards(const struct address *to, struct address *ret)
{
	struct address there = *to;
	struct sockaddr_storage sa;
	socklen_t len = sizeof sa;
	_cleanup_close_ int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int r;

	if (fd < 0)
		return -errno;
	there.port = 9;		/* nothing is sent: connect(2) wants a port */
	if (connect(fd, (struct sockaddr *)&sa, address_to_sockaddr(&there, &sa)) < 0 ||
	    getsockname(fd, (struct sockaddr *)&sa, &len) < 0)
		return -errno;
	r = address_from_sockaddr((struct sockaddr *)&sa, len, ret);
	if (r == 0)
		ret->port = 0;
	return r;
}

/* One line of /proc/net/route; its metric, or -1 when it is no default route. */
static int64_t parse_route(const char *line, struct gateway *ret)
{
	char interface[IF_NAMESIZE];
	uint32_t destination, gateway, mask;
	unsigned int flags, metric;

	if (sscanf(line, "%15s %" SCNx32 " %" SCNx32 " %x %*s %*s %u %" SCNx32, interface,
		   &destination, &gateway, &flags, &metric, &mask) != 6)
		return -1;
	if (destination != 0 || mask != 0 || gateway == 0 ||
	    (flags & (RTF_UP | RTF_GATEWAY)) != (RTF_UP | RTF_GATEWAY))
		return -1;
	*ret = (struct gateway){ .address.family = 4 };
	/* the kernel prints the word as it is in memory */
	memcpy(ret->address.ip, &gateway, sizeof gateway);
	memcpy(ret->interface, interface, sizeof interface);
	return metric;
}

int gateway_find(struct gateway *ret)
{
	struct gateway best, one;
	int64_t best_metric = INT64_MAX, metric;
	char line[256];
	FILE *f = fopen("/proc/net/route", "re");
	int r;

	if (!f)
		return -errno;
	while (fgets(line, sizeof line, f)) {
		metric = parse_route(line, &one);
		if (metric >= 0 && metric < best_metric) {
			best = one;
			best_metric = metric;
		}
	}
	fclose(f);
	if (best_metric == INT64_MAX)
		return -ENETUNREACH;
	r = local_towards(&best.address, &best.local);
	if (r < 0)
		return r;
	*ret = best;
	return 0;
}
