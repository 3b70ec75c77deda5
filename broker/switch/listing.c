/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The listings of listing.h. A cursor is the id of the last thing shown: things are listed in
 * the order in which they were made, and may come and go meanwhile.
 */
#include "listing.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../../libintro/wire/message.h"
#include "board.h"
#include "conn.h"
#include "door.h"
#include "flight.h"
#include "grant.h"
#include "lent.h"
#include "live.h"
#include "place.h"
#include "service.h"
#include "terms.h"
#include "walk.h"

struct listing {
	uint32_t serial, what;
	struct walk walk;	/* of references */
	uint64_t cursor;	/* ids up to this one have been shown */
	char door[65], name[65];	/* "": all */
};

static enum wire_state state_of(const struct service *service)
{
	if (service->exporter)
		return STATE_SERVED;
	if (service->held >= 0)
		return STATE_HELD;
	return service->placement ? STATE_PLACED : STATE_DOWN;
}

static uint32_t way_of(const struct service *service)
{
	if (service->exporter)
		return service->exporter->way;
	if (service->held >= 0)
		return WAY_HELD;
	return service->placement ? WAY_PLACED : 0;
}

static void put_uid(struct wire_writer *w, int64_t uid)
{
	if (uid >= 0)
		wire_put_u32(w, TAG_UID, (uint32_t)uid);
}

static void write_service(struct wire_writer *w, const struct service *service)
{
	const struct exporter *e = service->exporter;

	wire_put_string(w, TAG_NAME, service->name);
	if (e)
		wire_put_u32(w, TAG_SOCKTYPES, e->types);
	if (way_of(service))
		wire_put_u32(w, TAG_WAY, way_of(service));
	if (e) {
		wire_put_string(w, TAG_DOOR, e->conn->door->name);
		put_uid(w, e->conn->peer.uid);
		wire_put_u32(w, TAG_PID, e->conn->peer.pid);
	}
	if (service->placement)
		wire_put_string(w, TAG_FILE, service->placement->file);
	wire_put_u64(w, TAG_INTRODUCTIONS, service->introductions);
	wire_put_u32(w, TAG_STATE, state_of(service));
}

static void write_door(struct wire_writer *w, const struct door *door)
{
	char path[WIRE_TEXT_MAX];

	wire_put_string(w, TAG_DOOR, door->name);
	wire_put_u32(w, TAG_EXPORT, door->export_dir >= 0);
	wire_put_u32(w, TAG_OPEN, door->open);
	if (door_path(door, path, sizeof path)[0])
		wire_put_string(w, TAG_DIRECTORY, path);
	wire_put_u32(w, TAG_CONNECTIONS, door->account.used[RESOURCE_CONNECTIONS]);
	wire_put_u32(w, TAG_NAMES, door->account.used[RESOURCE_NAMES]);
	wire_put_u64(w, TAG_INTRODUCTIONS, door->account.introductions);
	wire_put_u64(w, TAG_REFUSALS, door->account.refusals);
	wire_put_u32(w, TAG_ORIGIN, door->origin);
}

static void write_grant(struct wire_writer *w, const struct grant *grant)
{
	const struct ref *ref = &grant->ref;
	uint64_t now = timer_now();

	wire_put_string(w, TAG_NAME, grant->name);
	wire_put_string(w, TAG_DOOR, grant->door->name);
	if (ref->label)
		wire_put_string(w, TAG_LABEL, ref->label);
	wire_put_string(w, TAG_FILE, grant->file);
	wire_put_string(w, TAG_SERVICE, ref->service->name);
	wire_put_u32(w, TAG_RIGHTS, ref->rights);
	if (ref->uses != REF_UNLIMITED)
		wire_put_u32(w, TAG_USES, ref->uses);
	wire_put_u32(w, TAG_STATE, state_of(ref->service));
	if (ref->expires_usec != UINT64_MAX)
		wire_put_u64(w, TAG_EXPIRES, ref->expires_usec > now ? ref->expires_usec - now : 0);
	wire_put_u32(w, TAG_ORIGIN, grant->origin);
}

