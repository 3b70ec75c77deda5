/* SPDX-License-Identifier: Apache-2.0 */
/*
 * intro serve: the command line that makes an agent's plan.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "agent.h"
#include "ask.h"
#include "parse.h"
#include "program.h"

static const char text[] =
	"Usage: intro serve NAME [options] -- PROGRAM [ARGUMENT…]\n"
	"       intro serve NAME --to tcp:HOST:PORT|unix:PATH [--place PATH] [-- SERVER …]\n"
	"       intro serve NAME --to door:DIR\n"
	"       intro serve NAME --place PATH [-- SERVER …]\n"
	"       intro serve NAME --listen[=door] -- SERVER …\n"
	"       intro serve NAME --sockpair -- SERVER …\n"
	"\n"
	"Offers the service NAME, and stays until it is ended.\n"
	"\n"
	"Alone it runs PROGRAM for each introduction, with the socket as standard input and\n"
	"output (as inetd does), and INTRO_NAME, INTRO_SESSION, INTRO_PEER_DOOR,\n"
	"INTRO_PEER_LABEL, INTRO_PEER_UID and INTRO_PEER_PID in its environment where known.\n"
	"Otherwise it stands beside a server that takes no descriptors:\n"
	"\n"
	"  -T, --to TARGET      opens a socket to it for each client and hands that over. Clients\n"
	"                       that come by the socket file in a door are spliced (copied).\n"
	"                       With door:DIR, another broker's door, NAME is an introducer:\n"
	"                       NAME/OTHER is what is called OTHER there\n"
	"  -p, --place PATH     links the server's own socket into the doors, and follows it when\n"
	"                       the server makes a new one: clients find the server itself. PATH\n"
	"                       must be on the doors' filesystem: see intro door add --export\n"
	"  -l, --listen         SERVER gets a private listener (LISTEN_FDS, descriptor 3)\n"
	"      --listen=door    it gets the listeners of the doors that grant NAME, too. It then\n"
	"                       accepts those clients itself, and the broker counts none of them\n"
	"  -s, --sockpair       SERVER takes each descriptor, with one byte, from the socketpair\n"
	"                       whose number replaces {} and is in INTRO_SOCKPAIR (HAProxy's\n"
	"                       bind sockpair@N)\n"
	"\n"
	"With a SERVER it ends as that ends, with its status, and passes signals on to it.\n"
	"\n"
	"  -m, --max N          at most N sessions being run, opened or spliced at once (100)\n"
	"  -t, --type TYPE      stream (the default), seqpacket or dgram; may be repeated\n"
	"  -w, --wait TIME      wait so long for the name when another one serves it\n"
	"  -r, --ready-fd N     write a newline to descriptor N once the name is served\n"
	"                       ($NOTIFY_SOCKET is told, too)\n"
	"  -v, --verbose        a line for each session\n"
	DOOR_HELP
	"\n"
	"Examples:\n"
	"  intro serve date -- date\n"
	"  intro serve redis --to tcp:127.0.0.1:6379\n"
	"  intro serve redis --to unix:/srv/x/r.sock --place /srv/x/r.sock -- redis-server …\n"
	"  intro serve app --listen -- gunicorn app:app\n"
	"  intro serve web --sockpair -- haproxy -f web.cfg   # bind \"sockpair@${INTRO_SOCKPAIR}\"\n";

#define MAX_DEFAULT 100u
#define MAX_MOST 10000u		/* processes */

static int parse_to(const char *s, struct plan *plan)
{
	static char socket_of[WHERE_BYTES];
	const char *wanted;

	if (!strncmp(s, "door:", 5)) {
		if (snprintf(socket_of, sizeof socket_of, "unix:%s/intro.sock", s + 5) >=
		    (int)sizeof socket_of)
			return usage_error("serve", "the path of the door \"%s\" is too long", s + 5);
		plan->types = 1u << SOCK_SEQPACKET;
		s = socket_of;
	}
	if (target_parse(s, &plan->target, &wanted) < 0)
		return usage_error("serve", "cannot open \"%s\" (wanted: %s)", s, wanted);
	plan->deliver = DELIVER_OPEN;
	return CODE_OK;
}

/* A listing of the ways that were asked for: only --to and --place go together. */
static int check_ways(const struct plan *plan, unsigned int ways)
{
	if (ways > 1)
		return usage_error("serve", "of --to, --listen and --sockpair only one");
	if (plan->place && (plan->listen || plan->deliver == DELIVER_SOCKPAIR))
		return usage_error("serve", "--place goes with --to, or alone");
	if (!plan->program && (plan->listen || plan->deliver == DELIVER_SOCKPAIR))
		return usage_error("serve", "%s wants a server to be run: -- SERVER …",
				   plan->listen ? "--listen" : "--sockpair");
	if (!plan->program && plan->deliver == DELIVER_STDIO)
		return usage_error("serve", "how? wanted: -- PROGRAM, --to, --place, --listen or "
				   "--sockpair");
	if (plan->target.tcp && plan->types != 1u << SOCK_STREAM)
		return usage_error("serve", "TCP is of type stream");
	if (plan->listen && plan->types != 1u << SOCK_STREAM)
		return usage_error("serve", "--listen makes listeners of type stream");
	return CODE_OK;
}

