/* SPDX-License-Identifier: Apache-2.0 */
/*
 * intro door: make, remove, list and limit doors at run time.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../libintro/intro.h"
#include "../libintro/wire/name.h"
#include "cli.h"
#include "listing.h"
#include "parse.h"
#include "start.h"

static const char text[] =
	"Usage: intro door add NAME [--export] [--open] [--limit WHAT=N,…] [--json]\n"
	"       intro door remove NAME\n"
	"       intro door limit NAME | --uid UID | --default  WHAT=N,…\n"
	"       intro door list [--json]\n"
	"\n"
	"A door is a directory to be mounted (read-only will do) into a container: in it are the\n"
	"broker's socket and one socket for each name granted there. Nothing is granted in a new\n"
	"door. add prints the door's directory; with --export also a second one, to be mounted\n"
	"writable where a server in the container puts its own socket (intro serve --place).\n"
	"\n"
	"      --export         with a directory to put servers' sockets in\n"
	"      --open           whoever is behind it sees and serves everything: trust it as\n"
	"                       you trust yourself\n"
	"      --limit WHAT=N   at most N of: connections, names, held (descriptors kept),\n"
	"                       flight (descriptors sent and not yet received), waits,\n"
	"                       references (lent and given, and sessions counted for them)\n"
	"      --uid UID        the limits of a user, over all doors\n"
	"      --default        the limits of whoever has none of its own\n"
	"  -j, --json           for programs\n"
	BROKER_HELP
	"\n"
	"Examples:\n"
	"  dir=$(intro door add web --limit connections=50)\n"
	"  bwrap --ro-bind \"$dir\" /run/intro …\n"
	"  intro door limit web connections=200,waits=10\n"
	"  intro door remove web\n";

struct door_command {
	bool exports, open, json, by_uid, by_default;
	uint32_t uid;
	struct limits limits;
	bool limited;
};

static int bad_name(const char *name)
{
	return usage_error("door", "\"%s\" is no name for a door (wanted: 1 to 64 of A-Z a-z 0-9 "
			   ". _ -, the first a letter or digit)", name);
}

/* Send what was written, and say what went wrong. The reply is valid with CODE_OK. */
static int call(struct admin *a, const struct wire_writer *w, struct wire_message *reply,
		const char *doing, const char *name)
{
	int r = admin_call(a, w, reply);

	if (r == -EEXIST)
		complain("cannot %s the door \"%s\": it is there already\nIts directory: "
			 "intro show door %s", doing, name, name);
	else if (r == -ENOENT)
		complain("cannot %s the door \"%s\": there is none of that name\nThose there are: "
			 "intro list doors", doing, name);
	else if (r == -EPERM || r == -EROFS)
		complain("cannot %s the door \"%s\": it comes from the configuration, or is the "
			 "broker's own", doing, name);
	else if (r < 0)
		return failed(r, "cannot %s the door \"%s\"", doing, name);
	return r < 0 ? CODE_FAILED : CODE_OK;
}

static int door_add(const struct door_command *c, int argc, char **argv)
{
	char directory[WIRE_TEXT_MAX + 1], exports[WIRE_TEXT_MAX + 1];
	uint8_t buf[WIRE_PACKET_MAX];
	struct wire_message reply;
	struct wire_writer w;
	struct admin a;
	int r;

	if (argc != 1)
		return usage_error("door", "wanted: the name of one door to add");
	if (!wire_name_ok(argv[0], strlen(argv[0])))
		return bad_name(argv[0]);
	r = admin_open(&a, true);
	if (r != CODE_OK)
		return r;
	admin_begin(&a, &w, buf, WIRE_DOOR_ADD);
	wire_put_string(&w, TAG_DOOR, argv[0]);
	if (c->exports)
		wire_put_u32(&w, TAG_EXPORT, 1);
	if (c->open)
		wire_put_u32(&w, TAG_OPEN, 1);
	put_limits(&w, &c->limits);
	r = call(&a, &w, &reply, "add", argv[0]);
	if (r == CODE_OK && c->json) {
		if (json_print(message_json(&reply), JSON_INDENT(2), stdout) < 0)
			r = CODE_TEMPORARY;
	} else if (r == CODE_OK) {
		if (wire_string(&reply, TAG_DIRECTORY, directory, sizeof directory) == 0)
			puts(directory);
		if (wire_string(&reply, TAG_EXPORT_DIRECTORY, exports, sizeof exports) == 0)
			puts(exports);
	}
	admin_close(&a);
	return r;
}

static int door_remove_verb(const struct door_command *c, int argc, char **argv)
{
	uint8_t buf[WIRE_PACKET_MAX];
	struct wire_message reply;
	struct wire_writer w;
	struct admin a;
	int r;

	(void)c;
	if (argc != 1)
		return usage_error("door", "wanted: the name of one door to remove");
	if (!wire_name_ok(argv[0], strlen(argv[0])))
		return bad_name(argv[0]);
	r = admin_open(&a, false);
	if (r != CODE_OK)
		return r;
	admin_begin(&a, &w, buf, WIRE_DOOR_REMOVE);
	wire_put_string(&w, TAG_DOOR, argv[0]);
	r = call(&a, &w, &reply, "remove", argv[0]);
	admin_close(&a);
	return r;
}

