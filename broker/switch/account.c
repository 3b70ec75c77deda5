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
	TAG_MAX_REFERENCES,
};
static const enum wire_tag used_tags[RESOURCE_COUNT] = {
	TAG_CONNECTIONS, TAG_NAMES, TAG_HELD, TAG_FLIGHT, TAG_WAITS, TAG_REFERENCES,
};

static const uint32_t unlimited[RESOURCE_COUNT] = {
	UINT32_MAX, UINT32_MAX, UINT32_MAX, UINT32_MAX, UINT32_MAX, UINT32_MAX,
};

void account_init(struct account *a, const uint32_t *otherwise)
{
	*a = (struct account){ .otherwise = otherwise };
	account_follow(a);
}

void account_init_unlimited(struct account *a)
{
	account_init(a, unlimited);
}

bool account_room(const struct account *door, const struct user *user, enum resource what)
{
	return door->used[what] < door->max[what] &&
	       (!user || user->account.used[what] < user->account.max[what]);
}

uint32_t account_most(const struct account *door, const struct user *user, enum resource what)
{
	uint32_t most = door->max[what];

	return user && user->account.max[what] < most ? user->account.max[what] : most;
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

/* Set what a message names, but for some: the bits of what it has set. */
static uint8_t set(struct account *a, const struct wire_message *m, uint8_t but)
{
	unsigned int bits = 0;

	for (int i = 0; i < RESOURCE_COUNT; i++) {
		if (!wire_has(m, max_tags[i]) || but >> i & 1)
			continue;
		a->max[i] = wire_u32(m, max_tags[i], 0);
		bits |= 1u << i;
	}
	return (uint8_t)bits;
}

void account_limit(struct account *a, const struct wire_message *m)
{
	uint8_t bits = set(a, m, 0);

	a->at_run_time |= bits;
	a->configured &= (uint8_t)~bits;
	a->round = board.config_round;
}

void account_configure(struct account *a, const struct wire_message *m)
{
	/* Set at run time after this very configuration was read, which comes again where the
	 * switch is another one. */
	bool later = a->round == board.config_round;

	a->configured = set(a, m, later ? a->at_run_time : 0);
	a->at_run_time &= (uint8_t)~a->configured;
	a->config_round = board.config_round;
	account_follow(a);
}

void account_restore(struct account *a, const struct wire_message *m)
{
	a->at_run_time = set(a, m, 0);
	a->round = (uint32_t)wire_u64(m, TAG_ENTRY, 0);
}

void account_sweep(struct account *a)
{
	if (a->config_round != board.config_round)
		a->configured = 0;
	account_follow(a);
}

void account_follow(struct account *a)
{
	for (int i = 0; i < RESOURCE_COUNT; i++)
		if (!((a->at_run_time | a->configured) >> i & 1))
			a->max[i] = a->otherwise[i];
}

void account_write_limits(const struct account *a, struct wire_writer *w)
{
	for (int i = 0; i < RESOURCE_COUNT; i++)
		wire_put_u32(w, max_tags[i], a->max[i]);
}

void account_write_run_time(const struct account *a, struct wire_writer *w)
{
	for (int i = 0; i < RESOURCE_COUNT; i++)
		if (a->at_run_time >> i & 1)
			wire_put_u32(w, max_tags[i], a->max[i]);
}

void account_write_round(const struct account *a, struct wire_writer *w)
{
	if (a->at_run_time)
		wire_put_u64(w, TAG_ENTRY, a->round);
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
	account_init(&user->account, board.limits.max);
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
	user->conns--;
	user_settle(user);
}

void user_settle(struct user *user)
{
	if (user->conns > 0 || account_limited(&user->account))
		return;
	list_remove(&user->in_board);
	free(user);
}
