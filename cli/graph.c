/* SPDX-License-Identifier: Apache-2.0 */
/*
 * intro graph: who can reach what, by which references, as a graph in the DOT language.
 */
#include <stdio.h>

#include "cli.h"
#include "start.h"
#include "tree.h"

static const char text[] =
	"Usage: intro graph [SERVICE]\n"
	"\n"
	"Writes who can reach what in the DOT language: services (boxes), doors (houses), and the\n"
	"references between them, each with its terms; arrows go from what a reference was made\n"
	"from to what was made. The number of live sessions stands at those that are counted.\n"
	BROKER_HELP
	"\n"
	"Example:\n"
	"  intro graph | dot -Tsvg >graph.svg\n";

/* Names, labels and terms have neither quotes to escape nor backslashes, but for their own. */
static void print_quoted(const char *s)
{
	for (; *s; s++) {
		if (*s == '"' || *s == '\\')
			putchar('\\');
		putchar(*s);
	}
}

static void print_node(const struct tree_node *node)
{
	printf("\tr%llu [label=\"", (unsigned long long)node->id);
	print_quoted(node->kind == KIND_OF_SERVICE ? node->name : node->maker);
	if (node->kind != KIND_OF_SERVICE && node->terms[0]) {
		fputs("\\n", stdout);
		print_quoted(node->terms);
	}
	printf("\"%s];\n", node->kind == KIND_OF_SERVICE ? ", shape=box, style=bold" : "");
	if (node->parent)
		printf("\tr%llu -> r%llu;\n", (unsigned long long)node->parent,
		       (unsigned long long)node->id);
	if (!node->door)
		return;
	printf("\t\"door %s\" [shape=house];\n\tr%llu -> \"door %s\" [label=\"", node->door,
	       (unsigned long long)node->id, node->door);
	print_quoted(node->name);
	printf("\"%s];\n", node->live > 0 ? ", style=bold" : "");
}

static int print(const struct tree *tree)
{
	puts("digraph introd {\n\trankdir=LR;\n\tnode [shape=ellipse, fontsize=10];");
	for (size_t i = 0; i < tree->n; i++)
		print_node(&tree->nodes[i]);
	puts("}");
	return fflush(stdout) == 0 ? CODE_OK : CODE_FAILED;
}

int verb_graph(int argc, char **argv)
{
	static const struct option options[] = {
		{ "help", no_argument, NULL, 'h' },
		BROKER_OPTIONS,
		{ 0 },
	};
	struct tree tree;
	struct admin a;
	int c, r;

	while ((c = getopt_long(argc, argv, ":h", options, NULL)) != -1) {
		if (c == 'h')
			return help(text);
		if (!where_option(c, optarg))
			return option_error("graph", c, argv);
	}
	if (argc - optind > 1)
		return usage_error("graph", "at most one service");
	r = admin_open(&a, false);
	if (r != CODE_OK)
		return r;
	r = tree_get(&a, argv[optind], &tree);
	admin_close(&a);
	if (r < 0)
		return failed(r, "cannot list what the broker has");
	r = print(&tree);
	tree_free(&tree);
	return r;
}
