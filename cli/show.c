/* SPDX-License-Identifier: Apache-2.0 */
/*
 * intro show: everything about one service, or about one door.
 */
#include <errno.h>
#include <string.h>

#include "cli.h"
#include "listing.h"
#include "start.h"
#include "tree.h"

static const char text[] =
	"Usage: intro show NAME [--json]\n"
	"       intro show door NAME [--json]\n"
	"\n"
	"Everything about one service, with the tree of all references to it: what was granted,\n"
	"lent and given, by whom, and from what. Or about one door: its directory, its limits,\n"
	"what of them is used, and its grants.\n"
	"\n"
	"  -j, --json           one object, for programs\n"
	BROKER_HELP
	"\n"
	"Examples:\n"
	"  intro show redis\n"
	"  bwrap --ro-bind \"$(intro show door web --json | jq -r .directory)\" /run/intro …\n";

struct page {
	bool json;
	size_t rows;
	json_t *object;		/* the thing's own tags */
	json_t *list;
};

static int print_thing(void *arg, const struct wire_message *row)
{
	struct page *page = arg;
	char value[WIRE_TEXT_MAX + 1];

	page->rows++;
	if (page->json) {
		json_t *object = message_json(row);
		int r = object && page->object ? json_object_update(page->object, object) : -1;

		json_decref(object);
		return r < 0 ? -ENOMEM : 0;
	}
	for (unsigned int tag = 1; tag < TAG_END; tag++) {
		if (!wire_has(row, tag) || !*value_text(row, tag, value, sizeof value))
			continue;
		/* the usage's row names the door once more */
		if (page->rows > 1 && (tag == TAG_DOOR || tag == TAG_INTRODUCTIONS ||
				       tag == TAG_REFUSALS || tag == TAG_CONNECTIONS ||
				       tag == TAG_NAMES))
			continue;
		printf("%-18s%s\n", wire_tag_name(tag), value);
	}
	return 0;
}

static int add_to_list(void *arg, const struct wire_message *row)
{
	struct page *page = arg;

	return json_array_append_new(page->list, message_json(row)) < 0 ? -ENOMEM : 0;
}

/* A list of what concerns the thing, as a key of its object. */
static int add_list(struct admin *a, struct page *page, enum wire_what what, const char *key,
		    const char *door, const char *name)
{
	int r;

	page->list = json_array();
	r = page->list ? listing_each(a, what, door, name, add_to_list, page) : -ENOMEM;
	if (r >= 0 && json_object_set(page->object, key, page->list) < 0)
		r = -ENOMEM;
	json_decref(page->list);
	return r;
}

static int finish_json(struct admin *a, struct page *page, const char *door, const char *name)
{
	int r = add_list(a, page, WHAT_GRANTS, "grants", door, name);

	if (r >= 0 && !door)
		r = add_list(a, page, WHAT_REFERENCES, "references", NULL, name);
	if (r >= 0) {
		r = json_print(page->object, JSON_INDENT(2), stdout);
		page->object = NULL;
	}
	return r;
}

/* What was made of a service, and of what was made. */
static int show_tree(struct admin *a, const char *service)
{
	struct tree tree;
	int r = tree_get(a, service, &tree);

	if (r < 0)
		return failed(r, "cannot list what the broker has");
	tree_print(&tree, stdout);
	tree_free(&tree);
	return CODE_OK;
}

static int show(struct admin *a, bool is_door, const char *name, bool json)
{
	struct page page = { .json = json, .object = json ? json_object() : NULL };
	const char *door = is_door ? name : NULL, *service = is_door ? NULL : name;
	int r;

	r = listing_each(a, is_door ? WHAT_DOORS : WHAT_SERVICES, door, service, print_thing,
			 &page);
	if (r >= 0 && page.rows > 0 && is_door)
		r = listing_each(a, WHAT_USAGE, door, NULL, print_thing, &page);
	if (r == -ENOENT || (r >= 0 && page.rows == 0)) {
		complain("there is no %s \"%s\"\nThose there are: intro list%s",
			 is_door ? "door" : "service", name, is_door ? " doors" : "");
		json_decref(page.object);
		return CODE_FAILED;
	}
	if (r >= 0 && json)
		r = finish_json(a, &page, door, service);
	json_decref(page.object);
	if (r < 0)
		return failed(r, "cannot show \"%s\"", name);
	if (json)
		return CODE_OK;
	putchar('\n');
	return is_door ? listing_print(a, WHAT_GRANTS, door, NULL, false, NULL) :
			 show_tree(a, service);
}

int verb_show(int argc, char **argv)
{
	static const struct option options[] = {
		{ "json", no_argument, NULL, 'j' },
		{ "help", no_argument, NULL, 'h' },
		BROKER_OPTIONS,
		{ 0 },
	};
	bool json = false, is_door;
	struct admin a;
	int c, r;

	while ((c = getopt_long(argc, argv, ":jh", options, NULL)) != -1) {
		if (c == 'j')
			json = true;
		else if (c == 'h')
			return help(text);
		else if (!where_option(c, optarg))
			return option_error("show", c, argv);
	}
	argc -= optind;
	argv += optind;
	is_door = argc == 2 && !strcmp(argv[0], "door");
	if (argc != 1 && !is_door)
		return usage_error("show", "wanted: the name of a service, or \"door\" and its name");

	r = admin_open(&a, false);
	if (r != CODE_OK)
		return r;
	r = show(&a, is_door, argv[argc - 1], json);
	admin_close(&a);
	return r;
}
