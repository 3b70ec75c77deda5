/* SPDX-License-Identifier: Apache-2.0 */
/*
 * References: handles of our choice, bound in the broker by FIND, SERVE or PLACE, and bound
 * again on every new connection until they are broken or released.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "wire/protocol.h"

struct in_request;
struct intro;

enum in_binding {
	IN_BINDING,		/* asked for, no answer on this connection yet */
	IN_BOUND,
	IN_ABSENT,		/* FIND: not there, but waited for; asked for again when used */
	IN_BROKEN,
};

struct intro_ref {
	struct intro *in;
	uint32_t handle;	/* from 1 */
	uint16_t type;		/* WIRE_FIND, _SERVE, _PLACE, _LEND, _CLAIM or _RESTORE */
	enum in_binding state;
	int error;		/* why it is broken */
	bool announced;		/* the caller counts on it: its end is an event of its own */
	struct in_request *bind; /* borrowed; NULL unless IN_BINDING */
	unsigned int types;	/* SERVE: bits (1 << SOCK_x) */
	unsigned int batch;	/* SERVE: 1 to 16 */
	bool fetch;		/* SERVE */
	int dir;		/* PLACE: owned O_PATH of the directory; else -1 */
	bool leash;		/* SERVE */
	char *uri;		/* owned: what it was restored by, or saved as; else NULL */
	struct in_lending *lending; /* owned: LEND, CLAIM; else NULL */
	struct intro_info *info;    /* owned; NULL: not asked for */
	char file[WIRE_NAME_MAX + 1];
	char name[WIRE_NAME_MAX + 1];
};

struct in_references {
	struct intro_ref **slot;	/* by handle - 1 */
	uint32_t size;
	uint32_t free;			/* no slot before this one is free */
};

void in_references_clear(struct in_references *refs);

/* The reference of a handle, or NULL. */
struct intro_ref *in_reference_find(const struct intro *in, uint32_t handle);

/* A reference without a binding yet. 0 or a negative errno. */
int in_reference_new(struct intro *in, uint16_t type, const char *name, struct intro_ref **ret);

/* Ask for its first binding; on failure it is gone. The request's number or a negative errno. */
int in_reference_start(struct intro *in, struct intro_ref *ref, struct intro_ref **ret);

/* One that was never asked for is gone again. */
void in_reference_discard(struct intro *in, struct intro_ref *ref);

/* The request that binds it, made when there is none. NULL: no memory. */
struct in_request *in_reference_bind(struct intro *in, struct intro_ref *ref);

/* Ask for its binding. The request's number, or a negative errno. */
int in_reference_ask(struct intro *in, struct intro_ref *ref);

/* It is bound. */
void in_reference_bound(struct intro_ref *ref);

/* The name that it stands for is not there now, and somebody waits for it. */
void in_reference_absent(struct intro_ref *ref);

/* It is dead: an event, if the caller counted on it. 0 or -ENOMEM. */
int in_reference_broken(struct intro *in, struct intro_ref *ref, int error);

/* The socket is gone: nothing is bound. True when any should be, on another one. */
bool in_references_unbind(struct intro *in);

/* There will be no other: all are dead. */
void in_references_break(struct intro *in, int error);
