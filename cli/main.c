/* SPDX-License-Identifier: Apache-2.0 */
/*
 * intro: the command line of introd. A table of verbs, one file each.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"
#include "start.h"

#ifndef VERSION
#define VERSION "unknown"
#endif

static const struct verb {
	const char *name;
	int (*run)(int argc, char **argv);
	const char *line;
} verbs[] = {
	{ "serve", verb_serve, "offer a service: a program, a server, a socket" },
	{ "connect", verb_connect, "connect to a service: copy, or run a program with the socket" },
	{ "hold", verb_hold, "leave a descriptor with the broker" },
	{ "take", verb_take, "take it out again" },
	{ "door", verb_door, "make, remove, limit doors: a directory for a container" },
	{ "grant", verb_grant, "grant a name in a door, or take the grant back" },
	{ "lend", verb_lend, "make a narrower reference, for a program or a door" },
	{ "revoke", verb_revoke, "take references back, with all made from them" },
	{ "give", verb_give, "hand a reference on to another party" },
	{ "claim", verb_claim, "take what was given" },
	{ "list", verb_list, "list services, doors, grants, and what is used" },
	{ "show", verb_show, "everything about one service or door" },
	{ "why", verb_why, "which rule refuses a name, and what would allow it" },
	{ "graph", verb_graph, "who can reach what, as a drawing (DOT)" },
	{ "watch", verb_watch, "the broker's decisions as they happen" },
	{ "nat", verb_nat, "what the NATs around this host are like, for meeting a peer" },
	{ "status", verb_status, "which broker runs, and how it is" },
};

#define VERBS (sizeof verbs / sizeof *verbs)

static int print_help(void)
{
	printf("Usage: intro VERB …\n"
	       "\n"
	       "Asks the local broker for services: you get one connected socket, and from then\n"
	       "on talk to the service directly.\n\n");
	for (size_t i = 0; i < VERBS; i++)
		printf("  %-10s%s\n", verbs[i].name, verbs[i].line);
	printf("\n"
	       "  intro VERB --help     explains a verb, with examples\n"
	       "  intro --version\n"
	       "\n"
	       "A first look:\n"
	       "  intro serve hello -- sh -c 'echo \"hello, uid $INTRO_PEER_UID\"' &\n"
	       "  intro connect hello\n"
	       "\n"
	       "Exits 0, 1 (refused or failed), 100 (wrong command line), 111 (no broker, or out\n"
	       "of time or descriptors: may work later).\n");
	return fflush(stdout) == 0 ? CODE_OK : CODE_FAILED;
}

/* Damerau-Levenshtein (optimal string alignment) of two short words. */
static unsigned int distance(const char *a, const char *b)
{
	enum { LONGEST = 16 };
	unsigned int d[LONGEST + 1][LONGEST + 1];
	size_t la = strlen(a), lb = strlen(b);

	if (la > LONGEST || lb > LONGEST)
		return LONGEST;
	for (size_t i = 0; i <= la; i++) {
		for (size_t j = 0; j <= lb; j++) {
			unsigned int best;

			if (i == 0 || j == 0) {
				d[i][j] = (unsigned int)(i + j);
				continue;
			}
			best = d[i - 1][j - 1] + (a[i - 1] != b[j - 1]);
			if (d[i - 1][j] + 1 < best)
				best = d[i - 1][j] + 1;
			if (d[i][j - 1] + 1 < best)
				best = d[i][j - 1] + 1;
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
			    d[i - 2][j - 2] + 1 < best)
				best = d[i - 2][j - 2] + 1;
			d[i][j] = best;
		}
	}
	return d[la][lb];
}

static int unknown_verb(const char *word)
{
	unsigned int best = 3;	/* further away it is another word */
	const char *nearest = NULL;

	for (size_t i = 0; i < VERBS; i++) {
		unsigned int d = strlen(word) > 1 && !strncmp(word, verbs[i].name, strlen(word)) ?
					 0 :
					 distance(word, verbs[i].name);

		if (d < best) {
			best = d;
			nearest = verbs[i].name;
		}
	}
	if (nearest)
		return usage_error("", "there is no verb \"%s\"; did you mean \"%s\"?", word, nearest);
	return usage_error("", "there is no verb \"%s\"", word);
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
		DOOR_OPTIONS,
		{ 0 },
	};
	int c;

	if (open_standard_fds() < 0)
		return CODE_TEMPORARY;
	/* ignored, as it may be inherited, it would take our children's status from us */
	signal(SIGCHLD, SIG_DFL);
	opterr = 0;
	while ((c = getopt_long(argc, argv, "+:hV", options, NULL)) != -1) {
		if (c == 'h')
			return print_help();
		if (c == 'V') {
			puts("intro " VERSION);
			return CODE_OK;
		}
		if (!where_option(c, optarg))
			return option_error("", c, argv);
	}
	argc -= optind;
	argv += optind;
	if (argc < 1)
		return usage_error("", "wanted: a verb");
	if (!strcmp(argv[0], "help")) {
		if (argc < 2)
			return print_help();
		argv[0] = argv[1];
		argv[1] = (char *)"--help";
		argc = 2;
	}
	for (size_t i = 0; i < VERBS; i++) {
		if (!strcmp(argv[0], verbs[i].name)) {
			optind = 0;	/* getopt(3): begin anew, with its state reset */
			return verbs[i].run(argc, argv);
		}
	}
	return unknown_verb(argv[0]);
}
