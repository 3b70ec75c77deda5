/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The reference trees of ref.h.
 */
#include "ref.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../libintro/wire/message.h"
#include "board.h"
#include "conn.h"
#include "door.h"
#include "grant.h"
#include "handle.h"
#include "lent.h"
#include "link.h"
#include "live.h"
#include "service.h"
#include "sturdy.h"

void ref_init_root(struct ref *ref, struct service *service)
{
	*ref = (struct ref){
		.service = service,
		.rights = RIGHTS_ALL,
		.uses = REF_UNLIMITED,
		.expires_usec = UINT64_MAX,
		.kind = REF_SERVICE,
		.id = board.next_id++,
	};
}

/* The labels together: the parent's own where nothing is added. 0 or a negative errno. */
static int join_labels(struct ref *ref, const struct ref *parent, const char *label)
{
	size_t above = parent->label ? strlen(parent->label) + 1 : 0;
	size_t own = label ? strlen(label) : 0;
	char *p;

	ref->label = parent->label;
	if (own == 0)
		return 0;
	/* What is cut off would hide who is above. */
	if (above + own > WIRE_LABEL_MAX)
		return -ENAMETOOLONG;
	p = malloc(above + own + 1);
	if (!p)
		return -ENOMEM;
	if (above) {
		memcpy(p, parent->label, above - 1);
		p[above - 1] = '>';
	}
	memcpy(p + above, label, own + 1);
	ref->label = p;
	ref->own_label = true;
	return 0;
}

int ref_init_child(struct ref *ref, enum ref_kind kind, struct ref *parent,
		   const struct terms *terms)
{
	uint64_t parent_expires = parent->expires_usec;
	int r;

	if (parent->depth >= REF_DEPTH_MAX)
		return -ELOOP;
	ref_init_root(ref, parent->service);
	r = join_labels(ref, parent, terms->label);
	if (r < 0)
		return r;
	ref->kind = (uint8_t)kind;
	ref->depth = (uint8_t)(parent->depth + 1);
	ref->rights = (uint8_t)(parent->rights & terms->rights);
	ref->uses = terms->uses;
	ref->expires_usec = terms->expires_usec < parent_expires ? terms->expires_usec :
								   parent_expires;
	ref->counted = parent->counted || terms->uses != REF_UNLIMITED;
	r = live_init(ref, parent, terms);
	if (r < 0) {
		if (ref->own_label)
			free(ref->label);
		return r;
	}
	ref->parent = parent;
	ref->next = parent->children;
	ref->at = &parent->children;
	if (ref->next)
		ref->next->at = &ref->next;
	parent->children = ref;
	return 0;
}

void ref_end(struct ref *ref, int error)
{
	if (ref->kind == REF_GRANT)
		grant_free(list_entry(ref, struct grant, ref), error);
	else if (ref->kind == REF_LENT)
		lent_free(list_entry(ref, struct lent, ref), error);
}

void ref_break(struct ref *ref, int error)
{
	struct ref *parent = ref->parent;

	/* From now on it settles for nobody, and nobody is introduced by it. */
	ref->rights = 0;
	while (ref->children)
		ref_end(ref->children, error);
	/* Who is told that it has ended finds no session of it alive. */
	live_end(ref, error);
	while (ref->handles)
		handle_break(ref->handles, error);
	if (ref->at) {
		*ref->at = ref->next;
		if (ref->next)
			ref->next->at = ref->at;
		ref->at = NULL;
	}
	if (ref->own_label)
		free(ref->label);
	ref->own_label = false;
	ref->label = NULL;
	if (parent)
		ref_settle(parent);
}

void ref_settle(struct ref *ref)
{
	if (ref->kind == REF_LENT && ref->rights != 0 && !ref->children && !ref->handles &&
	    !lent_is_pinned(list_entry(ref, struct lent, ref)))
		ref_end(ref, 0);
}

int ref_check(struct ref *ref, uint32_t right)
{
	if (!(ref->rights & right))
		return -EACCES;
	if (ref->expires_usec != UINT64_MAX && ref->expires_usec <= timer_now())
		return -EKEYEXPIRED;
	if (ref->counted)
		for (struct ref *it = ref; it; it = it->parent)
			if (it->uses == 0)
				return it->saved && sturdy_more(it) ? -EAGAIN : -EDQUOT;
	if (ref->tracked && right == RIGHT_CONNECT && !live_room(ref))
		return -EUSERS;
	return 0;
}

void ref_use(struct ref *ref)
{
	if (!ref->counted)
		return;
	for (; ref; ref = ref->parent) {
		if (ref->uses == REF_UNLIMITED)
			continue;
		ref->uses--;
		if (ref->kind == REF_GRANT)
			link_keep_uses(list_entry(ref, struct grant, ref));
	}
}

void ref_unuse(struct ref *ref)
{
	if (!ref->counted)
		return;
	for (; ref; ref = ref->parent)
		if (ref->uses != REF_UNLIMITED)
			ref->uses++;
}

uint32_t ref_uses_left(const struct ref *ref)
{
	uint32_t left = REF_UNLIMITED;

	for (; ref; ref = ref->parent)
		if (ref->uses < left)
			left = ref->uses;
	return left;
}

const char *ref_own_label(const struct ref *ref)
{
	const struct ref *parent = ref->parent;

	if (!ref->own_label || !parent)
		return NULL;
	return parent->label ? ref->label + strlen(parent->label) + 1 : ref->label;
}

const char *ref_name(const struct ref *ref)
{
	while (ref->kind == REF_LENT)
		ref = ref->parent;
	return ref->kind == REF_GRANT ? list_entry(ref, struct grant, ref)->name :
					ref->service->name;
}

/* One hop. No part of it has a newline or a quote in it. */
static int write_hop(const struct ref *ref, char *out, size_t size)
{
	const char *label = ref_own_label(ref), *open = label ? " \"" : "", *close = label ? "\"" : "";
	const struct grant *grant = list_entry(ref, struct grant, ref);

	if (ref->kind == REF_SERVICE)
		return snprintf(out, size, "service %s", ref->service->name);
	if (ref->kind == REF_LENT)
		return lent_write_hop(list_entry(ref, struct lent, ref), out, size);
	return snprintf(out, size, "\n%s%s as %s%s%s%s",
			grant->door->within ? "enclosed from door " : "granted to door ",
			grant->door->name, grant->name, open, label ? label : "", close);
}

void ref_provenance(const struct ref *ref, char *out, size_t size)
{
	const struct ref *chain[REF_DEPTH_MAX + 1];
	size_t n = 0, used = 0;

	for (; ref; ref = ref->parent)
		chain[n++] = ref;
	while (n-- > 0 && used < size - 1) {
		int len = write_hop(chain[n], out + used, size - used);

		used += len > 0 ? (size_t)len : 0;
	}
}

static struct ref *find_below(struct ref *ref, uint64_t id)
{
	struct ref *found = ref->id == id ? ref : NULL;

	/* no child is older than its parent */
	for (struct ref *it = ref->children; it && !found && ref->id < id; it = it->next)
		found = find_below(it, id);
	return found;
}

struct ref *ref_by_id(uint64_t id)
{
	struct ref *found;

	list_foreach(it, &board.service_list) {
		found = find_below(&list_entry(it, struct service, in_board)->root, id);
		if (found)
			return found;
	}
	return NULL;
}
