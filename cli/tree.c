/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The trees of tree.h.
 */
#include "tree.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "listing.h"
#include "rows.h"

/* What is said of a reference besides what it is, each with its word before it. */
static const struct {
	enum wire_tag tag;
	const char *before, *after;
} said[] = {
	{ TAG_RIGHTS, "to ", "" },	   { TAG_USES, "", " uses left" },
	{ TAG_SESSIONS, "at most ", " sessions at once" },
	{ TAG_LIVE, "", " live" },	   { TAG_LEASH, "leash ", "" },
	{ TAG_EXPIRES, "expires in ", "" },
};

static char *write_terms(const struct wire_message *row)
{
	char value[256], *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	if (!f)
		return NULL;
	for (size_t i = 0, n = 0; i < sizeof said / sizeof *said; i++) {
		if (!wire_has(row, said[i].tag))
			continue;
		fprintf(f, "%s%s%s%s", n++ ? ", " : "", said[i].before,
			value_text(row, said[i].tag, value, sizeof value), said[i].after);
	}
	return fclose(f) == 0 ? text : NULL;
}

/* The last line of a provenance says who made the reference itself. */
static char *write_maker(const struct wire_message *row)
{
	char text[WIRE_TEXT_MAX + 1];
	const char *last;

	wire_string(row, TAG_PROVENANCE, text, sizeof text);
	last = strrchr(text, '\n');
	return strdup(last ? last + 1 : "");
}

static char *copy_string(const struct wire_message *row, enum wire_tag tag)
{
	char text[WIRE_TEXT_MAX + 1];

	return wire_string(row, tag, text, sizeof text) == 0 ? strdup(text) : NULL;
}

static int add(void *arg, const struct wire_message *row)
{
	struct tree *tree = arg;
	struct tree_node *node;

	if (tree->n == tree->size) {
		size_t size = tree->size ? tree->size * 2 : 64;
		struct tree_node *nodes = reallocarray(tree->nodes, size, sizeof *nodes);

		if (!nodes)
			return -ENOMEM;
		tree->nodes = nodes;
		tree->size = size;
	}
	node = &tree->nodes[tree->n++];
	*node = (struct tree_node){
		.id = wire_u64(row, TAG_REFERENCE, 0),
		.parent = wire_u64(row, TAG_PARENT, 0),
		.kind = wire_u32(row, TAG_WHAT, 0),
		.name = copy_string(row, TAG_NAME),
		.door = copy_string(row, TAG_DOOR),
		.terms = write_terms(row),
		.maker = write_maker(row),
		.live = wire_has(row, TAG_LIVE) ? (int64_t)wire_u32(row, TAG_LIVE, 0) : -1,
	};
	return node->name && node->terms && node->maker ? 0 : -ENOMEM;
}

static int by_id(const void *a, const void *b)
{
	const struct tree_node *x = a, *y = b;

	return x->id < y->id ? -1 : x->id > y->id;
}

int tree_get(struct admin *a, const char *service, struct tree *ret)
{
	int r;

	*ret = (struct tree){ 0 };
	r = listing_each(a, WHAT_REFERENCES, NULL, service, add, ret);
	if (r < 0) {
		tree_free(ret);
		return r;
	}
	if (ret->n > 0)
		qsort(ret->nodes, ret->n, sizeof *ret->nodes, by_id);
	return 0;
}

void tree_free(struct tree *tree)
{
	for (size_t i = 0; i < tree->n; i++) {
		free(tree->nodes[i].name);
		free(tree->nodes[i].door);
		free(tree->nodes[i].terms);
		free(tree->nodes[i].maker);
	}
	free(tree->nodes);
	*tree = (struct tree){ 0 };
}

static void print_node(const struct tree_node *node, FILE *out)
{
	if (node->kind == KIND_OF_SERVICE)
		fprintf(out, "%s\n", node->name);
	else
		fprintf(out, "%llu %s (%s)\n", (unsigned long long)node->id, node->maker, node->terms);
}

/* The next child of a parent from an index on; n: there is none. */
static size_t child_from(const struct tree *tree, uint64_t parent, size_t i)
{
	while (i < tree->n && tree->nodes[i].parent != parent)
		i++;
	return i;
}

static void print_below(const struct tree *tree, uint64_t parent, const char *indent, FILE *out)
{
	size_t i = child_from(tree, parent, 0), next;
	char deeper[512];

	for (; i < tree->n; i = next) {
		bool last;

		next = child_from(tree, parent, i + 1);
		last = next == tree->n;
		fprintf(out, "%s%s", indent, last ? "└─ " : "├─ ");
		print_node(&tree->nodes[i], out);
		snprintf(deeper, sizeof deeper, "%s%s", indent, last ? "   " : "│  ");
		print_below(tree, tree->nodes[i].id, deeper, out);
	}
}

void tree_print(const struct tree *tree, FILE *out)
{
	for (size_t i = 0; i < tree->n; i++) {
		if (tree->nodes[i].parent != 0)
			continue;
		print_node(&tree->nodes[i], out);
		print_below(tree, tree->nodes[i].id, "", out);
	}
}
