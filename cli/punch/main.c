/* SPDX-License-Identifier: Apache-2.0 */
/*
 * punch: finds a path for datagrams between two hosts behind NATs. A table of roles, one file
 * each.
 */
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "roles.h"

static const struct role {
	const char *name;
	int (*run)(int argc, char **argv);
	const char *line;
} roles[] = {
	{ "stun", punch_stun, "a STUN server" },
};

#define ROLES (sizeof roles / sizeof *roles)

int main(int argc, char **argv)
{
	signal(SIGPIPE, SIG_IGN);
	opterr = 0;
	for (size_t i = 0; argc > 1 && i < ROLES; i++) {
		if (!strcmp(argv[1], roles[i].name))
			return roles[i].run(argc - 1, argv + 1);
	}
	return usage_error("", "wanted: a role");
}
