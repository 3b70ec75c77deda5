/* SPDX-License-Identifier: Apache-2.0 */
/*
 * intro why: what a client would be told behind a door, by which rule, and what would change
 * that. Complete only here: through the door itself, ungranted and absent look alike.
 */
#include <string.h>

#include "../libintro/intro.h"
#include "cli.h"
#include "listing.h"
#include "start.h"

static const char text[] =
	"Usage: intro why DOOR NAME [--serve] [--json]\n"
	"\n"
	"Explains what happens when a program behind DOOR asks for NAME: whether it would be\n"
	"introduced, else which rule refuses it, and what would allow it.\n"
	"\n"
	"  -s, --serve          when it offers to serve NAME, instead of connecting to it\n"
	"  -j, --json           an object, for programs\n"
	BROKER_HELP
	"\n"
	"Exits 0 when it would be allowed, 1 when not.\n"
	"\n"
	"Examples:\n"
	"  intro why web db\n"
	"  intro why --serve web www\n";

static int print_verdict(const struct wire_message *m, bool serve, bool json)
{
	uint32_t verdict = wire_u32(m, TAG_VERDICT, 0);
	char reason[WIRE_TEXT_MAX + 1], advice[WIRE_TEXT_MAX + 1];
	bool colour = is_colourful(stdout);

	if (json) {
		if (json_print(message_json(m), JSON_INDENT(2), stdout) < 0)
			return CODE_TEMPORARY;
		return verdict ? CODE_FAILED : CODE_OK;
	}
	wire_string(m, TAG_REASON, reason, sizeof reason);
	wire_string(m, TAG_ADVICE, advice, sizeof advice);
	printf("%s%s%s", colour ? (verdict ? "\033[31m" : "\033[32m") : "",
	       verdict ? "refused" :
	       serve   ? "allowed" :
			 "introduced",
	       colour ? "\033[m" : "");
	if (*reason)
		printf(": %s", reason);
	putchar('\n');
	if (verdict)
		printf("a client sees: %s\n", intro_strerror(-(int)verdict));
	if (*advice)
		printf("to change it: %s\n", advice);
	return fflush(stdout) != 0 ? CODE_TEMPORARY : verdict ? CODE_FAILED : CODE_OK;
}

static int ask(const char *door, const char *name, bool serve, bool json)
{
	uint8_t buf[WIRE_PACKET_MAX];
	struct wire_message m;
	struct wire_writer w;
	struct admin a;
	int r;

	r = admin_open(&a, false);
	if (r != CODE_OK)
		return r;
	admin_begin(&a, &w, buf, WIRE_WHY);
	wire_put_string(&w, TAG_NAME, name);
	wire_put_string(&w, TAG_DOOR, door);
	wire_put_u32(&w, TAG_RIGHTS, serve ? RIGHT_SERVE : RIGHT_CONNECT);
	r = admin_call(&a, &w, &m);
	r = r < 0 ? failed(r, "cannot ask why \"%s\" in the door \"%s\"", name, door) :
		    print_verdict(&m, serve, json);
	admin_close(&a);
	return r;
}

int verb_why(int argc, char **argv)
{
	static const struct option options[] = {
		{ "serve", no_argument, NULL, 's' },
		{ "json", no_argument, NULL, 'j' },
		{ "help", no_argument, NULL, 'h' },
		BROKER_OPTIONS,
		{ 0 },
	};
	bool serve = false, json = false;
	int c;

	while ((c = getopt_long(argc, argv, ":sjh", options, NULL)) != -1) {
		if (c == 's')
			serve = true;
		else if (c == 'j')
			json = true;
		else if (c == 'h')
			return help(text);
		else if (!where_option(c, optarg))
			return option_error("why", c, argv);
	}
	if (argc - optind != 2)
		return usage_error("why", "wanted: a door and a name in it");
	return ask(argv[optind], argv[optind + 1], serve, json);
}
