/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The handlers of admin.h: doors, grants and limits. Listings are in listing.c, explanations
 * in why.c.
 */
#include "admin.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../../libintro/wire/message.h"
#include "../../libintro/wire/name.h"
#include "audit.h"
#include "board.h"
#include "conn.h"
#include "door.h"
#include "grant.h"
#include "link.h"
#include "listing.h"
#include "place.h"
#include "service.h"
#include "why.h"

/* Where a message comes from, and what came with it. */
struct from {
	enum origin origin;
	uint64_t entry;		/* 0: new */
	int *fd;		/* a listener (restored) or a directory (configured) */
};

static int take(int *fd)
{
	int taken = *fd;

	*fd = -1;
	return taken;
}

static int door_add(const struct wire_message *m, const struct from *from, struct door **ret)
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
	take(from->fd);
	account_limit(&door->account, m);
	*ret = door;
	return 0;
}

/* The configuration names a door that is there: from the last switch, or from before. */
static void door_again(struct door *door, const struct wire_message *m, int *fd)
{
	if (door->origin == ORIGIN_BUILTIN) {
		door->open = wire_u32(m, TAG_OPEN, door->open);
	} else {
		door->origin = ORIGIN_CONFIG;
		door->open = wire_u32(m, TAG_OPEN, 0);
	}
	door->round = board.config_round;
	account_limit(&door->account, m);
	if (door->dir < 0 && *fd >= 0) {
		door->dir = take(fd);
		list_foreach(it, &door->grant_list)
			grant_update(list_entry(it, struct grant, in_door));
	}
}

struct grant_words {
	char door[65], name[65], service[65], file[65], label[WIRE_LABEL_MAX + 1];
};

static int grant_read(const struct wire_message *m, struct grant_words *w,
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

static int grant_add(const struct wire_message *m, const struct from *from)
{
	struct grant_words words;
	struct grant_options o;
	struct grant *grant;
	struct door *door;
	int r = grant_read(m, &words, &o);

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
	}
	r = grant_new(door, &o, &grant);
	if (r == 0 && from->entry)
		take(from->fd);
	return r;
}

static bool same_terms(const struct grant *grant, const struct grant_options *o,
		       const struct wire_message *m)
{
	const char *label = grant->ref.label ? grant->ref.label : "";

	/* A lifetime or a number of uses is granted anew by naming it anew only where it
	 * was not granted before. */
	return strcmp(grant->ref.service->name, o->service) == 0 &&
	       strcmp(grant->file, o->file) == 0 && grant->ref.rights == o->terms.rights &&
	       strcmp(label, o->terms.label) == 0 &&
	       (grant->ref.uses == REF_UNLIMITED) == (o->terms.uses == REF_UNLIMITED) &&
	       (grant->ref.expires_usec == UINT64_MAX) == !wire_has(m, TAG_LIFETIME);
}

static int configure_grant(const struct wire_message *m, const struct from *from)
{
	struct grant_words words;
	struct grant_options o;
	struct grant *grant;
	struct door *door;

	if (grant_read(m, &words, &o) < 0)
		return -EINVAL;
	door = door_find(words.door);
	grant = door ? grant_find(door, words.name) : NULL;
	if (grant && same_terms(grant, &o, m)) {
		grant->round = board.config_round;
		grant->origin = ORIGIN_CONFIG;
		return 0;
	}
	if (grant)
		grant_free(grant, -ENOENT);
	return grant_add(m, from);
}

static int configure_place(const struct wire_message *m, int *fd)
{
	char name[65], file[65];
	struct service *service;
	struct stat was, is;
	int r;

	if (*fd < 0 || wire_string(m, TAG_NAME, name, sizeof name) < 0 ||
	    !wire_name_ok(name, strlen(name)) || wire_string(m, TAG_FILE, file, sizeof file) < 0)
		return -EINVAL;
	service = service_get(name, true);
	if (!service)
		return -ENOMEM;
	if (service->placement && !service->placement->handle &&
	    fstat(service->placement->dir, &was) == 0 && fstat(*fd, &is) == 0 &&
	    was.st_dev == is.st_dev && was.st_ino == is.st_ino &&
	    strcmp(service->placement->file, file) == 0) {
		service->placement->round = board.config_round;
		return 0;
	}
	service->pins++;
	if (service->placement && !service->placement->handle)
		placement_free(service->placement);
	r = placement_new(service, NULL, *fd, file);
	if (r == 0)
		take(fd);
	service->pins--;
	service_settle(service);
	return r;
}

