/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The walk of walk.h.
 */
#include "walk.h"

#include <stddef.h>

#include "board.h"
#include "service.h"

static struct ref *arrive(struct walk *w, struct ref *ref)
{
	w->at = ref;
	w->depth = ref->depth + 1u;
	w->path[ref->depth] = ref->id;
	return ref;
}

/* The first service behind a number, in the order of the numbers. */
static struct ref *service_after(uint64_t id)
{
	list_foreach(it, &board.service_list) {
		struct ref *root = &list_entry(it, struct service, in_board)->root;

		if (root->id > id)
			return root;
	}
	return NULL;
}

/* Down the path as far as it is still there. */
static struct ref *resume(const struct walk *w)
{
	struct ref *ref = w->path[0] ? service_after(w->path[0] - 1) : NULL;

	if (!ref || ref->id != w->path[0])
		return NULL;
	for (uint32_t i = 1; i < w->depth; i++) {
		struct ref *child = ref->children;

		while (child && child->id > w->path[i])
			child = child->next;
		if (!child || child->id != w->path[i])
			break;
		ref = child;
	}
	return ref;
}

/* The next child after the one that the path had here; the path's end: the first. Children are
 * in the order of falling numbers. */
static struct ref *child_after(const struct walk *w, const struct ref *ref)
{
	struct ref *child = ref->children;

	if (ref->depth + 1u < w->depth)
		while (child && child->id >= w->path[ref->depth + 1])
			child = child->next;
	return child;
}

struct ref *walk_next(struct walk *w)
{
	struct ref *ref = w->at ? w->at : resume(w);
	struct ref *next = ref ? child_after(w, ref) : NULL;

	for (; ref && !next; ref = ref->parent)
		next = ref->parent ? ref->next : NULL;
	if (!next)
		next = service_after(w->path[0]);
	return next ? arrive(w, next) : NULL;
}
