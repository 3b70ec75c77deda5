/* SPDX-License-Identifier: Apache-2.0 */
/*
 * intro give: provide a reference for another party. And intro claim, by which that one takes
 * it.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "ask.h"
#include "enclose.h"
#include "parse.h"
#include "refusal.h"
#include "secret.h"
#include "terms.h"

static const char give_text[] =
	"Usage: intro give NAME [terms] --to DOOR [--wait TIME]\n"
	"       intro give NAME [terms] --to-service SERVICE [--wait TIME]\n"
	"\n"
	"Provides a reference to the service NAME for another party, and prints the gift: a line\n"
	"that is to be told to it, by whatever means there are. It is good once, and in nobody\n"
	"else's hands: only for who comes through that door, or for the program that serves\n"
	"SERVICE now.\n"
	"\n"
	TERMS_HELP
	"  -t, --to DOOR        for who comes through this door\n"
	"  -s, --to-service SERVICE  for who serves this\n"
	"  -w, --wait TIME      the gift waits so long to be claimed (else 1m; at most a day)\n"
	DOOR_HELP
	"\n"
	"Example:\n"
	"  intro give db --to web --lifetime 10m >/srv/web/gift\n";

static const char claim_text[] =
	"Usage: intro claim GIFT [--as NAME] -- PROGRAM [ARGUMENT…]\n"
	"\n"
	"Takes a gift, and becomes the PROGRAM, which can reach it as NAME (else: gift) and nothing\n"
	"else: INTRO_DOOR=fd:N is in its environment. GIFT is where the line that `intro give` has\n"
	"printed can be read: @FILE, fd:N or - (standard input).\n"
	"\n"
	"  -a, --as NAME        the program calls it so\n"
	DOOR_HELP
	"\n"
	"Example:\n"
	"  intro claim @/srv/web/gift --as db -- intro connect db\n";

#define GIFT_MS 60000

struct gift {
	const char *name, *door, *service;
	struct intro_terms terms;
	int wait_ms;
};

/* Provide it: 0 or a negative errno. */
static int provide(struct intro *in, const struct gift *g, struct intro_event *ret)
{
	struct intro_ref *ref, *to = NULL;
	int r = intro_find(in, g->name, &ref);

	if (r < 0)
		return r;
	if (g->service) {
		r = intro_find(in, g->service, &to);
		if (r < 0)
			return r;
	}
	return ask_wait(in, to ? intro_give(ref, &g->terms, to, g->wait_ms) :
				 intro_give_door(ref, &g->terms, g->door, g->wait_ms), ANSWER_MS, ret);
}

static int give(const struct gift *g)
{
	char door[WHERE_BYTES];
	struct intro_event ev;
	struct intro *in;
	int r;

	r = ask_open(false, &in, door);
	if (r != CODE_OK)
		return r;
	r = provide(in, g, &ev);
	intro_close(in);
	if (r == -EACCES)
		return failed(r, "cannot give \"%s\" through the door %s: the reference does not permit "
			      "it; it would take the right \"give\"", g->name, door);
	if (r < 0)
		return refused(WANTED_GIVE, g->name, door, r);
	return puts(ev.gift) < 0 || fflush(stdout) < 0 ? failed(-errno, "cannot print the gift") :
							 CODE_OK;
}

int verb_give(int argc, char **argv)
{
	static const struct option options[] = {
		TERMS_OPTIONS,
		{ "to", required_argument, NULL, 't' },
		{ "to-service", required_argument, NULL, 's' },
		{ "wait", required_argument, NULL, 'w' },
		{ "help", no_argument, NULL, 'h' },
		DOOR_OPTIONS,
		{ 0 },
	};
	struct gift g = { .wait_ms = GIFT_MS };
	int c, r;

	while ((c = getopt_long(argc, argv, ":t:s:w:h" TERMS_LETTERS, options, NULL)) != -1) {
		switch (c) {
		case 't':
			g.door = optarg;
			break;
		case 's':
			g.service = optarg;
			break;
		case 'w':
			if (parse_timeout(optarg, &g.wait_ms) < 0)
				return usage_error("give", "\"%s\" is no time (wanted: 30s, 5m)", optarg);
			break;
		case 'h':
			return help(give_text);
		default:
			r = terms_option("give", c, optarg, &g.terms);
			if (r > 0)
				return r;
			if (r < 0 && !where_option(c, optarg))
				return option_error("give", c, argv);
		}
	}
	if (argc - optind != 1)
		return usage_error("give", "wanted: the name of what to give");
	if (!g.door == !g.service)
		return usage_error("give", "wanted: a recipient, --to DOOR or --to-service SERVICE");
	g.name = argv[optind];
	r = ask_name("give", g.name);
	if (r == CODE_OK)
		r = ask_name("give", g.door ? g.door : g.service);
	return r == CODE_OK ? give(&g) : r;
}

static int claim(const char *from, const char *name, char **program)
{
	char gift[128], door[WHERE_BYTES];
	struct intro_ref *ref;
	struct intro_event ev;
	struct intro *in;
	int r = secret_read("claim", "a gift", from, gift, sizeof gift);

	if (r == CODE_OK)
		r = ask_open(false, &in, door);
	if (r != CODE_OK)
		return r;
	r = ask_wait(in, intro_claim(in, gift, &ref), ANSWER_MS, &ev);
	if (r == 0)
		return enclose_exec(in, &(struct intro_enclosed){ .name = name, .ref = ref }, 1,
				    program, door);
	intro_close(in);
	if (r == -EINVAL)
		return failed(r, "what %s holds is no gift (wanted: the line that intro give has printed)",
			      from);
	if (r == -ENOENT) {
		complain("there is no such gift for who comes through the door %s: it was claimed, has "
			 "waited too long, was taken back, or is somebody else's", door);
		return CODE_FAILED;
	}
	return failed(r, "cannot claim the gift");
}

int verb_claim(int argc, char **argv)
{
	static const struct option options[] = {
		{ "as", required_argument, NULL, 'a' },
		{ "help", no_argument, NULL, 'h' },
		DOOR_OPTIONS,
		{ 0 },
	};
	const char *name = "gift";
	int c, r;

	while ((c = getopt_long(argc, argv, ":a:h", options, NULL)) != -1) {
		if (c == 'a')
			name = optarg;
		else if (c == 'h')
			return help(claim_text);
		else if (!where_option(c, optarg))
			return option_error("claim", c, argv);
	}
	if (argc - optind < 2)
		return usage_error("claim", "wanted: where the gift can be read, and -- PROGRAM");
	r = ask_name("claim", name);
	return r == CODE_OK ? claim(argv[optind], name, argv + optind + 1) : r;
}
