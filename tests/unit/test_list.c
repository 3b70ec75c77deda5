/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The lists of broker/switch/list.h.
 */
#include <stdlib.h>

#include "../../broker/switch/list.h"
#include "harness.h"

struct item {
	int number;
	struct list link;
};

static struct item items[6];

static void start(struct list *head, int n)
{
	list_init(head);
	for (int i = 0; i < n; i++) {
		items[i].number = i;
		list_append(head, &items[i].link);
	}
}

/* The list's numbers as a decimal number, and the same backwards. */
static long forwards(const struct list *head)
{
	long all = 0;

	list_foreach(it, head)
		all = all * 10 + list_entry(it, struct item, link)->number + 1;
	return all;
}

static long backwards(const struct list *head)
{
	long all = 0;

	for (struct list *it = head->prev; it != head; it = it->prev)
		all = all * 10 + list_entry(it, struct item, link)->number + 1;
	return all;
}

static void expect_numbers(const struct list *head, long there, long back)
{
	cr_assert_eq(forwards(head), there, "%ld", forwards(head));
	cr_assert_eq(backwards(head), back, "%ld", backwards(head));
	cr_assert_eq(list_empty(head), there == 0);
}

TEST(list, keeps_the_order)
{
	struct list head;

	start(&head, 0);
	expect_numbers(&head, 0, 0);
	start(&head, 1);
	expect_numbers(&head, 1, 1);
	start(&head, 4);
	expect_numbers(&head, 1234, 4321);
}

TEST(list, removes_from_anywhere_and_again)
{
	struct list head;

	start(&head, 4);
	list_remove(&items[1].link);
	expect_numbers(&head, 134, 431);
	list_remove(&items[1].link);
	expect_numbers(&head, 134, 431);
	cr_assert(list_empty(&items[1].link), "it is in no list");
	list_remove(&items[0].link);
	list_remove(&items[3].link);
	expect_numbers(&head, 3, 3);
	list_append(&head, &items[0].link);
	expect_numbers(&head, 31, 13);
	list_remove(&items[2].link);
	list_remove(&items[0].link);
	expect_numbers(&head, 0, 0);
}

TEST(list, splices)
{
	struct list to, from;

	list_init(&from);
	start(&to, 3);
	list_splice(&to, &from);
	expect_numbers(&to, 123, 321);

	for (int i = 3; i < 6; i++) {
		items[i].number = i;
		list_append(&from, &items[i].link);
	}
	list_splice(&to, &from);
	expect_numbers(&to, 123456, 654321);
	expect_numbers(&from, 0, 0);
	/* and from nothing */
	list_splice(&from, &to);
	expect_numbers(&from, 123456, 654321);
	expect_numbers(&to, 0, 0);
}

TEST(list, may_lose_the_element_that_is_looked_at)
{
	struct item *item;
	struct list head;
	int seen = 0;

	list_init(&head);
	for (int i = 0; i < 5; i++) {
		item = malloc(sizeof *item);
		cr_assert(item);
		item->number = i;
		list_append(&head, &item->link);
	}
	list_foreach_safe(it, &head) {
		item = list_entry(it, struct item, link);
		cr_assert_eq(item->number, seen++);
		if (item->number == 2)
			continue;
		list_remove(it);
		free(item);
	}
	cr_assert_eq(seen, 5);
	expect_numbers(&head, 3, 3);
	free(list_entry(head.next, struct item, link));
}
