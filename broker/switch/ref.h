/* SPDX-License-Identifier: Apache-2.0 */
/*
 * References: they designate a service and are the permission to be introduced to it. They
 * form trees. At a root is the service itself, all below are narrower children: what a door
 * grants (grant.h), what somebody lent (lent.h). What connections hold of them are handles
 * (handle.h).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct door;
struct live;
struct service;

#define REF_UNLIMITED UINT32_MAX

/* How far a reference may be from its service. What is asked of one may ask all above it. */
#define REF_DEPTH_MAX 32u

enum ref_kind { REF_SERVICE, REF_GRANT, REF_LENT };

/* There may be very many: each byte here is one of each. */
struct ref {
	struct ref *children;		/* the newest first */
	struct ref *next, **at;		/* among its parent's children */
	struct handle *handles;
	struct live *live;		/* owned: sessions that are counted or leashed; or NULL */
	uint64_t id;			/* names it while the broker lives; a child's is greater */
	/* what an introduction touches, last, as in a service */
	struct ref *parent;		/* NULL: a service's root */
	struct service *service;
	char *label;			/* joined with those above it; NULL: none */
	uint64_t expires_usec;		/* CLOCK_BOOTTIME, never after its parent's; UINT64_MAX: never */
	uint32_t uses;			/* left; REF_UNLIMITED */
	uint8_t rights;			/* enum wire_right bits, none that its parent has not */
	uint8_t kind;			/* enum ref_kind */
	uint8_t depth;			/* of a root 0 */
	bool own_label : 1;		/* label is not the parent's */
	bool counted : 1;		/* it, or one above it, has uses */
	bool tracked : 1;		/* it, or one above it, has sessions, or a leash */
	bool leashed : 1;		/* it, or one above it, has a leash */
	bool saved : 1;			/* more uses may be had from the store (sturdy.h) */
};

/* What narrows a child. A term that says more than the parent's is the parent's. */
struct terms {
	uint64_t expires_usec;
	uint32_t rights;
	uint32_t uses;
	uint32_t sessions;	/* at once */
	bool leash;
	const char *label;	/* NULL or "": none of its own */
};

#define TERMS_NONE ((struct terms){                                                       \
	.expires_usec = UINT64_MAX, .rights = RIGHTS_ALL, .uses = REF_UNLIMITED,          \
	.sessions = REF_UNLIMITED })

/* A service's root: all rights and no end. */
void ref_init_root(struct ref *ref, struct service *service);

/* A child whose terms are the narrower of both. 0, -ENOMEM, -ELOOP (too deep), -ENAMETOOLONG
 * (the labels together). */
int ref_init_child(struct ref *ref, enum ref_kind kind, struct ref *parent,
		   const struct terms *terms);

/* The reference is dead, and all that was made from it: holders are told why, once each, and
 * it leaves its parent. Its own object stays its owner's to free. */
void ref_break(struct ref *ref, int error);

/* End a grant or a lent reference, whichever it is: ref_break(), and the object is freed. */
void ref_end(struct ref *ref, int error);

/* A handle or a child of it has gone: end it where nobody can use it any more. */
void ref_settle(struct ref *ref);

/* May it be used for this now? 0, -EACCES, -EKEYEXPIRED, -EDQUOT (no uses left), -EAGAIN (some
 * are on their way), -EUSERS (no more sessions at once). */
int ref_check(struct ref *ref, uint32_t right);

/* Count one introduction against it and all that it was made from: before anybody gets a
 * socket, so that our death may burn a use, and never adds one. And take that back. */
void ref_use(struct ref *ref);
void ref_unuse(struct ref *ref);

/* Its own part of the label; NULL: none. */
const char *ref_own_label(const struct ref *ref);

/* What the nearest door above it calls it; the service's name where there is none. */
const char *ref_name(const struct ref *ref);

/* Who made it, and those that it was made from, the service first: a line each, of which only
 * the broker writes any. At most size bytes with the final zero. */
void ref_provenance(const struct ref *ref, char *out, size_t size);

/* The uses left of it and of all above it; REF_UNLIMITED. */
uint32_t ref_uses_left(const struct ref *ref);

/* The reference of an id, or NULL. Looks at all: for administration. */
struct ref *ref_by_id(uint64_t id);
