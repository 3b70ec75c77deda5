/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Circular doubly linked lists, linked into their elements. A head and an element have the
 * same type; an element that is in no list points at itself, so that removing it again is
 * harmless.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct list {
	struct list *next, *prev;
};

#define list_entry(link, type, member) \
	((type *)(void *)((char *)(link) - offsetof(type, member)))

#define list_foreach(it, head) \
	for (struct list *it = (head)->next; it != (head); it = it->next)

/* The element may be removed from the list, or freed, inside. */
#define list_foreach_safe(it, head) \
	for (struct list *it = (head)->next, *it##_next = it->next; it != (head); \
	     it = it##_next, it##_next = it->next)

static inline void list_init(struct list *l)
{
	l->next = l->prev = l;
}

static inline bool list_empty(const struct list *l)
{
	return l->next == l;
}

static inline void list_append(struct list *head, struct list *l)
{
	l->prev = head->prev;
	l->next = head;
	head->prev->next = l;
	head->prev = l;
}

static inline void list_remove(struct list *l)
{
	l->prev->next = l->next;
	l->next->prev = l->prev;
	list_init(l);
}

/* Move all of from's elements to the end of to. */
static inline void list_splice(struct list *to, struct list *from)
{
	if (list_empty(from))
		return;
	from->next->prev = to->prev;
	to->prev->next = from->next;
	from->prev->next = to;
	to->prev = from->prev;
	list_init(from);
}