/* Accounts without limits of their own follow the defaults. */
static void apply_defaults(void)
{
	list_foreach(it, &board.doors) {
		struct door *door = list_entry(it, struct door, in_board);

		if (!door->account.limited)
			memcpy(door->account.max, board.limits.max, sizeof board.limits.max);
	}
	list_foreach(it, &board.users) {
		struct user *user = list_entry(it, struct user, in_board);

		if (!user->account.limited)
			memcpy(user->account.max, board.limits.max, sizeof board.limits.max);
	}
}

/* keep: have the parent keep it. entry: it does, under this number. */
static int limit(const struct wire_message *m, bool keep, uint64_t entry)
{
	char name[65];
	struct door *door;
	struct user *user;

	if (wire_string(m, TAG_DOOR, name, sizeof name) == 0) {
		door = door_find(name);
		if (!door)
			return -ENOENT;
		account_limit(&door->account, m);
		if (keep)
			link_keep_door(door);
	} else if (wire_has(m, TAG_UID)) {
		user = user_get(wire_u32(m, TAG_UID, 0));
		if (!user)
			return -ENOMEM;
		account_limit(&user->account, m);
		if (entry)
			user->account.entry = entry;
		if (keep)
			link_keep_limits(&user->account, NULL, user->uid);
	} else {
		account_limit(&board.limits, m);
		apply_defaults();
		if (entry)
			board.limits.entry = entry;
		if (keep)
			link_keep_limits(&board.limits, NULL, -1);
	}
	return 0;
}

int admin_configure(const struct wire_message *m, int *fd)
{
	struct from from = { .origin = ORIGIN_CONFIG, .fd = fd };
	char name[65];
	struct door *door;
	int r;

	switch (m->head.type) {
	case WIRE_DOOR_ADD:
		door = wire_string(m, TAG_DOOR, name, sizeof name) == 0 ? door_find(name) : NULL;
		if (door) {
			door_again(door, m, fd);
			r = 0;
		} else {
			r = door_add(m, &from, &door);
		}
		if (r == 0)
			link_keep_door(door);
		return r;
	case WIRE_GRANT:
		return configure_grant(m, &from);
	case WIRE_LIMIT:
		return limit(m, false, 0);
	case WIRE_PLACE:
		return configure_place(m, fd);
	}
	return -EPROTO;
}

int admin_restore(const struct wire_message *m, uint64_t entry, int *fd)
{
	struct from from = {
		.origin = (enum origin)wire_u32(m, TAG_ORIGIN, ORIGIN_RUNTIME),
		.entry = entry,
		.fd = fd,
	};
	struct door *door;

	switch (m->head.type) {
	case WIRE_DOOR_ADD:
		return entry == CHANNEL_ENTRY_HOST ? board_restore_host(m, fd) :
						     door_add(m, &from, &door);
	case WIRE_GRANT:
		return grant_add(m, &from);
	case WIRE_LIMIT:
		return limit(m, false, entry);
	}
	return -EPROTO;
}

void admin_sweep(void)
{
	list_foreach_safe(it, &board.doors) {
		struct door *door = list_entry(it, struct door, in_board);

		list_foreach_safe(jt, &door->grant_list) {
			struct grant *grant = list_entry(jt, struct grant, in_door);

			if (grant->origin == ORIGIN_CONFIG && grant->round != board.config_round)
				grant_free(grant, -ENOENT);
		}
		if (door->origin == ORIGIN_CONFIG && door->round != board.config_round)
			door_remove(door);
	}
	placement_sweep();
}

static void audit_admin(struct conn *conn, const struct wire_message *m, const char *event,
			int error)
{
	char name[65], door[65];

	wire_string(m, TAG_NAME, name, sizeof name);
	wire_string(m, TAG_DOOR, door, sizeof door);
	audit_write(&board.audit, &(struct audit_line){
		.event = event,
		.who = conn->who,
		.who_len = conn->who_len,
		.about = wire_name_ok(door, strlen(door)) ? door : NULL,
		.name = wire_name_ok(name, strlen(name)) ? name : NULL,
		.error = error,
	});
}

