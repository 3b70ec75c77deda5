/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The candidates of candidate.h. Pure functions.
 */
#include "candidate.h"

#include "bytes.h"
#include "punch.h"

void candidates_add(struct candidates *c, enum candidate_kind kind, const struct address *a)
{
	if (a->family == 0 || a->port == 0 || c->n == ETIQUETTE_CANDIDATES)
		return;
	for (size_t i = 0; i < c->n; i++) {
		if (address_equal(&c->list[i].address, a))
			return;
	}
	c->list[c->n++] = (struct candidate){ .kind = kind, .address = *a };
}

static int rank(const struct punch_local *local)
{
	if (local->bridge)
		return 2;
	return address_scope(&local->address) == SCOPE_GLOBAL ? 0 : 1;
}

static bool usable(const struct address *a)
{
	enum address_scope scope = address_scope(a);

	return scope == SCOPE_GLOBAL || scope == SCOPE_PRIVATE || scope == SCOPE_SHARED;
}

void candidates_add_hosts(struct candidates *c, const struct punch_local *locals, size_t n,
			  const uint16_t port[static 2])
{
	for (int wanted = 0; wanted <= 2; wanted++) {
		for (size_t i = 0; i < n; i++) {
			struct address a = locals[i].address;

			if (rank(&locals[i]) != wanted || !usable(&a))
				continue;
			a.port = port[a.family == 6];
			candidates_add(c, CANDIDATE_HOST, &a);
		}
	}
}

const struct candidate *candidates_find(const struct candidates *c, enum candidate_kind kind,
					unsigned int family)
{
	for (size_t i = 0; i < c->n; i++) {
		if (c->list[i].kind == kind && c->list[i].address.family == family)
			return &c->list[i];
	}
	return NULL;
}

bool candidate_is_lan(const struct address *a, const struct punch_local *locals, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (address_within(a, &locals[i].address, locals[i].prefix_bits))
			return true;
	}
	return false;
}

/* The first and the last address of an IPv4 network of ours: to all who are in it. */
static bool is_broadcast(const struct address *a, const struct punch_local *locals, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		unsigned int bits = locals[i].prefix_bits;
		uint32_t host = bits < 32 ? UINT32_MAX >> bits : 0;
		uint32_t part = get_be32(a->ip) & host;

		if (a->family == 4 && bits < 31 && (part == 0 || part == host) &&
		    address_within(a, &locals[i].address, bits))
			return true;
	}
	return false;
}

bool candidate_allowed(const struct address *a, const struct punch_local *locals, size_t n,
		       bool same_external)
{
	enum address_scope scope = address_scope(a);

	if (!usable(a) || a->port == 0 || is_broadcast(a, locals, n))
		return false;
	if (scope == SCOPE_GLOBAL || candidate_is_lan(a, locals, n))
		return true;
	for (size_t i = 0; same_external && i < n; i++) {
		if (address_scope(&locals[i].address) == scope &&
		    locals[i].address.family == a->family && !locals[i].bridge)
			return true;
	}
	return false;
}
