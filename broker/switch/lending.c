/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The handlers of lending.h.
 */
#include "lending.h"

#include <errno.h>
#include <string.h>

#include "../../libintro/wire/message.h"
#include "audit.h"
#include "board.h"
#include "client.h"
#include "conn.h"
#include "door.h"
#include "enclosure.h"
#include "handle.h"
#include "handover.h"
#include "lent.h"
#include "live.h"
#include "maker.h"
#include "service.h"
#include "sturdy.h"
#include "terms.h"

void lending_audit(const struct conn *conn, const char *event, const struct ref *ref)
{
	audit_write(&board.audit, &(struct audit_line){
		.event = event,
		.who = conn->who,
		.who_len = conn->who_len,
		.name = ref_name(ref),
		.label = ref->label,
		.reference = ref->id,
		.of = ref->parent ? ref->parent->id : 0,
	});
}

void lending_refuse(struct conn *conn, const struct wire_message *m, const char *event, int error)
{
	lending_refuse_serial(conn, m->head.serial, event, error);
}

void lending_refuse_serial(struct conn *conn, uint32_t serial, const char *event, int error)
{
	conn->account->refusals++;
	audit_write(&board.audit, &(struct audit_line){
		.event = "refused",
		.who = conn->who,
		.who_len = conn->who_len,
		.what = event,
		.error = error,
	});
	conn_reply(conn, serial, error);
}

/* The reference of a bound handle, or NULL. */
static struct ref *held(const struct conn *conn, uint64_t id)
{
	const struct handle *handle = id <= UINT32_MAX ? handle_find(conn, (uint32_t)id) : NULL;

	return handle ? handle->ref : NULL;
}

/* What is lent from: a handle, or a name of the door. NULL: neither. */
static struct ref *lent_from(struct conn *conn, const struct wire_message *m)
{
	char name[WIRE_NAME_MAX + 1];

	if (wire_has(m, TAG_PARENT))
		return held(conn, wire_u64(m, TAG_PARENT, 0));
	if (wire_string(m, TAG_NAME, name, sizeof name) < 0)
		return NULL;
	return door_resolve(conn->door, name, false);
}

static int lend(struct conn *conn, const struct wire_message *m, struct ref *parent,
		struct ref **ret)
{
	char label[WIRE_LABEL_MAX + 1];
	struct handle *handle;
	struct terms terms;
	struct lent *lent;
	int r = terms_read(m, RIGHTS_ALL, label, &terms);

	if (r < 0)
		return r;
	if (!parent)
		return -ENOENT;
	if (!(parent->rights & terms.rights))
		return -EACCES;
	r = lent_new(conn, parent, &terms, &lent);
	if (r < 0)
		return r;
	r = handle_bind(conn, m->head.ref, &lent->ref, &handle);
	if (r < 0) {
		ref_settle(&lent->ref);
		return r;
	}
	*ret = &lent->ref;
	return 0;
}

void lending_reply(struct conn *conn, uint32_t serial, const struct ref *ref)
{
	uint8_t packet[64];
	struct wire_writer w;

	wire_begin(&w, packet, sizeof packet, WIRE_REPLY, serial, 0, 0);
	wire_put_u64(&w, TAG_REFERENCE, ref->id);
	conn_send(conn, packet, wire_finish(&w));
}

int on_lend(struct conn *conn, const struct wire_message *m, int *fd)
{
	struct ref *parent = lent_from(conn, m), *ref;
	int r = lend(conn, m, parent, &ref);

	(void)fd;
	if (r < 0) {
		lending_refuse(conn, m, "lend", r);
		return 0;
	}
	lending_audit(conn, "lent", ref);
	lending_reply(conn, m->head.serial, ref);
	return 0;
}

/* Who made a reference may always revoke it; else it takes the right to. A service itself is
 * ended, not revoked. */
static int may_revoke(const struct conn *conn, const struct ref *ref)
{
	if (ref->kind == REF_SERVICE)
		return -EPERM;
	if (conn->admin)
		return 0;
	if (ref->kind == REF_LENT &&
	    list_entry(ref, const struct lent, ref)->maker->conn == conn->id)
		return 0;
	return ref->rights & RIGHT_REVOKE ? 0 : -EACCES;
}

int on_revoke(struct conn *conn, const struct wire_message *m, int *fd)
{
	const bool by_number = conn->admin && wire_has(m, TAG_REFERENCE);
	struct ref *ref = by_number ? ref_by_id(wire_u64(m, TAG_REFERENCE, 0)) :
				      held(conn, m->head.ref);
	int r = ref ? may_revoke(conn, ref) : -ENOENT;

	(void)fd;
	if (r < 0) {
		lending_refuse(conn, m, "revoke", r);
		return 0;
	}
	lending_audit(conn, "revoked", ref);
	lending_end(conn, m->head.serial, ref, -EKEYREVOKED);
	return 0;
}

void lending_end(struct conn *conn, uint32_t serial, struct ref *ref, int error)
{
	uint64_t before = sturdy_revocations();

	/* What was introduced before is on its way to its services before we say that it is
	 * over: nothing comes after that. */
	handover_flush_all();
	/* What the kernel had no room for would come later. Its clients see the end. */
	if (ref->service->exporter)
		handover_drop(ref->service->exporter->conn);
	ref_end(ref, error);
	if (sturdy_revocations() == before)
		conn_reply(conn, serial, 0);
	else
		sturdy_answer_revoked(conn, serial);
}

int on_enclose(struct conn *conn, const struct wire_message *m, int *fd)
{
	int r = client_may_join(*fd) ? enclosure_new(conn, m, fd) : -EINVAL;

	if (r < 0)
		lending_refuse(conn, m, "enclose", r);
	else
		conn_reply(conn, m->head.serial, 0);
	return 0;
}

int on_stat(struct conn *conn, const struct wire_message *m, int *fd)
{
	struct ref *ref = held(conn, m->head.ref);
	char text[WIRE_TEXT_MAX + 1];
	uint8_t packet[WIRE_PACKET_MAX];
	uint64_t now = timer_now();
	struct wire_writer w;

	(void)fd;
	if (!ref) {
		conn_reply(conn, m->head.serial, -ENOENT);
		return 0;
	}
	wire_begin(&w, packet, sizeof packet, WIRE_REPLY, m->head.serial, 0, 0);
	if (ref->label)
		wire_put_string(&w, TAG_LABEL, ref->label);
	terms_write(ref, ref_uses_left(ref), &w);
	wire_put_u64(&w, TAG_REFERENCE, ref->id);
	ref_provenance(ref, text, sizeof text);
	wire_put_string(&w, TAG_PROVENANCE, text);
	if (ref->expires_usec != UINT64_MAX)
		wire_put_u64(&w, TAG_EXPIRES, ref->expires_usec > now ? ref->expires_usec - now : 0);
	conn_send(conn, packet, wire_finish(&w));
	return 0;
}

int on_same(struct conn *conn, const struct wire_message *m, int *fd)
{
	const struct ref *a = held(conn, m->head.ref);
	const struct ref *b = held(conn, wire_u64(m, TAG_PARENT, 0));
	uint8_t packet[64];
	struct wire_writer w;

	(void)fd;
	if (!a || !b) {
		conn_reply(conn, m->head.serial, -ENOENT);
		return 0;
	}
	wire_begin(&w, packet, sizeof packet, WIRE_REPLY, m->head.serial, 0, 0);
	wire_put_u32(&w, TAG_VERDICT, a->service != b->service);
	conn_send(conn, packet, wire_finish(&w));
	return 0;
}
