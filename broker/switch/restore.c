/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Restoring a saved reference: the store says what it hangs from, and what is not in use yet is
 * made anew, the topmost first.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "../../libintro/wire/message.h"
#include "board.h"
#include "conn.h"
#include "door.h"
#include "grant.h"
#include "handle.h"
#include "lending.h"
#include "lent.h"
#include "service.h"
#include "storelink.h"
#include "sturdy_inner.h"
#include "terms.h"

struct restoring {
	struct ask ask;
	struct list in_restorings;
	uint32_t handle;	/* to be bound */
	struct lent *at;	/* pinned: the last that was restored; NULL: none yet */
	int error;
};

static struct list restorings = { &restorings, &restorings };

void restore_lost(struct lent *lent)
{
	list_foreach(it, &restorings) {
		struct restoring *r = list_entry(it, struct restoring, in_restorings);

		if (r->at == lent)
			r->at = NULL;
	}
}

void sturdy_read_on(struct conn *conn)
{
	conn->asking = false;
	if (conn->doomed)
		return;
	/* what it has sent meanwhile is told of anew */
	conn->source.events = 0;
	conn_await_drain(conn);
}

/* What the first of a chain hangs from; NULL: that is not there any more, or another one. */
static struct ref *anchor(const struct wire_message *m)
{
	char door_name[65], name[65], service_name[65];
	struct service *service;
	struct grant *grant;
	struct door *door;

	if (wire_string(m, TAG_SERVICE, service_name, sizeof service_name) < 0)
		return NULL;
	if (wire_string(m, TAG_DOOR, door_name, sizeof door_name) < 0) {
		service = service_get(service_name, true);
		return service ? &service->root : NULL;
	}
	wire_string(m, TAG_NAME, name, sizeof name);
	door = door_find(door_name);
	grant = door ? grant_find(door, name) : NULL;
	return grant && strcmp(grant->ref.service->name, service_name) == 0 ? &grant->ref : NULL;
}

/* A reference of the chain, in use from now on. 0 or a negative errno. */
static int make(struct restoring *r, const struct wire_message *m, uint64_t entry,
		struct lent **ret)
{
	uint64_t above = wire_u64(m, TAG_PARENT, 0);
	struct lent *upper = above ? sturdy_find(above) : NULL;
	struct ref *parent = upper ? &upper->ref : above ? NULL : anchor(m);
	char label[WIRE_LABEL_MAX + 1], maker[WIRE_TEXT_MAX + 1];
	uint32_t left = wire_u32(m, TAG_USES, 0);
	struct service *service;
	struct terms terms;
	struct lent *lent;
	int error;

	if (!parent)
		return -ENOENT;
	service = parent->service;
	service->pins++;
	error = terms_read(m, RIGHTS_ALL, label, &terms);
	if (error == 0)
		error = lent_new(r->ask.conn, parent, &terms, &lent);
	if (error == 0) {
		wire_string(m, TAG_TEXT, maker, sizeof maker);
		error = lent_pin(lent);
		if (error < 0)
			lent_free(lent, error);
	}
	if (error == 0) {
		error = sturdy_new(lent, entry, left);
		if (error == 0)
			error = lent_set_origin(lent, maker);
		if (error < 0) {
			lent_unpin(lent);
		} else {
			/* all of them are in the store */
			if (terms.uses != REF_UNLIMITED)
				lent->ref.uses = 0;
			*ret = lent;
		}
	}
	service->pins--;
	service_settle(service);
	return error;
}

static void row(struct ask *ask, const struct wire_message *m)
{
	struct restoring *r = (struct restoring *)(void *)ask;
	uint64_t entry = wire_u64(m, TAG_ENTRY, 0);
	struct lent *lent = sturdy_find(entry);

	if (r->error < 0 || !ask->conn)
		return;
	if (lent)
		r->error = lent_pin(lent);
	else
		r->error = make(r, m, entry, &lent);
	if (r->error < 0)
		return;
	if (r->at)
		lent_unpin(r->at);
	r->at = lent;
}

static void done(struct ask *ask, const struct wire_message *m, int error)
{
	struct restoring *r = (struct restoring *)(void *)ask;
	struct conn *conn = ask->conn;
	struct handle *handle;

	(void)m;
	list_remove(&r->in_restorings);
	if (error == 0)
		error = r->error;
	/* revoked between the rows and this */
	if (error == 0 && (!r->at || r->at->ref.rights == 0))
		error = -ENOENT;
	if (conn && error == 0)
		error = handle_bind(conn, r->handle, &r->at->ref, &handle);
	if (conn && error < 0)
		lending_refuse_serial(conn, ask->client_serial, "restore", error);
	if (conn && error == 0) {
		lending_audit(conn, "restored", &r->at->ref);
		lending_reply(conn, ask->client_serial, &r->at->ref);
	}
	if (r->at)
		lent_unpin(r->at);
	if (conn)
		sturdy_read_on(conn);
}

static const struct ask_handler restore_handler = { .row = row, .done = done };

int on_restore(struct conn *conn, const struct wire_message *m, int *fd)
{
	struct restoring *r = wire_has(m, TAG_URI) ? calloc(1, sizeof *r) : NULL;
	uint8_t buf[WIRE_PACKET_MAX];
	struct wire_writer w;

	(void)fd;
	if (!r) {
		lending_refuse(conn, m, "restore", wire_has(m, TAG_URI) ? -ENOMEM : -EINVAL);
		return 0;
	}
	r->handle = m->head.ref;
	r->ask.handler = &restore_handler;
	list_append(&restorings, &r->in_restorings);
	r->ask.conn = conn;
	r->ask.client_serial = m->head.serial;
	conn->asking = true;
	board.sturdy_used = true;
	wire_begin(&w, buf, sizeof buf, STORE_FIND, storelink_serial(), 0, 0);
	/* an enclosure is not its door */
	if (!conn->door->within)
		wire_put_string(&w, TAG_DOOR, conn->door->name);
	wire_put_bytes(&w, TAG_URI, m->value[TAG_URI], m->length[TAG_URI]);
	storelink_ask(&r->ask, &w);
	explicit_bzero(buf, sizeof buf);
	return 0;
}
