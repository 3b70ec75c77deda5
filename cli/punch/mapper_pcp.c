/* SPDX-License-Identifier: Apache-2.0 */
/*
 * PCP in the mapper: one MAP request and its answer.
 */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

#include "../fd.h"
#include "carry.h"
#include "mapper.h"
#include "udp.h"

/* The RFC's first retransmission after 3 s is for permanent clients; a router of this network
 * answers within some milliseconds, and NAT-PMP's, which most of them speak too, is 250 ms. */
#define AGAIN_MS 250

static int open_to(const struct mapper *m, int *ret)
{
	struct address server = m->gateway.address;
	struct sockaddr_storage sa;
	_cleanup_close_ int fd = -1;
	socklen_t len;

	fd = udp_open(&m->gateway.local, OUTPUT_BIND_ANY, NULL);
	if (fd < 0)
		return fd;
	/* connected, so that a closed port is told, and nobody else heard */
	server.port = PCP_SERVER_PORT;
	len = address_to_sockaddr(&server, &sa);
	if (connect(fd, (struct sockaddr *)&sa, len) < 0)
		return -errno;
	*ret = fd_steal(&fd);
	return 0;
}

/* -EAGAIN: no answer of ours within so long. */
static int await(int fd, const struct pcp_wish *wish, int ms, struct pcp_answer *ret)
{
	uint64_t due_us = carry_now_us() + (uint64_t)ms * 1000;
	struct pollfd p = { .fd = fd, .events = POLLIN };
	uint8_t packet[PCP_MESSAGE_MAX + 1];

	for (;;) {
		ssize_t n;
		int r = poll(&p, 1, mapper_left_ms(due_us));

		if (r == 0)
			return -EAGAIN;
		n = recv(fd, packet, sizeof packet, MSG_DONTWAIT);
		if (n < 0 && errno != EAGAIN && errno != EINTR)
			return -errno;
		r = n > 0 ? pcp_get(packet, (size_t)n, ret) : -EPROTO;
		if (r == -EPROTONOSUPPORT || (r == 0 && pcp_answers(ret, wish)))
			return r;
	}
}

/* Ask until there is an answer, or the time is over. */
static int exchange(const struct mapper *m, const struct pcp_wish *wish, int limit_ms,
		    struct pcp_answer *ret)
{
	uint64_t due_us = carry_now_us() + (uint64_t)limit_ms * 1000;
	_cleanup_close_ int fd = -1;
	uint8_t packet[PCP_MAP_BYTES];
	size_t len = pcp_put_map(wish, packet);
	int r = open_to(m, &fd), left;

	while (r == 0 && (left = mapper_left_ms(due_us)) > 0) {
		if (send(fd, packet, len, MSG_DONTWAIT) < 0)
			return -errno;
		r = await(fd, wish, left < AGAIN_MS ? left : AGAIN_MS, ret);
		if (r != -EAGAIN)
			return r;
		r = 0;
	}
	return r < 0 ? r : -ETIMEDOUT;
}

static struct pcp_wish wish_of(const struct mapper *m, uint32_t lifetime_s)
{
	struct pcp_wish wish = {
		.lifetime_s = lifetime_s,
		.internal = m->gateway.local,
		.external = m->external,
	};

	memcpy(wish.nonce, m->nonce, sizeof wish.nonce);
	wish.internal.port = m->port;
	return wish;
}

static int ask(struct mapper *m)
{
	struct pcp_wish wish = wish_of(m, MAPPER_LEASE_S);
	struct pcp_answer answer;
	int r;

	if (wish.external.family == 0) {
		/* the same port, if it is free: any NAT further out then sees an even hand */
		wish.external.family = 4;
		wish.external.port = m->port;
	}
	r = exchange(m, &wish, MAPPER_ASK_MS, &answer);
	m->silent = r == -ETIMEDOUT;
	if (r < 0)
		return r;
	if (answer.result != PCP_SUCCESS || answer.lifetime_s == 0)
		return -EACCES;
	if (!mapper_is_useful(&answer.external)) {
		wish.lifetime_s = 0;
		(void)exchange(m, &wish, MAPPER_RELEASE_MS, &answer);
		return -EADDRNOTAVAIL;
	}
	m->external = answer.external;
	/* a longer lease than was asked for is not waited for */
	m->lease_s = answer.lifetime_s < MAPPER_LEASE_S ? answer.lifetime_s : MAPPER_LEASE_S;
	return 0;
}

static void release(struct mapper *m)
{
	struct pcp_wish wish = wish_of(m, 0);
	struct pcp_answer answer;

	/* "to delete, the suggested address and port are zero" (section 15.1) */
	wish.external = (struct address){ 0 };
	(void)exchange(m, &wish, MAPPER_RELEASE_MS, &answer);
}

const struct mapper_protocol mapper_pcp = { MAPPING_PCP, ask, release };
