/* SPDX-License-Identifier: Apache-2.0 */
/*
 * intro grant: put a name for a service into a door, or take it out again.
 */
#include <errno.h>
#include <string.h>

#include "../libintro/wire/name.h"
#include "admin.h"
#include "cli.h"
#include "start.h"
#include "terms.h"

static const char text[] =
	"Usage: intro grant DOOR NAME [options]\n"
	"       intro grant --remove DOOR NAME\n"
	"\n"
	"Lets programs behind DOOR connect to the service NAME: libintro programs by the name,\n"
	"others by the socket file NAME in the door's directory. The service need not be served\n"
	"yet. Without a grant a door shows nothing.\n"
	"\n"
	"  -a, --as SERVICE     the service that NAME means behind this door (else: NAME)\n"
	"  -f, --file FILE      the socket file's name, where a program insists on one\n"
	"                       (.s.PGSQL.5432)\n"
	"  -s, --serve          they may serve it, instead of connecting to it\n"
	"  -c, --connect        with --serve: they may do both\n"
	TERMS_HELP
	"  -r, --remove         take the name out of the door; live sessions go on\n"
	BROKER_HELP
	"\n"
	"Examples:\n"
	"  intro grant web db --as postgres --file .s.PGSQL.5432\n"
	"  intro grant ci deploy --lifetime 10m --uses 1 --label build-812\n"
	"  intro grant cache redis --serve\n"
	"  intro grant --remove web db\n";

struct request {
	const char *service, *file;
	struct intro_terms terms;
	bool remove;
};

static void write_grant(struct wire_writer *w, const struct request *t, const char *door,
			const char *name)
{
	wire_put_string(w, TAG_NAME, name);
	wire_put_string(w, TAG_DOOR, door);
	if (t->remove)
		return;
	terms_put_label(w, &t->terms);
	if (t->file)
		wire_put_string(w, TAG_FILE, t->file);
	if (t->service)
		wire_put_string(w, TAG_SERVICE, t->service);
	terms_put(w, &t->terms);
}

static int explain(int error, const struct request *t, const char *door, const char *name)
{
	if (error == -ENOENT && t->remove) {
		complain("\"%s\" is not granted in the door \"%s\"\nWhat is: intro list grants", name,
			 door);
		return CODE_FAILED;
	}
	if (error == -ENOENT) {
		complain("cannot grant \"%s\": there is no door \"%s\"\nTo make it: intro door add %s"
			 "   Those there are: intro list doors", name, door, door);
		return CODE_FAILED;
	}
	if (error == -EEXIST) {
		complain("cannot grant \"%s\" in the door \"%s\": the name or its file is taken there\n"
			 "What is granted: intro list grants %s   To take one out: intro grant "
			 "--remove %s NAME", name, door, door, door);
		return CODE_FAILED;
	}
	return failed(error, "cannot %s \"%s\" in the door \"%s\"",
		      t->remove ? "remove" : "grant", name, door);
}

static int run(const struct request *t, const char *door, const char *name)
{
	uint8_t buf[WIRE_PACKET_MAX];
	struct wire_message reply;
	struct wire_writer w;
	struct admin a;
	int r;

	r = admin_open(&a, !t->remove);
	if (r != CODE_OK)
		return r;
	admin_begin(&a, &w, buf, t->remove ? WIRE_UNGRANT : WIRE_GRANT);
	write_grant(&w, t, door, name);
	r = admin_call(&a, &w, &reply);
	admin_close(&a);
	return r < 0 ? explain(r, t, door, name) : CODE_OK;
}

static bool name_ok(const char *s)
{
	return wire_name_ok(s, strlen(s));
}

/* What the values must look like. CODE_OK or CODE_USAGE. */
static int check(const struct request *t, const char *door, const char *name)
{
	const char *names[] = { door, name, t->service ? t->service : name };

	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		if (!name_ok(names[i]))
			return usage_error("grant", "\"%s\" is no name (wanted: 1 to 64 of A-Z a-z "
					   "0-9 . _ -, the first a letter or digit)", names[i]);
	if (t->file && !wire_file_ok(t->file, strlen(t->file)))
		return usage_error("grant", "\"%s\" cannot be a file in a door (wanted: one path "
				   "component of A-Z a-z 0-9 . _ -, not intro.*)", t->file);
	if (t->remove && (t->service || t->file || terms_any(&t->terms)))
		return usage_error("grant", "--remove takes a door and a name, and no terms");
	return CODE_OK;
}

int verb_grant(int argc, char **argv)
{
	static const struct option options[] = {
		{ "as", required_argument, NULL, 'a' },
		{ "file", required_argument, NULL, 'f' },
		{ "serve", no_argument, NULL, 's' },
		{ "connect", no_argument, NULL, 'c' },
		TERMS_OPTIONS,
		{ "remove", no_argument, NULL, 'r' },
		{ "help", no_argument, NULL, 'h' },
		BROKER_OPTIONS,
		{ 0 },
	};
	struct request request = { 0 };
	int c, r;

	while ((c = getopt_long(argc, argv, ":a:f:sc" TERMS_LETTERS "rh", options, NULL)) != -1) {
		switch (c) {
		case 'a':
			request.service = optarg;
			break;
		case 'f':
			request.file = optarg;
			break;
		case 's':
			request.terms.rights |= RIGHT_SERVE;
			break;
		case 'c':
			request.terms.rights |= RIGHT_CONNECT;
			break;
		case 'r':
			request.remove = true;
			break;
		case 'h':
			return help(text);
		default:
			r = terms_option("grant", c, optarg, &request.terms);
			if (r > 0)
				return r;
			if (r < 0 && !where_option(c, optarg))
				return option_error("grant", c, argv);
		}
	}
	if (argc - optind != 2)
		return usage_error("grant", "wanted: a door and a name");
	r = check(&request, argv[optind], argv[optind + 1]);
	return r != CODE_OK ? r : run(&request, argv[optind], argv[optind + 1]);
}
