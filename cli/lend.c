/* SPDX-License-Identifier: Apache-2.0 */
/*
 * intro lend: make a narrower reference, for a program or for a door. And intro revoke.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "../libintro/wire/name.h"
#include "admin.h"
#include "ask.h"
#include "enclose.h"
#include "fd.h"
#include "reference.h"
#include "refusal.h"
#include "terms.h"

static const char lend_text[] =
	"Usage: intro lend NAME[=AS]… [terms] -- PROGRAM [ARGUMENT…]\n"
	"       intro lend REF [terms] --to DOOR [--as NAME]\n"
	"       intro lend NAME [terms] --save FILE [--owner DOOR]\n"
	"\n"
	"Makes a narrower reference of one that you have, never a wider one.\n"
	"\n"
	"With a PROGRAM it becomes that program, which can reach the names (as AS) and nothing\n"
	"else, with all its children: INTRO_DOOR=fd:N is in its environment, and the names are in\n"
	"INTRO_NAMES. It works in sandboxes that see no door, and for as long as they live.\n"
	"\n"
	"With --to it puts the new reference into a door. REF is the name of a service, DOOR/NAME\n"
	"for what another door was granted, or a number of `intro list references`: what is made\n"
	"from it ends with it.\n"
	"\n"
	"With --save it puts it into a new FILE, as a line of text: whoever can read that may use the\n"
	"reference (intro connect @FILE), also after the broker or the machine was restarted. With\n"
	"--owner only through that door.\n"
	"\n"
	TERMS_HELP
	"  -s, --save FILE      as a file (mode 0600) that must not be there yet\n"
	"  -o, --owner DOOR     usable through this door only\n"
	"  -t, --to DOOR        into this door\n"
	"  -a, --as NAME        as this name there (else: as it is called)\n"
	"  -f, --file FILE      with this socket file there (else: NAME)\n"
	DOOR_HELP
	"\n"
	"Examples:\n"
	"  intro lend db --lifetime 10m -- ./report.sh\n"
	"  intro lend db=database cache --uses 100 --label build-812 -- bwrap … ./build\n"
	"  intro lend db --lifetime 7d --save db.ref && intro connect @db.ref\n"
	"  intro lend web/db --to web-debug --sessions 1 --lifetime 2h\n"
	"To take it back: intro revoke REF   Who has what of it: intro show SERVICE\n";

static const char revoke_text[] =
	"Usage: intro revoke REF…\n"
	"\n"
	"Takes references back, with all that was made from them, wherever they are now. Once it\n"
	"has returned, nobody is introduced by them any more; sessions with a leash are cut, others\n"
	"go on.\n"
	"\n"
	"REF is a number of `intro list references`, or DOOR/NAME for what a door was granted.\n"
	BROKER_HELP
	"\n"
	"Examples:\n"
	"  intro revoke web/db\n"
	"  intro list references db && intro revoke 4711\n";

#define NAMES_MAX 64u

struct lend {
	char *names[NAMES_MAX];
	size_t n;
	const char *door, *as, *file;
	const char *save, *owner;
	struct intro_terms terms;
};

/* Split NAME=AS, in the command line's own memory. CODE_OK or CODE_USAGE. */
static int split(char *word, const char **ret_name, const char **ret_as)
{
	char *as = strchr(word, '=');
	int r;

	if (as)
		*as++ = '\0';
	*ret_name = word;
	*ret_as = as ? as : word;
	r = ask_name("lend", *ret_name);
	return r == CODE_OK ? ask_name("lend", *ret_as) : r;
}

static int to_program(const struct lend *l, char **program)
{
	struct intro_enclosed enclosed[NAMES_MAX];
	const char *names[NAMES_MAX];
	char door[WHERE_BYTES];
	struct intro *in;
	int r = CODE_OK;

	for (size_t i = 0; i < l->n && r == CODE_OK; i++)
		r = split(l->names[i], &names[i], &enclosed[i].name);
	if (r == CODE_OK)
		r = ask_open(false, &in, door);
	if (r != CODE_OK)
		return r;
	for (size_t i = 0; i < l->n; i++) {
		struct intro_ref *ref;

		r = intro_find(in, names[i], &ref);
		if (r < 0) {
			intro_close(in);
			return refused(WANTED_LEND, names[i], door, r);
		}
		enclosed[i].ref = ref;
		enclosed[i].terms = &l->terms;
	}
	return enclose_exec(in, enclosed, l->n, program, door);
}

