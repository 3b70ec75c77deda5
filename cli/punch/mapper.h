/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside the mapper process (mapping.c): what the three protocols have in common. Everything
 * here blocks, for as long as it says.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "../../libintro/punch/pcp.h"
#include "gateway.h"
#include "mapping.h"

/* Short, so that a mapping does not survive its host by long; renewed at half. */
#define MAPPER_LEASE_S 120u
/* How long to wait for an answer: PCP asks twice in this. NAT-PMP goes to the same port: where
 * PCP heard nothing, not even "refused", it has half of it. All three so end within 2 s. */
#define MAPPER_ASK_MS 500
/* How long to wait for the answer to what gives a mapping back. */
#define MAPPER_RELEASE_MS 500

struct mapper;

/* One protocol. Functions return 0 or a negative errno. */
struct mapper_protocol {
	unsigned int method;
	/* Ask for a mapping, or renew the one that m->external says; sets m->external and
	 * m->lease_s. */
	int (*ask)(struct mapper *m);
	void (*release)(struct mapper *m);
};

struct mapper {
	struct gateway gateway;
	uint16_t port;			/* ours */
	uint8_t nonce[PCP_NONCE_BYTES];
	bool silent;			/* nothing at all came from the gateway's PCP port */
	const struct mapper_protocol *protocol;	/* NULL: nothing is mapped */
	struct address external;
	uint32_t lease_s;
	char *control_url, *service;	/* UPnP: whom to tell; NULL before it is known */
};

extern const struct mapper_protocol mapper_pcp, mapper_nat_pmp, mapper_upnp;

/* Whether an external address that a router told can lead anywhere. One that is private can:
 * to whoever is behind the same outer NAT. */
bool mapper_is_useful(const struct address *external);

/* Milliseconds until due_us, at least 0. */
int mapper_left_ms(uint64_t due_us);
