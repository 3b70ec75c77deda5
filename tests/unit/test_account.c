/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Accounts: both are charged or neither, never above a limit, and what they say in messages.
 */
#include <stdlib.h>
#include <string.h>

#include "../../broker/switch/board.h"
#include "../../libintro/wire/message.h"
#include "harness.h"

static const enum wire_tag max_tags[RESOURCE_COUNT] = {
	TAG_MAX_CONNECTIONS, TAG_MAX_NAMES, TAG_MAX_HELD, TAG_MAX_FLIGHT, TAG_MAX_WAITS,
	TAG_MAX_REFERENCES,
};
static const enum wire_tag used_tags[RESOURCE_COUNT] = {
	TAG_CONNECTIONS, TAG_NAMES, TAG_HELD, TAG_FLIGHT, TAG_WAITS, TAG_REFERENCES,
};

static struct account door;

static void begin(void)
{
	list_init(&board.users);
	for (uint32_t i = 0; i < RESOURCE_COUNT; i++)
		board.limits.max[i] = 3 + i;
	account_init(&door, board.limits.max);
	srand(1);
}

TEST(account, charges_both_or_neither)
{
	struct user *user;

	begin();
	user = user_get(1000);
	user_hold(user);
	for (int what = 0; what < RESOURCE_COUNT; what++) {
		uint32_t max = board.limits.max[what];

		door.max[what] = max + 1;
		for (uint32_t i = 0; i < max; i++)
			cr_assert(account_take(&door, user, what));
		cr_assert(!account_room(&door, user, what));
		cr_assert(!account_take(&door, user, what), "the user's limit");
		cr_assert_eq(door.used[what], max, "what was refused is not charged");
		cr_assert(account_room(&door, NULL, what), "somebody else still may");
		cr_assert(account_take(&door, NULL, what));
		cr_assert(!account_take(&door, NULL, what), "the door's limit");
		account_give(&door, user, what);
		account_give(&door, NULL, what);
		cr_assert(account_take(&door, user, what));
		user->account.max[what] = UINT32_MAX;
		cr_assert(account_take(&door, user, what));
		cr_assert(!account_take(&door, user, what), "the door's limit");
		cr_assert_eq(user->account.used[what], max + 1);
	}
	user_release(user);
	cr_assert_null(user_find(1000));
}

TEST(account, nothing_at_all_is_a_limit)
{
	begin();
	memset(door.max, 0, sizeof door.max);
	for (int what = 0; what < RESOURCE_COUNT; what++) {
		cr_assert(!account_room(&door, NULL, what));
		cr_assert(!account_take(&door, NULL, what));
	}
}

/* Limits move while things are in use: nothing is taken above them, and the sums are right. */
TEST(account, sums_are_right)
{
	enum { USERS = 5 };
	struct user *users[USERS];
	uint32_t model[USERS][RESOURCE_COUNT] = { 0 };

	begin();
	for (uint32_t i = 0; i < USERS; i++)
		user_hold(users[i] = user_get(i));
	for (int step = 0; step < 100000; step++) {
		int who = rand() % USERS, what = rand() % RESOURCE_COUNT;
		struct user *user = users[who];
		uint32_t all = 0;

		for (int i = 0; i < USERS; i++)
			all += model[i][what];
		if (rand() % 50 == 0) {
			door.max[what] = (uint32_t)rand() % 20;
		} else if (rand() % 50 == 0) {
			user->account.max[what] = (uint32_t)rand() % 6;
		} else if (rand() % 2 && model[who][what] > 0) {
			account_give(&door, user, what);
			model[who][what]--;
		} else {
			bool room = all < door.max[what] &&
				    model[who][what] < user->account.max[what];

			cr_assert_eq(account_room(&door, user, what), room);
			cr_assert_eq(account_take(&door, user, what), room);
			model[who][what] += room;
		}
		all = 0;
		for (int i = 0; i < USERS; i++) {
			cr_assert_eq(users[i]->account.used[what], model[i][what]);
			all += model[i][what];
		}
		cr_assert_eq(door.used[what], all);
	}
	for (int i = 0; i < USERS; i++)
		user_release(users[i]);
	cr_assert(list_empty(&board.users));
}

static void parse_limits(const struct account *a, struct wire_message *m, uint8_t *buf,
			 size_t size, void (*write)(const struct account *, struct wire_writer *))
{
	struct wire_writer w;

	wire_begin(&w, buf, size, WIRE_LIMIT, 1, 0, 0);
	write(a, &w);
	cr_assert_eq(wire_parse(buf, (size_t)wire_finish(&w), m), 0);
}

TEST(account, limits_travel_in_messages)
{
	uint8_t buf[256], some[64];
	struct wire_message m;
	struct account other;
	struct wire_writer w;

	begin();
	for (uint32_t i = 0; i < RESOURCE_COUNT; i++) {
		door.max[i] = 100 + i;
		door.used[i] = 10 + i;
	}
	parse_limits(&door, &m, buf, sizeof buf, account_write_limits);
	for (uint32_t i = 0; i < RESOURCE_COUNT; i++) {
		cr_expect_eq(wire_u32(&m, max_tags[i], 0), 100 + i);
		cr_expect(!wire_has(&m, used_tags[i]));
	}
	account_init(&other, board.limits.max);
	cr_assert(!account_limited(&other));
	account_limit(&other, &m);
	cr_assert(account_limited(&other));
	cr_assert_eq(memcmp(other.max, door.max, sizeof door.max), 0);

	/* what a message does not name stays as it is; and 0 is a limit */
	wire_begin(&w, some, sizeof some, WIRE_LIMIT, 1, 0, 0);
	wire_put_u32(&w, TAG_MAX_HELD, 0);
	cr_assert_eq(wire_parse(some, (size_t)wire_finish(&w), &m), 0);
	account_limit(&other, &m);
	for (uint32_t i = 0; i < RESOURCE_COUNT; i++)
		cr_expect_eq(other.max[i], i == RESOURCE_HELD ? 0 : 100 + i);

	/* a message that names none does not make an account a limited one */
	wire_begin(&w, some, sizeof some, WIRE_LIMIT, 1, 0, 0);
	cr_assert_eq(wire_parse(some, (size_t)wire_finish(&w), &m), 0);
	account_init(&other, board.limits.max);
	account_limit(&other, &m);
	cr_expect(!account_limited(&other));

	parse_limits(&door, &m, buf, sizeof buf, account_write_usage);
	for (uint32_t i = 0; i < RESOURCE_COUNT; i++)
		cr_expect_eq(wire_u32(&m, used_tags[i], 0), 10 + i);
}

/* A uid's account lives as long as it has a connection, or limits of its own. */
TEST(account, of_a_uid_is_one_and_ends)
{
	struct user *user, *limited;

	begin();
	cr_assert_null(user_find(1000));
	user = user_get(1000);
	cr_assert_eq(user_get(1000), user);
	cr_assert_eq(user_find(1000), user);
	cr_assert_neq(user_get(1001), user);
	user_hold(user_find(1001));
	user_release(user_find(1001));
	cr_assert_null(user_find(1001));
	user_hold(user);
	user_hold(user);
	user_release(user);
	cr_assert_eq(user_find(1000), user);
	user_release(user);
	cr_assert_null(user_find(1000));

	limited = user_get(1000);
	limited->account.at_run_time = 1u << RESOURCE_HELD;
	user_hold(limited);
	user_release(limited);
	cr_assert_eq(user_find(1000), limited, "its limits are remembered");
	list_remove(&limited->in_board);
	free(limited);
}