/* Have it saved: 0 or a negative errno. The line is the reference's. */
static int have_saved(struct intro *in, const struct lend *l, struct intro_ref **ret)
{
	struct intro_event ev;
	int r = intro_find(in, l->names[0], ret);

	return r < 0 ? r : ask_wait(in, intro_save(*ret, &l->terms, l->owner), ANSWER_MS, &ev);
}

static int write_file(const char *file, const char *uri)
{
	_cleanup_close_ int fd = open(file, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);

	if (fd < 0 && errno == EEXIST) {
		complain("%s is there already, and not overwritten\nWhat it holds may be all that there "
			 "is of a reference", file);
		return CODE_FAILED;
	}
	if (fd < 0)
		return failed(-errno, "cannot make %s", file);
	if (dprintf(fd, "%s\n", uri) < 0 || fsync(fd) < 0) {
		int error = -errno;

		unlink(file);
		return failed(error, "cannot write %s", file);
	}
	return CODE_OK;
}

static int to_file(const struct lend *l)
{
	struct intro_ref *ref = NULL;
	char door[WHERE_BYTES];
	struct intro *in;
	int r = ask_name("lend", l->names[0]);

	if (r == CODE_OK && l->owner)
		r = ask_name("lend", l->owner);
	if (r == CODE_OK)
		r = ask_open(false, &in, door);
	if (r != CODE_OK)
		return r;
	r = have_saved(in, l, &ref);
	if (r == 0)
		r = write_file(l->save, intro_ref_uri(ref));
	else if (r == -EACCES)
		r = failed(r, "cannot save \"%s\" through the door %s: the reference does not permit "
			   "it; it would take the right \"save\"", l->names[0], door);
	else
		r = refused(WANTED_LEND, l->names[0], door, r);
	intro_close(in);
	return r;
}

/* What a reference is called where it is: the last part of DOOR/NAME, or the service. */
static const char *own_name(const struct lend *l)
{
	const char *slash = strrchr(l->names[0], '/');

	return l->as ? l->as : slash ? slash + 1 : l->names[0];
}

static int to_door(const struct lend *l)
{
	const char *name = own_name(l);
	uint8_t buf[WIRE_PACKET_MAX];
	struct wire_message reply;
	struct wire_writer w;
	struct admin a;
	uint64_t ref;
	int r;

	r = ask_name("lend", name);
	if (r == CODE_OK)
		r = ask_name("lend", l->door);
	if (r == CODE_OK)
		r = admin_open(&a, false);
	if (r != CODE_OK)
		return r;
	r = reference_find(&a, "lend", l->names[0], &ref);
	if (r == CODE_OK) {
		admin_begin(&a, &w, buf, WIRE_GRANT);
		wire_put_string(&w, TAG_NAME, name);
		wire_put_string(&w, TAG_DOOR, l->door);
		terms_put_label(&w, &l->terms);
		if (l->file)
			wire_put_string(&w, TAG_FILE, l->file);
		terms_put(&w, &l->terms);
		wire_put_u64(&w, TAG_PARENT, ref);
		r = admin_call(&a, &w, &reply);
		if (r == -ENOENT)
			r = failed(r, "cannot lend: there is no door \"%s\"; to make it: intro door add %s",
				   l->door, l->door);
		else if (r == -EEXIST)
			r = failed(r, "cannot lend: the name \"%s\", or its file, is taken in the door "
				   "\"%s\"; another one: --as NAME", name, l->door);
		else if (r < 0)
			r = failed(r, "cannot lend \"%s\" to the door \"%s\"", l->names[0], l->door);
	}
	admin_close(&a);
	return r;
}

