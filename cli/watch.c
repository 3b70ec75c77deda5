/* SPDX-License-Identifier: Apache-2.0 */
/*
 * intro watch: the broker's decisions as they happen.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cli.h"
#include "listing.h"
#include "start.h"

static const char text[] =
	"Usage: intro watch [--json]\n"
	"\n"
	"Prints a line for each decision of the broker (introduced, refused, served, …) as it\n"
	"happens, until it is interrupted. The lines are those of the audit log.\n"
	"\n"
	"  -j, --json           an object a line, for programs\n"
	BROKER_HELP
	"\n"
	"Examples:\n"
	"  intro watch\n"
	"  intro watch --json | jq -c 'select(.event == \"refused\")'\n";

/* Numbers as such, where they are numbers: a name may consist of digits, too. */
static json_t *field_json(const char *key, const char *value)
{
	static const char *const numbers[] = { "session", "uid", "pid" };

	for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
		if (!strcmp(key, numbers[i]))
			return json_integer(strtoll(value, NULL, 10));
	return json_string(value);
}

/* "word key=value key=\"a value\"": the words of an audit line, as an object's keys. */
static void add_fields(json_t *object, char *line)
{
	char *p = line;

	while (*p) {
		char *key = p, *value = NULL, *end;

		p += strcspn(p, " =");
		if (*p == '=') {
			*p++ = '\0';
			value = p;
			if (*p == '"') {
				value = ++p;
				end = strchr(p, '"');
				p = end ? end + 1 : p + strlen(p);
				if (end)
					*end = '\0';
			} else {
				p += strcspn(p, " ");
			}
		}
		while (*p == ' ')
			*p++ = '\0';
		if (value)
			json_object_set_new(object, key, field_json(key, value));
		else if (*key && !json_object_get(object, "event") && !strchr(key, ':'))
			json_object_set_new(object, "event", json_string(key));
		else if (*key && !json_object_get(object, "time"))
			json_object_set_new(object, "time", json_string(key));
	}
}

static int print_json(const char *line, uint32_t dropped)
{
	json_t *object = json_object();
	char fields[WIRE_TEXT_MAX + 1];

	if (!object)
		return -ENOMEM;
	strcpy(fields, line);
	add_fields(object, fields);
	json_object_set_new(object, "text", json_string(line));
	if (dropped)
		json_object_set_new(object, "dropped", json_integer(dropped));
	return json_print(object, JSON_COMPACT, stdout);
}

static int print_event(const struct wire_message *m, bool json)
{
	uint32_t dropped = wire_u32(m, TAG_DROPPED, 0);
	char line[WIRE_TEXT_MAX + 1];

	wire_string(m, TAG_TEXT, line, sizeof line);
	line[strcspn(line, "\n")] = '\0';
	if (json)
		return print_json(line, dropped);
	if (dropped)
		complain("%u lines were lost: they came faster than they were read", dropped);
	if (puts(line) == EOF || fflush(stdout) != 0)
		return -errno;
	return 0;
}

/* Until the broker ends the connection (-ECONNRESET) or nobody reads us. */
static int follow(struct admin *a, bool json)
{
	uint8_t buf[WIRE_PACKET_MAX];
	struct wire_message m;
	struct wire_writer w;
	int r;

	admin_begin(a, &w, buf, WIRE_WATCH);
	r = admin_call(a, &w, &m);
	while (r >= 0) {
		r = admin_next(a, &m, -1);
		if (r > 0)
			r = print_event(&m, json);
	}
	return r;
}

int verb_watch(int argc, char **argv)
{
	static const struct timespec pause = { .tv_nsec = 100 * 1000 * 1000 };
	static const struct option options[] = {
		{ "json", no_argument, NULL, 'j' },
		{ "help", no_argument, NULL, 'h' },
		BROKER_OPTIONS,
		{ 0 },
	};
	bool json = false;
	struct admin a;
	int c, r;

	while ((c = getopt_long(argc, argv, ":jh", options, NULL)) != -1) {
		if (c == 'j')
			json = true;
		else if (c == 'h')
			return help(text);
		else if (!where_option(c, optarg))
			return option_error("watch", c, argv);
	}
	if (optind < argc)
		return usage_error("watch", "unexpected \"%s\"", argv[optind]);

	/* A switch that is restarted ends our connection, and can be watched again at once;
	 * a broker that has gone is said to be. */
	for (;;) {
		r = admin_open(&a, false);
		if (r != CODE_OK)
			return r;
		r = follow(&a, json);
		admin_close(&a);
		if (r == -EPIPE)
			return CODE_FAILED;
		if (r != -ECONNRESET)
			return failed(r, "cannot watch the broker");
		complain("the broker has restarted; lines may be missing here");
		nanosleep(&pause, NULL);
	}
}
