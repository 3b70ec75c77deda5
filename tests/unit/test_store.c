/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the parent keeps for the switch (broker/parent/store.h).
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "broker/parent/store.h"
#include "harness.h"

static int some_fd(void)
{
	return MUST(open("/dev/null", O_RDONLY | O_CLOEXEC));
}

static int keep_text(struct store *s, uint64_t id, const char *text, int fd)
{
	return store_keep(s, id, text, strlen(text), fd);
}

TEST(store, keeps_in_order_of_ids)
{
	static const uint64_t ids[] = { 16, 20, 18, 17, UINT64_MAX, 1, 19 };
	struct store s = { .fds_max = 8 };
	uint64_t last = 0, next = 0;
	size_t n = 0;

	for (size_t i = 0; i < sizeof ids / sizeof ids[0]; i++)
		cr_assert_eq(keep_text(&s, ids[i], "x", -1), 0);
	for (const struct store_entry *e; next != 0 || n == 0; n++, next = last + 1) {
		e = store_from(&s, next);
		cr_assert_not_null(e);
		cr_assert_gt(e->id, last);
		last = e->id;
	}
	cr_assert_eq(n, sizeof ids / sizeof ids[0]);
	cr_assert_null(store_find(&s, 2));
	store_clear(&s);
	cr_assert_null(store_from(&s, 0));
	cr_assert_eq(s.bytes, 0);
}

TEST(store, replaces_an_entry_and_closes_its_listener)
{
	struct store s = { .fds_max = 8 };
	int before = fd_count(), fd = some_fd();
	const struct store_entry *e;

	cr_assert_eq(keep_text(&s, 16, "first", fd), 0);
	cr_assert_eq(keep_text(&s, 16, "second one", -1), 0);
	e = store_find(&s, 16);
	cr_assert_eq(e->len, strlen("second one"));
	cr_assert_eq(memcmp(e->bytes, "second one", e->len), 0);
	cr_assert_eq(e->fd, -1);
	cr_assert_eq(fd_count(), before, "the first one's is closed");
	cr_assert_eq(s.n, 1);
	cr_assert_eq(s.bytes, e->len);

	cr_assert_eq(keep_text(&s, 16, "", some_fd()), 0);
	cr_assert_eq(store_forget(&s, 16), 0);
	cr_assert_eq(store_forget(&s, 16), -ENOENT);
	cr_assert_eq(fd_count(), before);
	cr_assert_eq(s.fds, 0);
	cr_assert_eq(s.bytes, 0);
	store_clear(&s);
}

TEST(store, forgets_from_anywhere)
{
	struct store s = { .fds_max = 64 };

	for (uint64_t id = 1; id <= 40; id++)
		cr_assert_eq(keep_text(&s, id, "text", some_fd()), 0);
	for (uint64_t id = 1; id <= 40; id += 3)
		cr_assert_eq(store_forget(&s, id), 0);
	for (uint64_t id = 1; id <= 40; id++)
		cr_assert_eq(store_find(&s, id) != NULL, id % 3 != 1);
	store_clear(&s);
}

TEST(store, refuses_more_listeners_than_it_may_hold)
{
	struct store s = { .fds_max = 2 };
	int fd = some_fd();

	cr_assert_eq(keep_text(&s, 1, "a", some_fd()), 0);
	cr_assert_eq(keep_text(&s, 2, "b", some_fd()), 0);
	cr_assert_eq(keep_text(&s, 3, "c", fd), -ENOSPC);
	cr_assert_neq(fcntl(fd, F_GETFD), -1, "it stays the caller's");
	cr_assert_null(store_find(&s, 3));
	cr_assert_eq(keep_text(&s, 2, "b again", fd), 0, "a replacement takes no more");
	store_clear(&s);
}

TEST(store, refuses_more_bytes_than_it_may_hold)
{
	static char page[4096];
	struct store s = { 0 };
	uint64_t id = 0;
	int r;

	do
		r = store_keep(&s, ++id, page, sizeof page, -1);
	while (r == 0 && id < 100000);
	cr_assert_eq(r, -ENOSPC);
	cr_assert_eq(s.bytes, STORE_BYTES_MAX);
	cr_assert_eq(keep_text(&s, 1, "less", -1), 0);
	cr_assert_eq(store_keep(&s, 1, page, sizeof page, -1), 0);
	store_clear(&s);
}

TEST(store, refuses_more_entries_than_it_may_hold)
{
	struct store s = { 0 };

	for (uint64_t id = 1; id <= STORE_ENTRIES_MAX; id++)
		cr_assert_eq(store_keep(&s, id, NULL, 0, -1), 0);
	cr_assert_eq(store_keep(&s, STORE_ENTRIES_MAX + 1, NULL, 0, -1), -ENOSPC);
	cr_assert_eq(store_keep(&s, 7, "x", 1, -1), 0);
	store_clear(&s);
}
