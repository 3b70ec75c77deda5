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
#include "terms.h"

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
	apply_limits(&door->account, m, from);
	*ret = door;
	return 0;
}

int apply_grant_read(const struct wire_message *m, struct grant_words *w,
		      struct grant_options *o)
{
	if (wire_string(m, TAG_DOOR, w->door, sizeof w->door) < 0 ||
	    wire_string(m, TAG_NAME, w->name, sizeof w->name) < 0)
		return -EINVAL;
	if (wire_string(m, TAG_SERVICE, w->service, sizeof w->service) < 0)
		memcpy(w->service, w->name, sizeof w->service);
	if (wire_string(m, TAG_FILE, w->file, sizeof w->file) < 0)
		memcpy(w->file, w->name, sizeof w->file);
	*o = (struct grant_options){
		.name = w->name,
		.service = w->service,
		.file = w->file,
		.listener = -1,
	};
	return terms_read(m, RIGHT_CONNECT, w->label, &o->terms);
}

/* What a grant is made from: a reference by its number, or, kept, the grant of an entry. 0, or
 * -ENOENT: it has gone, and what would have been made from it with it. */
static int find_parent(const struct wire_message *m, const struct from *from,
		       struct grant_options *o)
{
	uint64_t id = wire_u64(m, TAG_PARENT, 0);
	struct grant *grant;

	if (!wire_has(m, TAG_PARENT))
		return 0;
	grant = from->entry ? grant_by_entry(id) : NULL;
	o->parent = grant ? &grant->ref : from->entry ? NULL : ref_by_id(id);
	return o->parent ? 0 : -ENOENT;
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
	r = find_parent(m, from, &o);
	if (r < 0)
		return r;
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

/* What accounts have no limits of their own for follows the defaults. */
static void follow_defaults(void)
{
	list_foreach(it, &board.doors) {
		struct door *door = list_entry(it, struct door, in_board);

		account_follow(&door->account);
		door_room(door);
	}
	list_foreach(it, &board.users)
		account_follow(&list_entry(it, struct user, in_board)->account);
}

void apply_limits(struct account *account, const struct wire_message *m,
		  const struct from *from)
{
	if (from->entry)
		account_restore(account, m);
	else if (from->origin == ORIGIN_CONFIG)
		account_configure(account, m);
	else
		account_limit(account, m);
}

static int limit_door(const char *name, const struct wire_message *m, const struct from *from)
{
	struct door *door = door_find(name);

	if (!door)
		return -ENOENT;
	apply_limits(&door->account, m, from);
	door_room(door);
	link_keep_door(door);
	return 0;
}

static int limit_user(uint32_t uid, const struct wire_message *m, const struct from *from)
{
	struct user *user = user_get(uid);

	if (!user)
		return -ENOMEM;
	apply_limits(&user->account, m, from);
	if (from->entry)
		user->account.entry = from->entry;
	else
		link_keep_limits(&user->account, uid);
	user_settle(user);
	return 0;
}

int apply_limit(const struct wire_message *m, const struct from *from)
{
	char name[65];

	if (wire_string(m, TAG_DOOR, name, sizeof name) == 0)
		return limit_door(name, m, from);
	if (wire_has(m, TAG_UID))
		return limit_user(wire_u32(m, TAG_UID, 0), m, from);
	apply_limits(&board.limits, m, from);
	follow_defaults();
	if (from->entry)
		board.limits.entry = from->entry;
	else
		link_keep_limits(&board.limits, -1);
	return 0;
}

void apply_limits_sweep(void)
{
	account_sweep(&board.limits);
	list_foreach(it, &board.doors)
		account_sweep(&list_entry(it, struct door, in_board)->account);
	list_foreach_safe(it, &board.users) {
		struct user *user = list_entry(it, struct user, in_board);

		account_sweep(&user->account);
		user_settle(user);
	}
	follow_defaults();
}