static int finish_plan(struct plan *plan, unsigned int ways, int argc, char **argv)
{
	int r;

	if (argc < 1)
		return usage_error("serve", "wanted: the name to serve");
	plan->name = argv[0];
	plan->program = argc > 1 ? argv + 1 : NULL;
	if (!plan->types)
		plan->types = 1u << SOCK_STREAM;
	if (plan->place && plan->deliver == DELIVER_STDIO)
		plan->deliver = DELIVER_NOTHING;
	r = check_ways(plan, ways);
	if (r == CODE_OK)
		r = ask_name("serve", plan->name);
	if (r == CODE_OK && plan->ready_fd >= 0 &&
	    fcntl(plan->ready_fd, F_SETFD, FD_CLOEXEC) < 0)
		return usage_error("serve", "descriptor %d is not open", plan->ready_fd);
	if (r == CODE_OK && plan->program) {
		int error = program_find(plan->program[0]);

		if (error < 0) {
			complain("cannot run %s: %s", plan->program[0], strerror(-error));
			return CODE_FAILED;
		}
	}
	return r;
}

static int parse_listen(const char *s, struct plan *plan)
{
	if (s && strcmp(s, "door") != 0)
		return usage_error("serve", "\"--listen=%s\" (wanted: --listen or --listen=door)", s);
	plan->listen = true;
	plan->listen_doors = s != NULL;
	plan->deliver = DELIVER_OPEN;
	return CODE_OK;
}

/* A value that needs no more than parsing. CODE_OK, or what is wrong. */
static int parse_value(int c, const char *s, struct plan *plan)
{
	uint32_t number;
	int type;

	switch (c) {
	case 'm':
		if (parse_number(s, MAX_MOST, &number) < 0 || number == 0)
			return usage_error("serve", "\"%s\" is no number of sessions (wanted: 1 to "
					   "%u)", s, MAX_MOST);
		plan->max = number;
		return CODE_OK;
	case 't':
		if (parse_socktype(s, &type) < 0)
			return usage_error("serve", "\"%s\" is no type (wanted: stream, seqpacket or "
					   "dgram)", s);
		plan->types |= 1u << type;
		return CODE_OK;
	case 'w':
		if (parse_timeout(s, &plan->wait_ms) < 0)
			return usage_error("serve", "\"%s\" is no time to wait (wanted: 500ms, 30s, "
					   "5m or forever)", s);
		return CODE_OK;
	default:
		if (ask_fd(s, &plan->ready_fd) < 0)
			return usage_error("serve", "\"%s\" is no descriptor's number", s);
		return CODE_OK;
	}
}

int verb_serve(int argc, char **argv)
{
	static const struct option options[] = {
		{ "to", required_argument, NULL, 'T' },
		{ "place", required_argument, NULL, 'p' },
		{ "listen", optional_argument, NULL, 'l' },
		{ "sockpair", no_argument, NULL, 's' },
		{ "max", required_argument, NULL, 'm' },
		{ "type", required_argument, NULL, 't' },
		{ "wait", required_argument, NULL, 'w' },
		{ "ready-fd", required_argument, NULL, 'r' },
		{ "verbose", no_argument, NULL, 'v' },
		{ "help", no_argument, NULL, 'h' },
		DOOR_OPTIONS,
		{ 0 },
	};
	struct plan plan = { .max = MAX_DEFAULT, .ready_fd = -1 };
	unsigned int ways = 0;
	int c, r = CODE_OK;

	while (r == CODE_OK &&
	       (c = getopt_long(argc, argv, ":T:p:lsm:t:w:r:vh", options, NULL)) != -1) {
		switch (c) {
		case 'T':
			ways++;
			r = parse_to(optarg, &plan);
			break;
		case 'p':
			plan.place = optarg;
			break;
		case 'l':
			ways++;
			r = parse_listen(optarg, &plan);
			break;
		case 's':
			ways++;
			plan.deliver = DELIVER_SOCKPAIR;
			break;
		case 'm':
		case 't':
		case 'w':
		case 'r':
			r = parse_value(c, optarg, &plan);
			break;
		case 'v':
			plan.verbose = true;
			break;
		case 'h':
			return help(text);
		default:
			if (!where_option(c, optarg))
				return option_error("serve", c, argv);
		}
	}
	if (r == CODE_OK)
		r = finish_plan(&plan, ways, argc - optind, argv + optind);
	return r == CODE_OK ? agent_run(&plan) : r;
}