static int door_limit(const struct door_command *c, int argc, char **argv)
{
	bool named = !c->by_uid && !c->by_default;
	struct limits limits = c->limits;
	uint8_t buf[WIRE_PACKET_MAX];
	struct wire_message reply;
	struct wire_writer w;
	const char *wrong;
	struct admin a;
	int r;

	if (c->by_uid && c->by_default)
		return usage_error("door", "either --uid or --default");
	if (named && argc < 1)
		return usage_error("door", "wanted: a door, --uid UID or --default");
	if (named && !wire_name_ok(argv[0], strlen(argv[0])))
		return bad_name(argv[0]);
	if (argc == (named ? 1 : 0) && !c->limited)
		return usage_error("door", "wanted: a limit, as connections=100");
	for (int i = named ? 1 : 0; i < argc; i++)
		if (parse_limits(argv[i], &limits, &wrong) < 0)
			return usage_error("door", "\"%s\" is no limit (wanted: connections, names, "
					   "held, flight, waits or references, = and a number)", wrong);

	r = admin_open(&a, true);
	if (r != CODE_OK)
		return r;
	admin_begin(&a, &w, buf, WIRE_LIMIT);
	if (named)
		wire_put_string(&w, TAG_DOOR, argv[0]);
	if (c->by_uid)
		wire_put_u32(&w, TAG_UID, c->uid);
	put_limits(&w, &limits);
	r = call(&a, &w, &reply, "limit", named ? argv[0] : "*");
	admin_close(&a);
	return r;
}

static int door_list(const struct door_command *c, int argc, char **argv)
{
	struct admin a;
	int r;

	if (argc != 0)
		return usage_error("door", "unexpected \"%s\"", argv[0]);
	r = admin_open(&a, false);
	if (r != CODE_OK)
		return r;
	r = listing_print(&a, WHAT_DOORS, NULL, NULL, c->json, NULL);
	admin_close(&a);
	return r;
}

static int run(const struct door_command *c, int argc, char **argv)
{
	static const struct {
		const char *word;
		int (*run)(const struct door_command *, int, char **);
		bool limits;
	} commands[] = {
		{ "add", door_add, true },
		{ "remove", door_remove_verb, false },
		{ "limit", door_limit, true },
		{ "list", door_list, false },
	};

	if (argc < 1)
		return usage_error("door", "wanted: add, remove, limit or list");
	for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) {
		if (strcmp(argv[0], commands[i].word) != 0)
			continue;
		if (c->limited && !commands[i].limits)
			return usage_error("door", "--limit means nothing to %s", argv[0]);
		if ((c->exports || c->open) && i != 0)
			return usage_error("door", "--export and --open are for add");
		return commands[i].run(c, argc - 1, argv + 1);
	}
	return usage_error("door", "cannot \"%s\" a door (wanted: add, remove, limit or list)",
			   argv[0]);
}

int verb_door(int argc, char **argv)
{
	enum { OPT_EXPORT = OPT_VERB, OPT_OPEN, OPT_LIMIT, OPT_UID, OPT_DEFAULT };
	static const struct option options[] = {
		{ "export", no_argument, NULL, OPT_EXPORT },
		{ "open", no_argument, NULL, OPT_OPEN },
		{ "limit", required_argument, NULL, OPT_LIMIT },
		{ "uid", required_argument, NULL, OPT_UID },
		{ "default", no_argument, NULL, OPT_DEFAULT },
		{ "json", no_argument, NULL, 'j' },
		{ "help", no_argument, NULL, 'h' },
		BROKER_OPTIONS,
		{ 0 },
	};
	struct door_command command = { 0 };
	const char *wrong;
	int c;

	while ((c = getopt_long(argc, argv, ":jh", options, NULL)) != -1) {
		switch (c) {
		case OPT_EXPORT:
			command.exports = true;
			break;
		case OPT_OPEN:
			command.open = true;
			break;
		case OPT_LIMIT:
			command.limited = true;
			if (parse_limits(optarg, &command.limits, &wrong) < 0)
				return usage_error("door", "\"%s\" is no limit (wanted: connections, "
						   "names, held, flight, waits or references, = and a number)",
						   wrong);
			break;
		case OPT_UID:
			command.by_uid = true;
			if (parse_number(optarg, UINT32_MAX - 1, &command.uid) < 0)
				return usage_error("door", "\"%s\" is no uid (wanted: a number)",
						   optarg);
			break;
		case OPT_DEFAULT:
			command.by_default = true;
			break;
		case 'j':
			command.json = true;
			break;
		case 'h':
			return help(text);
		default:
			if (!where_option(c, optarg))
				return option_error("door", c, argv);
		}
	}
	return run(&command, argc - optind, argv + optind);
}
