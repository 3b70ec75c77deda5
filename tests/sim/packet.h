/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A UDP datagram on its way through simulated NATs and links, and what became of it. Plain
 * values, for the simulator and for the kernel lab's box, which reads and writes real ones.
 */
#pragma once

#include <stdint.h>
#include <string.h>

#include "../../libintro/punch/address.h"

#define SIM_PACKET_BYTES 1472u		/* of payload: an Ethernet frame's, over IPv4 */
#define SIM_TTL 64u			/* as hosts send them */

/* Only the first len bytes of bytes are ever written, read or copied. */
struct sim_packet {
	struct address src, dst;
	uint32_t id;		/* the simulator's number for it; copies have the same */
	uint16_t len;		/* bytes of payload */
	uint8_t ttl;
	uint8_t bytes[SIM_PACKET_BYTES];
};

enum sim_verdict {
	SIM_FORWARD,		/* on to the next one; for a link: it comes out */
	SIM_HAIRPIN,		/* a NAT's: back to where it came from, both addresses translated */
	SIM_DELIVERED,		/* to a socket */
	SIM_DROP_TTL,
	SIM_DROP_UNSOLICITED,	/* no mapping has this external port */
	SIM_DROP_POISON,	/* the same, and the NAT now remembers it as a flow of its own */
	SIM_DROP_FILTERED,	/* there is a mapping, which lets others in */
	SIM_DROP_HAIRPIN,	/* to the NAT's own external address, from inside */
	SIM_DROP_PORTS,		/* no external port was free */
	SIM_DROP_LIMIT,		/* the host has its fill of flows */
	SIM_DROP_FLOOD,		/* the host is punished for its many new flows */
	SIM_DROP_LOSS,
	SIM_DROP_QUEUE,
	SIM_DROP_MTU,
	SIM_DROP_ROUTE,		/* nobody has this address */
	SIM_DROP_CLOSED,	/* no socket has this port */
	SIM_VERDICTS,
};

/* "forwarded", "filtered", ... */
const char *sim_verdict_word(enum sim_verdict verdict);

static inline void sim_packet_copy(struct sim_packet *to, const struct sim_packet *from)
{
	memcpy(to, from, offsetof(struct sim_packet, bytes) + from->len);
}

/* With its IP and UDP headers. */
static inline uint32_t sim_packet_wire_bytes(const struct sim_packet *p)
{
	return p->len + (p->dst.family == 6 ? 48u : 28u);
}
