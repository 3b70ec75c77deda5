/* SPDX-License-Identifier: Apache-2.0 */
/*
 * intro grant: put a name for a service into a door, or take it out again.
 */
#include <errno.h>
#include <string.h>

#include "../libintro/wire/name.h"
#include "admin.h"
#include "cli.h"
#include "parse.h"
#include "start.h"

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
	"  -l, --lifetime TIME  until this long from now: 90s, 10m, 2h, 7d\n"
	"  -n, --uses N         for N introductions\n"
	"  -L, --label TEXT     told to the service with each introduction, and logged\n"
	"  -r, --remove         take the name out of the door; live sessions go on\n"
	BROKER_HELP
	"\n"
	"Examples:\n"
	"  intro grant web db --as postgres --file .s.PGSQL.5432\n"
	"  intro grant ci deploy --lifetime 10m --uses 1 --label build-812\n"
	"  intro grant cache redis --serve\n"
	"  intro grant --remove web db\n";

struct terms {
	const char *service, *file, *label;
	uint64_t lifetime_usec;
	uint32_t uses, rights;
	bool remove, limited_uses;
};

static void write_grant(struct wire_writer *w, const struct terms *t, const char *door,
			const char *name)
{
	wire_put_string(w, TAG_NAME, name);
	wire_put_string(w, TAG_DOOR, door);
	if (t->remove)
		return;
	if (t->label)
		wire_put_string(w, TAG_LABEL, t->label);
	if (t->file)
		wire_put_string(w, TAG_FILE, t->file);
	if (t->service)
		wire_put_string(w, TAG_SERVICE, t->service);
	wire_put_u32(w, TAG_RIGHTS, t->rights ? t->rights : RIGHT_CONNECT);
	if (t->lifetime_usec)
		wire_put_u64(w, TAG_LIFETIME, t->lifetime_usec);
	if (t->limited_uses)
		wire_put_u32(w, TAG_USES, t->uses);
}

static int explain(int error, const struct terms *t, const char *door, const char *name)
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

static int run(const struct terms *t, const char *door, const char *name)
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
static int check(const struct terms *t, const char *door, const char *name)
{
	const char *names[] = { door, name, t->service ? t->service : name };

	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		if (!name_ok(names[i]))
			return usage_error("grant", "\"%s\" is no name (wanted: 1 to 64 of A-Z a-z "
					   "0-9 . _ -, the first a letter or digit)", names[i]);
	if (t->file && !wire_file_ok(t->file, strlen(t->file)))
		return usage_error("grant", "\"%s\" cannot be a file in a door (wanted: one path "
				   "component of A-Z a-z 0-9 . _ -, not intro.*)", t->file);
	if (t->label && !wire_label_ok(t->label, strlen(t->label)))
		return usage_error("grant", "a label is 1 to 128 printable ASCII characters without "
				   "quotes, backslash and >");
	if (t->remove && (t->service || t->file || t->label || t->rights || t->lifetime_usec ||
			  t->limited_uses))
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
		{ "lifetime", required_argument, NULL, 'l' },
		{ "uses", required_argument, NULL, 'n' },
		{ "label", required_argument, NULL, 'L' },
		{ "remove", no_argument, NULL, 'r' },
		{ "help", no_argument, NULL, 'h' },
		BROKER_OPTIONS,
		{ 0 },
	};
	struct terms terms = { 0 };
	int c, r;

	while ((c = getopt_long(argc, argv, ":a:f:scl:n:L:rh", options, NULL)) != -1) {
		switch (c) {
		case 'a':
			terms.service = optarg;
			break;
		case 'f':
			terms.file = optarg;
			break;
		case 's':
			terms.rights |= RIGHT_SERVE;
			break;
		case 'c':
			terms.rights |= RIGHT_CONNECT;
			break;
		case 'l':
			if (parse_duration(optarg, &terms.lifetime_usec) < 0 ||
			    terms.lifetime_usec == 0)
				return usage_error("grant", "\"%s\" is no lifetime (wanted: 90s, 10m, "
						   "2h, 7d)", optarg);
			if (terms.lifetime_usec == UINT64_MAX)
				terms.lifetime_usec = 0;
			break;
		case 'n':
			terms.limited_uses = true;
			if (parse_number(optarg, UINT32_MAX - 1, &terms.uses) < 0 || !terms.uses)
				return usage_error("grant", "\"%s\" is no number of uses (wanted: 1 or "
						   "more)", optarg);
			break;
		case 'L':
			terms.label = optarg;
			break;
		case 'r':
			terms.remove = true;
			break;
		case 'h':
			return help(text);
		default:
			if (!where_option(c, optarg))
				return option_error("grant", c, argv);
		}
	}
	if (argc - optind != 2)
		return usage_error("grant", "wanted: a door and a name");
	r = check(&terms, argv[optind], argv[optind + 1]);
	return r != CODE_OK ? r : run(&terms, argv[optind], argv[optind + 1]);
}
