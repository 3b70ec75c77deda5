/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Grants: a petname for a reference inside one door, and the socket file that stands for it
 * there. The file is a listener of ours, or a link to the server's own socket (placed).
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "burst.h"
#include "door.h"
#include "list.h"
#include "ref.h"
#include "source.h"
#include "timer.h"

struct service;

struct grant {
	struct ref ref;
	struct source listener;	/* its path socket; .fd -1: none */
	struct door *door;
	struct list in_door, in_service;
	struct list in_retries;	/* of accept_retries */
	struct timer expiry;
	uint64_t entry;		/* the parent's; 0: not kept there */
	uint32_t round;		/* the last configuration that named it */
	uint32_t kept_uses;	/* what the parent would give back */
	enum origin origin;
	bool placed;		/* the file is a link to the server's socket */
	bool inherited;		/* made by the last switch: left alone until somebody serves */
	bool given;		/* the listener is somebody else's now: never accept on it */
	char name[65];
	uint8_t name_len;
	struct burst burst;	/* of its listener */
	char file[65];
};

struct grant_options {
	const char *name, *service, *file;
	struct ref *parent;	/* NULL: the service itself */
	struct terms terms;
	enum origin origin;
	int listener;		/* -1, or one that was kept (taken over) */
	bool given;		/* and had been given away */
	bool placed;		/* the file is the last switch's link to the server's socket */
	uint64_t entry;		/* 0: a new one */
};

struct grant *grant_find(const struct door *door, const char *name);

/* Does this file in the door stand for a grant? */
bool grant_has_file(const struct door *door, const char *file);

/* Put a reference into a door. 0, -EINVAL, -EEXIST (name or file), -EDQUOT, -ENOMEM, what
 * ref_init_child() says or the directory gave. */
int grant_new(struct door *door, const struct grant_options *options, struct grant **ret);

/* The grant that the parent process knows by this number, or NULL. */
struct grant *grant_by_entry(uint64_t entry);

/* Take it out again. error: what the holders of its reference are told. */
void grant_free(struct grant *grant, int error);

/* Bring its file and listener in line with what stands behind its service now. */
void grant_update(struct grant *grant);

/* Its listener has been given to whoever serves it: it is neither polled nor accepted on here
 * again. Once that one is gone, the next update binds a new listener. */
void grant_give(struct grant *grant);
void grant_reclaim(struct grant *grant);

/* Nobody has come back for what the last switch had left to its service: it is ours again. */
void grant_unclaimed(struct grant *grant);

/* A listener for its file, bound anew in the door. Used where the old one was given away or
 * replaced by a link. 0 or a negative errno. */
int grant_listen(struct grant *grant);