static void write_usage(struct wire_writer *w, const struct account *a, const char *door,
			const struct user *user, uint64_t bytes)
{
	if (door)
		wire_put_string(w, TAG_DOOR, door);
	if (user)
		put_uid(w, user->uid == UINT32_MAX ? -1 : (int64_t)user->uid);
	account_write_limits(a, w);
	account_write_usage(a, w);
	wire_put_u64(w, TAG_QUEUED_BYTES, bytes);
	wire_put_u64(w, TAG_INTRODUCTIONS, a->introductions);
	wire_put_u64(w, TAG_REFUSALS, a->refusals);
}

static uint64_t unread_bytes(const struct door *door, const struct user *user)
{
	uint64_t sum = 0;

	list_foreach(it, &board.conns) {
		const struct conn *conn = list_entry(it, struct conn, in_board);

		if (conn->door == door || conn->user == user)
			sum += flight_bytes(conn);
	}
	return sum;
}

static bool wanted(const char *filter, const char *name)
{
	return !filter[0] || strcmp(filter, name) == 0;
}

/* Write the first thing after the cursor. False when there is none. */
static bool next_service(struct listing *l, struct wire_writer *w)
{
	list_foreach(it, &board.service_list) {
		const struct service *service = list_entry(it, struct service, in_board);

		if (service->root.id <= l->cursor || !wanted(l->name, service->name))
			continue;
		l->cursor = service->root.id;
		write_service(w, service);
		return true;
	}
	return false;
}

static bool next_door(struct listing *l, struct wire_writer *w)
{
	list_foreach(it, &board.doors) {
		const struct door *door = list_entry(it, struct door, in_board);

		if (door->id <= l->cursor || !wanted(l->door, door->name))
			continue;
		l->cursor = door->id;
		write_door(w, door);
		return true;
	}
	return false;
}

/* Grants of one door are in the order of their ids; doors are not in that of their grants. */
static bool next_grant(struct listing *l, struct wire_writer *w)
{
	const struct grant *first = NULL;

	list_foreach(it, &board.doors) {
		const struct door *door = list_entry(it, struct door, in_board);

		if (!wanted(l->door, door->name))
			continue;
		list_foreach(jt, &door->grant_list) {
			const struct grant *grant = list_entry(jt, struct grant, in_door);

			if (grant->ref.id <= l->cursor || !wanted(l->name, grant->name))
				continue;
			if (!first || grant->ref.id < first->ref.id)
				first = grant;
			break;
		}
	}
	if (!first)
		return false;
	l->cursor = first->ref.id;
	write_grant(w, first);
	return true;
}

/* Doors first, then uids, whose cursors lie above all ids. */
static bool next_usage(struct listing *l, struct wire_writer *w)
{
	const uint64_t uids = UINT64_C(1) << 62;

	list_foreach(it, &board.doors) {
		const struct door *door = list_entry(it, struct door, in_board);

		if (door->id <= l->cursor || !wanted(l->door, door->name))
			continue;
		l->cursor = door->id;
		write_usage(w, &door->account, door->name, NULL, unread_bytes(door, NULL));
		return true;
	}
	if (l->cursor < uids)
		l->cursor = uids;
	for (uint64_t at = uids + 1; !l->door[0];) {
		const struct user *least = NULL;

		list_foreach(it, &board.users) {
			const struct user *user = list_entry(it, struct user, in_board);

			if (at + user->uid > l->cursor && (!least || user->uid < least->uid))
				least = user;
		}
		if (!least)
			break;
		l->cursor = at + least->uid;
		write_usage(w, &least->account, NULL, least, unread_bytes(NULL, least));
		return true;
	}
	return false;
}

static bool next_status(struct listing *l, struct wire_writer *w)
{
	struct account sum = board.limits;

	if (l->cursor)
		return false;
	l->cursor = 1;
	memset(sum.used, 0, sizeof sum.used);
	list_foreach(it, &board.doors) {
		const struct door *door = list_entry(it, struct door, in_board);

		for (int i = 0; i < RESOURCE_COUNT; i++)
			sum.used[i] += door->account.used[i];
		sum.introductions += door->account.introductions;
		sum.refusals += door->account.refusals;
	}
	wire_put_u32(w, TAG_UID, (uint32_t)getuid());
	wire_put_u32(w, TAG_PID, (uint32_t)getppid());
	wire_put_string(w, TAG_DIRECTORY, board.options.base);
	account_write_limits(&sum, w);
	account_write_usage(&sum, w);
	wire_put_u64(w, TAG_INTRODUCTIONS, sum.introductions);
	wire_put_u64(w, TAG_REFUSALS, sum.refusals);
	return true;
}

