/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Programs that an agent runs: the server it stands beside, and one per introduction.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "../libintro/intro.h"

/* A server. Its descriptors 3, 4, … are fds (borrowed). */
struct program {
	char **argv;
	const int *fds;
	size_t nfds;
	const char *listen_names;	/* not NULL: LISTEN_FDS, LISTEN_PID, LISTEN_FDNAMES */
	bool sockpair;			/* INTRO_SOCKPAIR, and {} in argv, are descriptor 3 */
};

/* Start it; it ends when we do. Its pid, or a negative errno. */
pid_t program_start(const struct program *program);

/* Start argv for one introduction: event's socket (borrowed) is its stdin and stdout, and its
 * environment says who the client is. Its pid, or a negative errno. */
pid_t program_start_session(char **argv, const char *name, const struct intro_event *event);

/* Whether argv[0] can be found and executed: 0 or a negative errno. */
int program_find(const char *file);

/* A child's status (wait(2)) as an exit code. */
int program_code(int status);
