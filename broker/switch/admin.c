/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The handlers of admin.h. What their messages do is in apply.c; listings are in listing.c,
 * explanations in why.c.
 */
#include "admin.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "../../libintro/wire/message.h"
#include "../../libintro/wire/name.h"
#include "apply.h"
#include "audit.h"
#include "board.h"
#include "conn.h"
#include "door.h"
#include "grant.h"
#include "lending.h"
#include "link.h"
#include "listing.h"
#include "why.h"

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
	int r = wire_has(m, TAG_DIRECTORY) ? -EINVAL : apply_door(m, &from, &door);

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
	int r = apply_grant(m, &from);

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
	audit_admin(conn, m, "ungranted", r);
	if (grant)
		lending_end(conn, m->head.serial, &grant->ref, -ENOENT);
	else
		conn_reply(conn, m->head.serial, r);
	return 0;
}

static int on_limit(struct conn *conn, const struct wire_message *m)
{
	int none = -1;
	struct from from = { .origin = ORIGIN_RUNTIME, .fd = &none };
	int r = apply_limit(m, &from);

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
