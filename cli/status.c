/* SPDX-License-Identifier: Apache-2.0 */
/*
 * intro status: is there a broker, which one, and how is it.
 */
#include "cli.h"
#include "listing.h"
#include "start.h"

static const char text[] =
	"Usage: intro status [--json]\n"
	"\n"
	"Says which broker runs, and what it has done since its start. Exits 111 when none runs.\n"
	"\n"
	"  -j, --json           an object, for programs\n"
	BROKER_HELP;

static int print_status(void *arg, const struct wire_message *row)
{
	static const struct {
		const char *title;
		enum wire_tag tag;
	} lines[] = {
		{ "pid", TAG_PID },
		{ "connections", TAG_CONNECTIONS },
		{ "names", TAG_NAMES },
		{ "held descriptors", TAG_HELD },
		{ "in flight", TAG_FLIGHT },
		{ "waiting", TAG_WAITS },
		{ "introductions", TAG_INTRODUCTIONS },
		{ "refusals", TAG_REFUSALS },
	};
	const bool *json = arg;
	char value[CELL_BYTES];

	if (*json)
		return json_print(message_json(row), JSON_INDENT(2), stdout);
	for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
		if (!wire_has(row, lines[i].tag))
			continue;
		value_text(row, lines[i].tag, value, sizeof value);
		printf("%-18s%s\n", lines[i].title, value);
	}
	return 0;
}

int verb_status(int argc, char **argv)
{
	static const struct option options[] = {
		{ "json", no_argument, NULL, 'j' },
		{ "help", no_argument, NULL, 'h' },
		BROKER_OPTIONS,
		{ 0 },
	};
	char base[WHERE_BYTES];
	struct admin a;
	bool json = false;
	int c, r;

	while ((c = getopt_long(argc, argv, ":jh", options, NULL)) != -1) {
		if (c == 'j')
			json = true;
		else if (c == 'h')
			return help(text);
		else if (!where_option(c, optarg))
			return option_error("status", c, argv);
	}
	if (optind < argc)
		return usage_error("status", "unexpected \"%s\"", argv[optind]);

	r = admin_open(&a, false);
	if (r != CODE_OK)
		return r;
	if (!json && where_base(false, base) == 0)
		printf("%-18s%s\n", "broker", base);
	r = listing_each(&a, WHAT_STATUS, NULL, NULL, print_status, &json);
	admin_close(&a);
	return r < 0 ? failed(r, "cannot ask the broker how it is") : CODE_OK;
}
