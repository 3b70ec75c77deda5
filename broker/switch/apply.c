/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The effects of apply.h.
 */
#include "apply.h"

#include <errno.h>
#include <string.h>

#include "board.h"
#include "link.h"
#include "orphans.h"

int apply_take(int *fd)
{
	int taken = *fd;

	*fd = -1;
	return taken;
}

int apply_door(const struct wire_message *m, const struct from *from, struct door **ret)
{
	bool restored = from->entry != 0;
	char name[65];
	struct door_options o = {
		.name = name,
		.origin = from->origin,
		.open = wire_u32(m, TAG_OPEN, 0),
		.exports = wire_u32(m, TAG_EXPORT, 0),
		.external = wire_has(m, TAG_DIRECTORY),
		.dir = restored ? -1 : *from->fd,
		.listener = restored ? *from->fd : -1,
		.entry = from->entry,
	};
	struct door *door;
	int r = wire_string(m, TAG_DOOR, name, sizeof name);

	if (r < 0)
		return -EINVAL;
	if (!restored && o.external && o.dir < 0)
		return -EINVAL;
	r = door_new(&o, &door);
	if (r < 0)
		return r;
	apply_take(from->fd);
	if (board.started)
		orphans_unlink(door);
	account_limit(&door->account, m);
	*ret = door;
	return 0;
}

int apply_grant_read(const struct wire_message *m, struct grant_words *w,
		      struct grant_options *o)
{
	uint64_t lifetime = wire_u64(m, TAG_LIFETIME, 0);

	if (wire_string(m, TAG_DOOR, w->door, sizeof w->door) < 0 ||
	    wire_string(m, TAG_NAME, w->name, sizeof w->name) < 0)
		return -EINVAL;
	if (wire_string(m, TAG_SERVICE, w->service, sizeof w->service) < 0)
		memcpy(w->service, w->name, sizeof w->service);
	if (wire_string(m, TAG_FILE, w->file, sizeof w->file) < 0)
		memcpy(w->file, w->name, sizeof w->file);
	wire_string(m, TAG_LABEL, w->label, sizeof w->label);
	*o = (struct grant_options){
		.name = w->name,
		.service = w->service,
		.file = w->file,
		.terms = {
			.rights = wire_u32(m, TAG_RIGHTS, RIGHT_CONNECT),
			.uses = wire_u32(m, TAG_USES, REF_UNLIMITED),
			.expires_usec = wire_u64(m, TAG_EXPIRES, UINT64_MAX),
			.label = w->label,
		},
		.listener = -1,
	};
	if (lifetime)
		o->terms.expires_usec = lifetime < UINT64_MAX / 2 ? timer_now() + lifetime :
								    UINT64_MAX;
	return 0;
}

int apply_grant(const struct wire_message *m, const struct from *from)
{
	struct grant_words words;
	struct grant_options o;
	struct grant *grant;
	struct door *door;
	int r = apply_grant_read(m, &words, &o);

	if (r < 0)
		return r;
	door = door_find(words.door);
	if (!door)
		return -ENOENT;
	o.origin = from->origin;
	o.entry = from->entry;
	if (from->entry) {
		o.listener = *from->fd;
		o.given = wire_u32(m, TAG_WHAT, 0) == ENTRY_LISTENER_GIVEN;
		o.placed = wire_u32(m, TAG_WHAT, 0) == ENTRY_PLACED;
	}
	r = grant_new(door, &o, &grant);
	if (r == 0 && from->entry)
		apply_take(from->fd);
	return r;
}

/* Accounts without limits of their own follow the defaults; a door whose clients' uids are
 * charged has none. */
static void apply_defaults(void)
{
	list_foreach(it, &board.doors) {
		struct door *door = list_entry(it, struct door, in_board);

		if (!door->account.limited && !door->by_uid)
			memcpy(door->account.max, board.limits.max, sizeof board.limits.max);
		door_room(door);
	}
	list_foreach(it, &board.users) {
		struct user *user = list_entry(it, struct user, in_board);

		if (!user->account.limited)
			memcpy(user->account.max, board.limits.max, sizeof board.limits.max);
	}
}

bool apply_stands(bool restored)
{
	return !board.started && restored;
}

/* Of a uid, or -1: the defaults. */
static void limit_account(struct account *a, int64_t uid, const struct wire_message *m,
			  enum origin origin, uint64_t restored)
{
	if (origin == ORIGIN_CONFIG && apply_stands(a->entry != 0))
		return;
	account_limit(a, m);
	if (restored)
		a->entry = restored;
	else if (origin == ORIGIN_RUNTIME || a->entry)
		link_keep_limits(a, uid);
}

int apply_limit(const struct wire_message *m, enum origin origin, uint64_t restored)
{
	char name[65];
	struct door *door;
	struct user *user;

	if (wire_string(m, TAG_DOOR, name, sizeof name) == 0) {
		door = door_find(name);
		if (!door)
			return -ENOENT;
		account_limit(&door->account, m);
		door_room(door);
		link_keep_door(door);
	} else if (wire_has(m, TAG_UID)) {
		user = user_get(wire_u32(m, TAG_UID, 0));
		if (!user)
			return -ENOMEM;
		limit_account(&user->account, user->uid, m, origin, restored);
	} else {
		limit_account(&board.limits, -1, m, origin, restored);
		apply_defaults();
	}
	return 0;
}
