/* SPDX-License-Identifier: Apache-2.0 */
/*
 * intro list: what the broker has, and how much of it is used. And intro status.
 */
#include <errno.h>
#include <string.h>

#include "cli.h"
#include "listing.h"
#include "start.h"

static const char text[] =
	"Usage: intro list [services | doors | grants [DOOR] | references [SERVICE]] [--json]\n"
	"       intro list --usage [--json]\n"
	"\n"
	"What the broker has: services (the default), doors, the names granted in doors, or all\n"
	"references: what was granted, lent and given, and from what (intro show SERVICE draws\n"
	"them as a tree).\n"
	"\n"
	"  -u, --usage          per door and per uid: what is used, of how much\n"
	"  -j, --json           an array of objects, for programs\n"
	BROKER_HELP
	"\n"
	"Examples:\n"
	"  intro list                       # services, and whether they are served\n"
	"  intro list grants web            # what a container behind the door web can name\n"
	"  intro list --json | jq -r '.[] | select(.state == \"down\") | .name'\n";

static const struct {
	const char *word;
	enum wire_what what;
	const char *nothing;
} things[] = {
	{ "services", WHAT_SERVICES,
	  "no services; to serve one: intro serve NAME --to tcp:127.0.0.1:PORT" },
	{ "doors", WHAT_DOORS, "no doors; to make one: intro door add NAME" },
	{ "grants", WHAT_GRANTS, "no grants; to grant a name in a door: intro grant DOOR NAME" },
	{ "references", WHAT_REFERENCES, "no references: there are no services" },
};

static int thing_of(const char *word)
{
	for (size_t i = 0; i < sizeof things / sizeof *things; i++)
		if (!strcmp(word, things[i].word))
			return (int)i;
	return -EINVAL;
}

static int run(int argc, char **argv, bool usage, bool json)
{
	const char *door = NULL, *name = NULL;
	struct admin a;
	int thing = 0, r;

	if (argc > 0) {
		thing = thing_of(argv[0]);
		if (thing < 0)
			return usage_error("list", "cannot list \"%s\" (wanted: services, doors, "
					   "grants or references)", argv[0]);
	}
	if (argc > 1 && things[thing].what == WHAT_GRANTS)
		door = argv[1];
	if (argc > 1 && things[thing].what == WHAT_REFERENCES)
		name = argv[1];
	if (argc > (door || name ? 2 : 1))
		return usage_error("list", "too many words: \"%s\"", argv[argc - 1]);
	if (usage && argc > 0)
		return usage_error("list", "--usage is a list of its own: without \"%s\"", argv[0]);

	r = admin_open(&a, false);
	if (r != CODE_OK)
		return r;
	if (usage)
		r = listing_print(&a, WHAT_USAGE, NULL, NULL, json, NULL);
	else
		r = listing_print(&a, things[thing].what, door, name, json,
				  things[thing].nothing);
	admin_close(&a);
	return r;
}

int verb_list(int argc, char **argv)
{
	static const struct option options[] = {
		{ "usage", no_argument, NULL, 'u' },
		{ "json", no_argument, NULL, 'j' },
		{ "help", no_argument, NULL, 'h' },
		BROKER_OPTIONS,
		{ 0 },
	};
	bool usage = false, json = false;
	int c;

	while ((c = getopt_long(argc, argv, ":ujh", options, NULL)) != -1) {
		switch (c) {
		case 'u':
			usage = true;
			break;
		case 'j':
			json = true;
			break;
		case 'h':
			return help(text);
		default:
			if (!where_option(c, optarg))
				return option_error("list", c, argv);
		}
	}
	return run(argc - optind, argv + optind, usage, json);
}
