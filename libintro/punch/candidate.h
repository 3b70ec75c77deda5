/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Candidates: addresses at which one end may be reached (RFC 8445's words), and whether we send
 * anything to one that the other end names.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "address.h"
#include "etiquette.h"

struct punch_local;

enum candidate_kind {
	CANDIDATE_HOST = 1,
	CANDIDATE_REFLEXIVE,	/* as a STUN server sees it */
	CANDIDATE_MAPPED,	/* a router was asked for it */
};

struct candidate {
	enum candidate_kind kind;
	struct address address;
};

struct candidates {
	struct candidate list[ETIQUETTE_CANDIDATES];
	size_t n;
};

/* Appends unless it is there or the list is full. */
void candidates_add(struct candidates *c, enum candidate_kind kind, const struct address *a);

/* The host's own addresses, best first: global, then private, bridges last of all. port[0] is
 * for IPv4, port[1] for IPv6; 0: no socket of that family. */
void candidates_add_hosts(struct candidates *c, const struct punch_local *locals, size_t n,
			  const uint16_t port[static 2]);

const struct candidate *candidates_find(const struct candidates *c, enum candidate_kind kind,
					unsigned int family);

/* Whether the other end's candidate may be sent to. Never loopback, link-local, multicast, the
 * broadcast address of a network of ours, or none; private and shared addresses where one of our
 * own networks has them, or where both ends are seen with the same external address and we have
 * one of that scope ourselves (behind one NAT, in networks of its inside). */
bool candidate_allowed(const struct address *a, const struct punch_local *locals, size_t n,
		       bool same_external);

/* Whether both addresses are of one network of ours, or of one inside. */
bool candidate_is_lan(const struct address *a, const struct punch_local *locals, size_t n);
