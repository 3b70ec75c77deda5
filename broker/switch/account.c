/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The accounts of account.h.
 */
#include "account.h"

#include <stdlib.h>
#include <string.h>

#include "../../libintro/wire/message.h"
#include "board.h"

static const enum wire_tag max_tags[RESOURCE_COUNT] = {
	TAG_MAX_CONNECTIONS, TAG_MAX_NAMES, TAG_MAX_HELD, TAG_MAX_FLIGHT, TAG_MAX_WAITS,
};
static const enum wire_tag used_tags[RESOURCE_COUNT] = {
	TAG_CONNECTIONS, TAG_NAMES, TAG_HELD, TAG_FLIGHT, TAG_WAITS,
};

void account_init(struct account *a)
{
	*a = (struct account){ 0 };
	memcpy(a->max, board.limits.max, sizeof a->max);
}

void account_init_unlimited(struct account *a)
{
	*a = (struct account){ 0 };
	for (int i = 0; i < RESOURCE_COUNT; i++)
		a->max[i] = UINT32_MAX;
}

bool account_room(const struct account *door, const struct user *user, enum resource what)
{
	return door->used[what] < door->max[what] &&
	       (!user || user->account.used[what] < user->account.max[what]);
}

bool account_take(struct account *door, struct user *user, enum resource what)
{
	if (!account_room(door, user, what))
		return false;
	door->used[what]++;
	if (user)
		user->account.used[what]++;
	return true;
}

void account_give(struct account *door, struct user *user, enum resource what)
{
	door->used[what]--;
	if (user)
		user->account.used[what]--;
}

void account_limit(struct account *a, const struct wire_message *m)
{
	for (int i = 0; i < RESOURCE_COUNT; i++) {
		if (!wire_has(m, max_tags[i]))
			continue;
		a->max[i] = wire_u32(m, max_tags[i], 0);
		a->limited = true;
	}
}

void account_write_limits(const struct account *a, struct wire_writer *w)
{
	for (int i = 0; i < RESOURCE_COUNT; i++)
		wire_put_u32(w, max_tags[i], a->max[i]);
}

void account_write_usage(const struct account *a, struct wire_writer *w)
{
	for (int i = 0; i < RESOURCE_COUNT; i++)
		wire_put_u32(w, used_tags[i], a->used[i]);
}

struct user *user_find(uint32_t uid)
{
	list_foreach(it, &board.users) {
		struct user *user = list_entry(it, struct user, in_board);

		if (user->uid == uid)
			return user;
	}
	return NULL;
}

struct user *user_get(uint32_t uid)
{
	struct user *user = user_find(uid);

	if (user)
		return user;
	user = calloc(1, sizeof *user);
	if (!user)
		return NULL;
	user->uid = uid;
	account_init(&user->account);
	list_append(&board.users, &user->in_board);
	return user;
}

void user_init_nobody(struct user *user)
{
	*user = (struct user){ .uid = UINT32_MAX, .conns = 1 };
	list_init(&user->in_board);
	account_init_unlimited(&user->account);
}

void user_hold(struct user *user)
{
	user->conns++;
}

void user_release(struct user *user)
{
	if (--user->conns > 0 || user->account.limited)
		return;
	list_remove(&user->in_board);
	free(user);
}
