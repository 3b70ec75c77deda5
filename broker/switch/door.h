/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Doors: a directory with a broker socket (intro.sock) and one socket per granted name. What
 * comes through a door is known by the door. Made from the configuration or at run time;
 * the directory keeps its inode, since containers have it mounted.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "account.h"
#include "list.h"
#include "source.h"
#include "table.h"

struct ref;

enum origin { ORIGIN_CONFIG = 1, ORIGIN_RUNTIME = 2, ORIGIN_BUILTIN = 3 };

/* An enclosure is a door, too: one without a directory, to a set of names that somebody who came
 * through another door has put together (enclosure.h). It is known by that door's name. */

struct door {
	struct source listener;		/* intro.sock */
	struct account account;
	struct user nobody;		/* charged where the door's own account is what limits */
	struct door *within;		/* an enclosure's: that is charged for it, with the */
	struct user *user;		/* user; NULL: a door of its own */
	struct list enclosures;		/* in_board of those within it */
	struct list in_board;
	struct list conns;
	struct table grants;		/* by name */
	struct list grant_list;
	uint32_t aliases;		/* grants whose file has another name than they */
	struct list unnamed_waits;	/* for names that are not granted (yet) */
	int dir;			/* -1: none */
	int export_dir;			/* -1: none */
	uint64_t id;
	uint64_t entry;			/* the parent's */
	uint32_t round;			/* the last configuration that named it */
	enum origin origin;
	bool open;			/* sees every service, may serve any name */
	bool admin;			/* control.sock */
	bool by_uid;			/* many share it: its clients' uids are charged */
	bool full;			/* its listener waits for a connection to end */
	bool external;			/* its directory is not ours to make */
	bool activated;			/* its listener is the service manager's: it stays */
	char name[65];
};

/* Whose account is charged for what comes through it. */
static inline struct door *door_charged(struct door *door)
{
	return door->within ? door->within : door;
}

/* A door of no kind yet; NULL when out of memory. */
struct door *door_alloc(const char *name);

/* The descriptor table has no room for another stranger's connection. */
bool door_table_full(void);

struct door *door_find(const char *name);

/* Make a door that is not there yet: directory and listener included. dir: -1, or the
 * directory to use instead of BASE/doors/NAME (taken over); listener: -1, or one that was
 * kept (taken over). 0, -EINVAL, -EEXIST or what the directory gave. */
struct door_options {
	const char *name;
	enum origin origin;
	bool open, exports, external, activated;
	int dir, listener;
	uint64_t entry;		/* 0: a new one */
};
int door_new(const struct door_options *options, struct door **ret);

/* The door control.sock stands for. listener: -1, or one from before (taken over). */
int door_new_control(int listener, bool activated, struct door **ret);

/* Everything in it ends: its connections, grants and files. The directory stays, empty. */
void door_remove(struct door *door);

/* A connection of it has ended, or it may have more: accept again where that was the limit. */
void door_room(struct door *door);

/* Unlink its socket files (the broker stops). */
void door_unlink(struct door *door);

/* Is this file in its directory the broker's socket, or a grant's? */
bool door_has_file(const struct door *door, const char *file);

/* The reference that a name designates through this door, or NULL. make: an open door makes
 * the service when it is not there. */
struct ref *door_resolve(struct door *door, const char *name, bool make);

/* Set or fetch a directory's listing paths: "BASE/doors/NAME". Returns out. */
const char *door_path(const struct door *door, char *out, size_t size);