static int lend(struct lend *l, int argc, char **argv, bool has_program)
{
	int words = 0;

	while (words < argc && (!has_program || argv[words]))
		words++;
	if (words == 0)
		return usage_error("lend", "wanted: the name of what to lend");
	if ((size_t)words > NAMES_MAX)
		return usage_error("lend", "at most %u names at once", NAMES_MAX);
	if (has_program + (l->door != NULL) + (l->save != NULL) != 1)
		return usage_error("lend", "wanted: either -- PROGRAM or --to DOOR or --save FILE");
	if (l->owner && !l->save)
		return usage_error("lend", "--owner is for --save");
	for (int i = 0; i < words; i++)
		l->names[l->n++] = argv[i];
	if (!l->door && (l->as || l->file))
		return usage_error("lend", "for a program: NAME=AS instead of --as, and no --file");
	if (has_program)
		return to_program(l, argv + words + 1);
	if (l->n > 1)
		return usage_error("lend", "one reference at a time to a door or a file");
	return l->door ? to_door(l) : to_file(l);
}

/* getopt_long() moves words before "--" together; what is behind it is the program's. */
static int find_program(int argc, char **argv)
{
	for (int i = 1; i < argc; i++)
		if (!strcmp(argv[i], "--"))
			return i;
	return argc;
}

int verb_lend(int argc, char **argv)
{
	static const struct option options[] = {
		TERMS_OPTIONS,
		{ "save", required_argument, NULL, 's' },
		{ "owner", required_argument, NULL, 'o' },
		{ "to", required_argument, NULL, 't' },
		{ "as", required_argument, NULL, 'a' },
		{ "file", required_argument, NULL, 'f' },
		{ "help", no_argument, NULL, 'h' },
		DOOR_OPTIONS,
		{ 0 },
	};
	int dashes = find_program(argc, argv), c, r;
	struct lend l = { .n = 0 };
	bool has_program = dashes + 1 < argc;

	while ((c = getopt_long(dashes, argv, ":s:o:t:a:f:h" TERMS_LETTERS, options, NULL)) != -1) {
		switch (c) {
		case 's':
			l.save = optarg;
			break;
		case 'o':
			l.owner = optarg;
			break;
		case 't':
			l.door = optarg;
			break;
		case 'a':
			l.as = optarg;
			break;
		case 'f':
			l.file = optarg;
			break;
		case 'h':
			return help(lend_text);
		default:
			r = terms_option("lend", c, optarg, &l.terms);
			if (r > 0)
				return r;
			if (r < 0 && !where_option(c, optarg))
				return option_error("lend", c, argv);
		}
	}
	if (has_program)
		argv[dashes] = NULL;
	return lend(&l, has_program ? argc - optind : dashes - optind, argv + optind, has_program);
}

static int take_back(struct admin *a, const char *text)
{
	uint8_t buf[WIRE_PACKET_MAX];
	struct wire_message reply;
	struct wire_writer w;
	uint64_t ref;
	int r = reference_find(a, "revoke", text, &ref);

	if (r != CODE_OK)
		return r;
	admin_begin(a, &w, buf, WIRE_REVOKE);
	wire_put_u64(&w, TAG_REFERENCE, ref);
	r = admin_call(a, &w, &reply);
	if (r == -EPERM) {
		complain("\"%s\" is a service itself, and cannot be revoked: end who serves it, or "
			 "revoke what was made of it\nWhat that is: intro show %s", text, text);
		return CODE_FAILED;
	}
	return r < 0 ? failed(r, "cannot revoke \"%s\"", text) : CODE_OK;
}

int verb_revoke(int argc, char **argv)
{
	static const struct option options[] = {
		{ "help", no_argument, NULL, 'h' },
		BROKER_OPTIONS,
		{ 0 },
	};
	struct admin a;
	int c, r;

	while ((c = getopt_long(argc, argv, ":h", options, NULL)) != -1) {
		if (c == 'h')
			return help(revoke_text);
		if (!where_option(c, optarg))
			return option_error("revoke", c, argv);
	}
	if (optind == argc)
		return usage_error("revoke", "wanted: a reference");
	r = admin_open(&a, false);
	if (r != CODE_OK)
		return r;
	for (; optind < argc && r == CODE_OK; optind++)
		r = take_back(&a, argv[optind]);
	admin_close(&a);
	return r;
}