static int on_door_add(struct conn *conn, const struct wire_message *m)
{
	int none = -1;
	struct from from = { .origin = ORIGIN_RUNTIME, .fd = &none };
	uint8_t packet[WIRE_PACKET_MAX];
	char path[WIRE_TEXT_MAX];
	struct wire_writer w;
	struct door *door;
	int r = wire_has(m, TAG_DIRECTORY) ? -EINVAL : door_add(m, &from, &door);

	audit_admin(conn, m, "door-added", r);
	if (r < 0) {
		conn_reply(conn, m->head.serial, r);
		return 0;
	}
	link_keep_door(door);
	wire_begin(&w, packet, sizeof packet, WIRE_REPLY, m->head.serial, 0, 0);
	wire_put_string(&w, TAG_DIRECTORY, door_path(door, path, sizeof path));
	if (door->export_dir >= 0) {
		snprintf(path, sizeof path, "%s/exports/%s", board.options.base, door->name);
		wire_put_string(&w, TAG_EXPORT_DIRECTORY, path);
	}
	conn_send(conn, packet, wire_finish(&w));
	return 0;
}

static int on_door_remove(struct conn *conn, const struct wire_message *m)
{
	struct door *door = NULL;
	char name[65];
	int r = wire_string(m, TAG_DOOR, name, sizeof name);

	if (r == 0) {
		door = door_find(name);
		r = !door ? -ENOENT : door->origin == ORIGIN_BUILTIN ? -EPERM : 0;
	}
	if (r == 0)
		door_remove(door);
	audit_admin(conn, m, "door-removed", r);
	conn_reply(conn, m->head.serial, r);
	return 0;
}

static int on_grant(struct conn *conn, const struct wire_message *m)
{
	int none = -1;
	struct from from = { .origin = ORIGIN_RUNTIME, .fd = &none };
	int r = grant_add(m, &from);

	audit_admin(conn, m, "granted", r);
	conn_reply(conn, m->head.serial, r);
	return 0;
}

static int on_ungrant(struct conn *conn, const struct wire_message *m)
{
	struct grant *grant = NULL;
	struct door *door = NULL;
	char door_name[65], name[65];
	int r = -EINVAL;

	if (wire_string(m, TAG_DOOR, door_name, sizeof door_name) == 0 &&
	    wire_string(m, TAG_NAME, name, sizeof name) == 0) {
		door = door_find(door_name);
		grant = door ? grant_find(door, name) : NULL;
		r = grant ? 0 : -ENOENT;
	}
	if (grant)
		grant_free(grant, -ENOENT);
	audit_admin(conn, m, "ungranted", r);
	conn_reply(conn, m->head.serial, r);
	return 0;
}

static int on_limit(struct conn *conn, const struct wire_message *m)
{
	int r = limit(m, true, 0);

	audit_admin(conn, m, "limited", r);
	conn_reply(conn, m->head.serial, r);
	return 0;
}

static int on_watch(struct conn *conn, const struct wire_message *m)
{
	conn->watch_serial = m->head.serial;
	list_remove(&conn->in_watchers);
	list_append(&board.watchers, &conn->in_watchers);
	conn_reply(conn, m->head.serial, 0);
	return 0;
}

static int (*const handlers[])(struct conn *conn, const struct wire_message *m) = {
	[WIRE_DOOR_ADD - WIRE_DOOR_ADD] = on_door_add,
	[WIRE_DOOR_REMOVE - WIRE_DOOR_ADD] = on_door_remove,
	[WIRE_GRANT - WIRE_DOOR_ADD] = on_grant,
	[WIRE_UNGRANT - WIRE_DOOR_ADD] = on_ungrant,
	[WIRE_LIMIT - WIRE_DOOR_ADD] = on_limit,
	[WIRE_LIST - WIRE_DOOR_ADD] = listing_start,
	[WIRE_WATCH - WIRE_DOOR_ADD] = on_watch,
	[WIRE_WHY - WIRE_DOOR_ADD] = why_answer,
};

int admin_dispatch(struct conn *conn, const struct wire_message *m)
{
	unsigned int index = (unsigned int)m->head.type - WIRE_DOOR_ADD;

	if (!conn->admin || m->head.nfds > 0 ||
	    index >= sizeof handlers / sizeof handlers[0] || !handlers[index])
		return -EPROTO;
	return handlers[index](conn, m);
}
