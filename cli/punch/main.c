/* SPDX-License-Identifier: Apache-2.0 */
/*
 * punch: finds a path for datagrams between two hosts behind NATs. A table of roles, one file
 * each.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "roles.h"

#ifndef VERSION
#define VERSION "unknown"
#endif

static const struct role {
	const char *name;
	int (*run)(int argc, char **argv);
	const char *line;
} roles[] = {
	{ "peer", punch_peer, "one end of a path: find it, keep it, tell what happens" },
	{ "stun", punch_stun, "tell whoever asks under which address it is seen" },
	{ "relay", punch_relay, "forward datagrams between two peers, within a quota" },
};

#define ROLES (sizeof roles / sizeof *roles)

static int print_help(void)
{
	printf("Usage: punch ROLE …\n"
	       "\n"
	       "Finds a path for datagrams between two hosts behind NATs.\n\n");
	for (size_t i = 0; i < ROLES; i++)
		printf("  %-10s%s\n", roles[i].name, roles[i].line);
	printf("\n"
	       "  punch ROLE --help     explains a role\n"
	       "  punch --version\n"
	       "\n"
	       "Exits 0, 1 (no path, no answer), 100 (wrong command line), 111 (no descriptors,\n"
	       "memory or network: may work later).\n");
	return fflush(stdout) == 0 ? CODE_OK : CODE_FAILED;
}

/* A descriptor of ours must not become somebody's standard input or output. */
static int open_standard_fds(void)
{
	int fd;

	do {
		fd = open("/dev/null", O_RDWR | O_CLOEXEC);
		if (fd < 0)
			return -errno;
	} while (fd <= STDERR_FILENO);
	close(fd);
	return 0;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "help", no_argument, NULL, 'h' },
		{ "version", no_argument, NULL, 'V' },
		{ 0 },
	};
	int c;

	if (open_standard_fds() < 0)
		return CODE_TEMPORARY;
	/* ignored, as it may be inherited, it would take our children's status from us */
	signal(SIGCHLD, SIG_DFL);
	/* a closed standard output is an error of write(2) */
	signal(SIGPIPE, SIG_IGN);
	opterr = 0;
	while ((c = getopt_long(argc, argv, "+:hV", options, NULL)) != -1) {
		if (c == 'h')
			return print_help();
		if (c == 'V') {
			puts("punch " VERSION);
			return CODE_OK;
		}
		return option_error("", c, argv);
	}
	argc -= optind;
	argv += optind;
	if (argc < 1)
		return usage_error("", "wanted: a role");
	for (size_t i = 0; i < ROLES; i++) {
		if (!strcmp(argv[0], roles[i].name)) {
			optind = 0;	/* getopt(3): begin anew, with its state reset */
			return roles[i].run(argc, argv);
		}
	}
	return usage_error("", "there is no role \"%s\"", argv[0]);
}