static uint32_t kind_of(const struct ref *ref)
{
	if (ref->kind != REF_LENT)
		return ref->kind == REF_GRANT ? KIND_OF_GRANT : KIND_OF_SERVICE;
	return lent_was_given(list_entry(ref, const struct lent, ref)) ? KIND_OF_GIVEN :
									 KIND_OF_LENT;
}

static void write_reference(struct wire_writer *w, struct ref *ref)
{
	const struct grant *grant = ref->kind == REF_GRANT ? list_entry(ref, struct grant, ref) :
							     NULL;
	uint32_t live = live_count(ref);
	char text[WIRE_TEXT_MAX + 1];
	uint64_t now = timer_now();

	wire_put_string(w, TAG_NAME, grant ? grant->name : ref->service->name);
	if (grant)
		wire_put_string(w, TAG_DOOR, grant->door->name);
	terms_write_label(ref, w);
	wire_put_string(w, TAG_SERVICE, ref->service->name);
	terms_write(ref, ref->uses, w);
	if (ref->parent)
		wire_put_u64(w, TAG_PARENT, ref->parent->id);
	wire_put_u64(w, TAG_REFERENCE, ref->id);
	ref_provenance(ref, text, sizeof text);
	wire_put_string(w, TAG_PROVENANCE, text);
	if (ref->live)
		wire_put_u32(w, TAG_LIVE, live);
	wire_put_u32(w, TAG_WHAT, kind_of(ref));
	wire_put_u32(w, TAG_STATE, state_of(ref->service));
	if (ref->expires_usec != UINT64_MAX)
		wire_put_u64(w, TAG_EXPIRES, ref->expires_usec > now ? ref->expires_usec - now : 0);
}

static bool next_reference(struct listing *l, struct wire_writer *w)
{
	struct ref *ref;

	while ((ref = walk_next(&l->walk))) {
		if (!wanted(l->name, ref->service->name))
			continue;
		write_reference(w, ref);
		return true;
	}
	return false;
}

static bool (*const nexts[])(struct listing *l, struct wire_writer *w) = {
	[WHAT_SERVICES] = next_service, [WHAT_DOORS] = next_door, [WHAT_GRANTS] = next_grant,
	[WHAT_USAGE] = next_usage,	[WHAT_STATUS] = next_status,
	[WHAT_REFERENCES] = next_reference,
};

void listing_free(struct listing *listing)
{
	free(listing);
}

bool listing_continue(struct conn *conn)
{
	struct listing *l = conn->listing;
	uint8_t packet[WIRE_PACKET_MAX];
	struct wire_writer w;

	walk_pause(&l->walk);
	while (!conn->doomed && list_empty(&conn->queue)) {
		wire_begin(&w, packet, sizeof packet, WIRE_ROW, l->serial, 0, 0);
		if (!nexts[l->what](l, &w)) {
			conn->listing = NULL;
			conn_reply(conn, l->serial, 0);
			listing_free(l);
			return true;
		}
		conn_send(conn, packet, wire_finish(&w));
	}
	return false;
}

int listing_start(struct conn *conn, const struct wire_message *m)
{
	uint32_t what = wire_u32(m, TAG_WHAT, 0);
	struct listing *l;

	if (what < WHAT_SERVICES || what > WHAT_REFERENCES) {
		conn_reply(conn, m->head.serial, -EINVAL);
		return 0;
	}
	l = calloc(1, sizeof *l);
	if (!l) {
		conn_reply(conn, m->head.serial, -ENOMEM);
		return 0;
	}
	l->serial = m->head.serial;
	l->what = what;
	wire_string(m, TAG_DOOR, l->door, sizeof l->door);
	wire_string(m, TAG_NAME, l->name, sizeof l->name);
	conn->listing = l;
	listing_continue(conn);
	return 0;
}
