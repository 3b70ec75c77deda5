/* SPDX-License-Identifier: Apache-2.0 */
/*
 * NAT-PMP (RFC 6886) in the mapper, by libnatpmp.
 */
#include <errno.h>
#include <natpmp.h>
#include <poll.h>
#include <string.h>

#include "carry.h"
#include "mapper.h"

/* Of the request that was sent last, with libnatpmp's retransmissions. */
static int await(natpmp_t *pmp, uint16_t type, int limit_ms, natpmpresp_t *ret)
{
	uint64_t due_us = carry_now_us() + (uint64_t)limit_ms * 1000;
	int r;

	for (;;) {
		struct pollfd p = { .fd = pmp->s, .events = POLLIN };
		struct timeval again = { 0 };
		int left = mapper_left_ms(due_us), wait;

		if (left == 0)
			return -ETIMEDOUT;
		getnatpmprequesttimeout(pmp, &again);
		wait = (int)(again.tv_sec * 1000 + again.tv_usec / 1000);
		poll(&p, 1, wait < 0 ? 0 : wait < left ? wait : left);
		r = readnatpmpresponseorretry(pmp, ret);
		if (r == 0 && ret->type == type)
			return 0;
		if (r < 0 && r != NATPMP_TRYAGAIN)
			return r == NATPMP_ERR_NOTAUTHORIZED ? -EACCES : -ECONNREFUSED;
	}
}

static int ask_address(natpmp_t *pmp, int limit_ms, struct address *ret)
{
	natpmpresp_t answer;
	int r;

	if (sendpublicaddressrequest(pmp) < 0)
		return -ENETUNREACH;
	r = await(pmp, NATPMP_RESPTYPE_PUBLICADDRESS, limit_ms, &answer);
	if (r < 0)
		return r;
	*ret = (struct address){ .family = 4 };
	memcpy(ret->ip, &answer.pnu.publicaddress.addr, 4);
	return 0;
}

static int ask_mapping(natpmp_t *pmp, const struct mapper *m, uint32_t lease_s, int limit_ms,
		       natpmpresp_t *ret)
{
	uint16_t wanted = lease_s == 0 ? 0 : m->external.port ? m->external.port : m->port;

	if (sendnewportmappingrequest(pmp, NATPMP_PROTOCOL_UDP, m->port, wanted, lease_s) < 0)
		return -ENETUNREACH;
	return await(pmp, NATPMP_RESPTYPE_UDPPORTMAPPING, limit_ms, ret);
}

static int start(natpmp_t *pmp, const struct mapper *m)
{
	in_addr_t gateway;

	memcpy(&gateway, m->gateway.address.ip, sizeof gateway);
	return initnatpmp(pmp, 1, gateway) < 0 ? -ENETUNREACH : 0;
}

static int ask(struct mapper *m)
{
	struct address external;
	natpmpresp_t answer;
	natpmp_t pmp;
	int r = start(&pmp, m);

	if (r < 0)
		return r;
	r = ask_address(&pmp, m->silent ? MAPPER_ASK_MS / 2 : MAPPER_ASK_MS, &external);
	if (r == 0)
		r = ask_mapping(&pmp, m, MAPPER_LEASE_S, MAPPER_ASK_MS, &answer);
	if (r == 0) {
		external.port = answer.pnu.newportmapping.mappedpublicport;
		if (answer.pnu.newportmapping.privateport != m->port ||
		    answer.pnu.newportmapping.lifetime == 0) {
			r = -EPROTO;
		} else if (!mapper_is_useful(&external)) {
			(void)ask_mapping(&pmp, m, 0, MAPPER_RELEASE_MS, &answer);
			r = -EADDRNOTAVAIL;
		}
	}
	closenatpmp(&pmp);
	if (r < 0)
		return r;
	m->external = external;
	m->lease_s = answer.pnu.newportmapping.lifetime < MAPPER_LEASE_S ?
			     answer.pnu.newportmapping.lifetime : MAPPER_LEASE_S;
	return 0;
}

static void release(struct mapper *m)
{
	natpmpresp_t answer;
	natpmp_t pmp;

	if (start(&pmp, m) < 0)
		return;
	(void)ask_mapping(&pmp, m, 0, MAPPER_RELEASE_MS, &answer);
	closenatpmp(&pmp);
}

const struct mapper_protocol mapper_nat_pmp = { MAPPING_NAT_PMP, ask, release };
