/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which broker a verb talks to, and starting the user's when there is none.
 *
 * The order: --door, --base, --system or --user; $INTRO_DOOR; the user's broker if it runs;
 * the system's if it runs; else the user's, started where the verb needs one.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "cli.h"

#define SYSTEM_BASE "/run/introd"
#define SYSTEM_DOOR "/run/intro"
#define WHERE_BYTES 512u	/* a path or "fd:N"; a socket's path is shorter anyway */

/* What the common options said: one for the whole program, since main.c takes them too. */
struct where {
	bool system, user;
	const char *base, *door;
};
extern struct where where;

#define BROKER_OPTIONS                                      \
	{ "system", no_argument, NULL, OPT_SYSTEM },        \
		{ "user", no_argument, NULL, OPT_USER },    \
		{ "base", required_argument, NULL, OPT_BASE }
#define DOOR_OPTIONS BROKER_OPTIONS, { "door", required_argument, NULL, OPT_DOOR }

#define BROKER_HELP                                                          \
	"\nWhich broker (else the user's, else the system's):\n"             \
	"      --user, --system  the user's, or the system's\n"              \
	"      --base DIR        the one with this directory\n"
#define DOOR_HELP                                                            \
	"\nThrough which door (else $INTRO_DOOR, the user's, the system's):\n" \
	"      --door DIR|NAME   this one: its directory, or its name\n"      \
	"      --user, --system  the host door of the user's broker, or the system's\n" \
	"      --base DIR        the host door of the broker with this directory\n"

/* Take one of these options: false when c is none of them. */
bool where_option(int c, const char *arg);

/* The door to open, for intro_open(). With start: a user's broker is started when no broker
 * runs. 0 or a negative errno, complained about where starting failed. -ENOTCONN: none. */
int where_door(bool start, char ret[static WHERE_BYTES]);

/* The broker's directory, for administration. As where_door(). */
int where_base(bool start, char ret[static WHERE_BYTES]);

/* Says that there is no broker (where_*() gave error), and what to do; an exit code. */
int where_failed(int error);
