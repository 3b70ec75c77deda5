/* SPDX-License-Identifier: Apache-2.0 */
/*
 * References: they designate a service and are the permission to be introduced to it. A
 * service has a root reference; a grant in a door is a child of it with narrower terms.
 * Handles are what connections hold of them.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "list.h"

struct conn;
struct service;

#define REF_UNLIMITED UINT32_MAX

struct ref {
	struct list children, sibling;
	struct list handles;
	/* what an introduction touches, last, as in a service */
	struct ref *parent;	/* NULL: a service's root */
	struct service *service;
	char *label;		/* owned; NULL: none */
	uint64_t expires_usec;	/* CLOCK_BOOTTIME; UINT64_MAX: never */
	uint32_t rights;
	uint32_t uses;		/* left; REF_UNLIMITED */
};

/* A reference as one connection holds it, by a number of that client's choice. */
struct handle {
	struct conn *conn;
	struct ref *ref;
	struct exporter *exporter;	/* owned; it serves through this handle */
	struct placement *placement;	/* owned; it placed through this handle */
	struct list in_ref;
	uint32_t id;
};

/* What narrows a child. Unset terms are the parent's. */
struct terms {
	uint32_t rights;
	uint32_t uses;
	uint64_t expires_usec;
	const char *label;
};

void ref_init_root(struct ref *ref, struct service *service);

/* A child whose terms are the narrower of both. 0 or -ENOMEM. */
int ref_init_child(struct ref *ref, struct ref *parent, const struct terms *terms);

/* The reference is dead: its holders are told why, once each, and it leaves its parent. */
void ref_break(struct ref *ref, int error);

/* May it be used for this now? 0, -EACCES, -EKEYEXPIRED or -EDQUOT (no uses left). */
int ref_check(const struct ref *ref, uint32_t right);

/* Count one introduction against it and all that it was made from: before anybody gets a
 * socket, so that our death may burn a use, and never adds one. And take that back. */
void ref_use(struct ref *ref);
void ref_unuse(struct ref *ref);

struct handle *handle_find(const struct conn *conn, uint32_t id);

/* Bind a number to a reference. 0, -EINVAL (zero), -EEXIST, -EDQUOT or -ENOMEM. */
int handle_bind(struct conn *conn, uint32_t id, struct ref *ref, struct handle **ret);

/* Unbind; what was served or placed through it is withdrawn. */
void handle_free(struct handle *handle);
