/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Saving a reference: a child of it that has a secret, and all lent ones above that have not been
 * saved yet, the topmost first.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../../libintro/wire/message.h"
#include "../../libintro/wire/name.h"
#include "board.h"
#include "conn.h"
#include "door.h"
#include "grant.h"
#include "handle.h"
#include "lending.h"
#include "lent.h"
#include "live.h"
#include "maker.h"
#include "service.h"
#include "storelink.h"
#include "sturdy_inner.h"
#include "terms.h"

struct saving {
	struct ask ask;
	struct list in_savings;
	struct lent *lent;	/* NULL: it has ended meanwhile */
	bool leaf;		/* the child with the secret */
};

static struct list savings = { &savings, &savings };

/* ---- answers ---- */

static void answer(struct saving *s, const struct wire_message *m, int error)
{
	struct conn *conn = s->ask.conn;
	uint8_t packet[WIRE_PACKET_MAX];
	struct wire_writer w;

	if (!conn || !s->leaf)
		return;
	if (error < 0 || !m) {
		lending_refuse_serial(conn, s->ask.client_serial, "save", error);
	} else {
		if (s->lent)
			lending_audit(conn, "saved", &s->lent->ref);
		wire_begin(&w, packet, sizeof packet, WIRE_REPLY, s->ask.client_serial, 0, 0);
		wire_put_bytes(&w, TAG_URI, m->value[TAG_URI], m->length[TAG_URI]);
		conn_send(conn, packet, wire_finish(&w));
		explicit_bzero(packet, sizeof packet);
	}
	sturdy_read_on(conn);
}

static void saved(struct ask *ask, const struct wire_message *m, int error)
{
	struct saving *s = (struct saving *)(void *)ask;
	uint64_t entry = m ? wire_u64(m, TAG_ENTRY, 0) : 0;
	struct sturdy *sturdy = s->lent ? lent_sturdy(s->lent) : NULL;

	if (m && (!entry || (s->leaf && !wire_has(m, TAG_URI)))) {
		m = NULL;
		error = -EPROTO;
	}
	list_remove(&s->in_savings);
	if (m && !sturdy) {
		/* revoked while it was on its way */
		sturdy_revoke_entry(entry);
		error = -EKEYREVOKED;
		m = NULL;
	}
	if (sturdy) {
		sturdy->asking = false;
		if (!m || sturdy_saved(sturdy, entry) < 0) {
			/* it is as it was */
			if (sturdy->left)
				s->lent->ref.uses = sturdy->left;
			sturdy_drop(sturdy);
		}
	}
	answer(s, m, error);
	if (s->lent)
		lent_unpin(s->lent);
}

static const struct ask_handler save_handler = { .done = saved, .once = true };

void save_lost(struct lent *lent)
{
	list_foreach(it, &savings) {
		struct saving *s = list_entry(it, struct saving, in_savings);

		if (s->lent == lent)
			s->lent = NULL;
	}
}

/* ---- requests ---- */

/* Where the row hangs: the nearest reference above that lasts, looking through enclosures, whose
 * terms the child has already. 0, or -EOPNOTSUPP: what an enclosure counts would be forgotten. */
static int anchor_of(const struct ref *ref, const struct ref **ret)
{
	for (ref = ref->parent; ref->kind == REF_GRANT; ref = ref->parent) {
		const struct grant *grant = list_entry(ref, const struct grant, ref);

		if (!grant->door->within)
			break;
		if (ref->uses != REF_UNLIMITED || (ref->live && ref->live->max != REF_UNLIMITED))
			return -EOPNOTSUPP;
	}
	*ret = ref;
	return 0;
}

static void put_anchor(struct wire_writer *w, const struct ref *anchor)
{
	const struct grant *grant = list_entry(anchor, const struct grant, ref);

	if (anchor->kind != REF_GRANT)
		return;
	wire_put_string(w, TAG_NAME, grant->name);
	wire_put_string(w, TAG_DOOR, grant->door->name);
}

/* Its labels behind the anchor's. */
static const char *label_below(const struct ref *ref, const struct ref *anchor)
{
	if (!ref->label || ref->label == anchor->label)
		return NULL;
	return anchor->label ? ref->label + strlen(anchor->label) + 1 : ref->label;
}

static void write_row(struct wire_writer *w, struct lent *lent, const struct ref *anchor,
		      uint32_t above, const char *owner, bool leaf)
{
	const struct ref *ref = &lent->ref;
	const char *label = label_below(ref, anchor);
	uint64_t now = timer_now();

	if (anchor->kind == REF_GRANT)
		put_anchor(w, anchor);
	if (label)
		wire_put_string(w, TAG_LABEL, label);
	wire_put_string(w, TAG_SERVICE, ref->service->name);
	wire_put_u32(w, TAG_RIGHTS, ref->rights);
	if (ref->expires_usec != UINT64_MAX)
		wire_put_u64(w, TAG_LIFETIME, ref->expires_usec > now ? ref->expires_usec - now : 0);
	if (ref->uses != REF_UNLIMITED)
		wire_put_u32(w, TAG_USES, ref->uses);
	if (ref->live && ref->live->max != REF_UNLIMITED)
		wire_put_u32(w, TAG_SESSIONS, ref->live->max);
	if (ref->leashed)
		wire_put_u32(w, TAG_LEASH, 1);
	if (owner)
		wire_put_string(w, TAG_OWNER, owner);
	if (above)
		wire_put_u32(w, TAG_RECIPIENT, above);
	if (leaf)
		wire_put_string(w, TAG_DIRECTORY, board.options.host);
	wire_put_u32(w, TAG_MAX_REFERENCES, account_most(&lent->maker->door->account,
							 lent->maker->user, RESOURCE_REFERENCES));
	/* a blank stands before each of its words */
	wire_put_string(w, TAG_TEXT, lent->maker->who + 1);
	if (anchor->kind == REF_LENT && !above)
		wire_put_u64(w, TAG_ENTRY,
			     lent_sturdy(list_entry(anchor, struct lent, ref))->entry);
}

/* Send one; its serial, or 0 when out of memory. */
static uint32_t send_row(struct conn *conn, uint32_t client_serial, struct lent *lent,
			 const struct ref *anchor, uint32_t above, const char *owner, bool leaf)
{
	struct saving *s = calloc(1, sizeof *s);
	uint8_t buf[WIRE_PACKET_MAX];
	uint32_t serial = storelink_serial();
	struct wire_writer w;

	if (!s || sturdy_new(lent, 0, lent->ref.uses == REF_UNLIMITED ? 0 : lent->ref.uses) < 0) {
		free(s);
		return 0;
	}
	lent_sturdy(lent)->asking = true;
	wire_begin(&w, buf, sizeof buf, STORE_SAVE, serial, 0, 0);
	write_row(&w, lent, anchor, above, owner, leaf);
	/* From here on its uses are the store's to hand out. */
	if (lent->ref.uses != REF_UNLIMITED)
		lent->ref.uses = 0;
	(void)lent_pin(lent);	/* it is being saved: there is room */
	s->lent = lent;
	s->leaf = leaf;
	s->ask.handler = &save_handler;
	s->ask.conn = leaf ? conn : NULL;
	s->ask.client_serial = client_serial;
	list_append(&savings, &s->in_savings);
	storelink_ask(&s->ask, &w);
	return serial;
}

/* All that has to be saved, from the leaf upwards. The number, or a negative errno. */
static int chain_of(struct lent *leaf, struct lent *chain[REF_DEPTH_MAX])
{
	const struct ref *anchor = &leaf->ref;
	int n = 0, r;

	for (;;) {
		struct lent *lent = list_entry(anchor, struct lent, ref);
		const struct sturdy *s = lent_sturdy(lent);

		if (s)
			return s->entry ? n : -EAGAIN;
		chain[n++] = lent;
		r = anchor_of(anchor, &anchor);
		if (r < 0 || anchor->kind != REF_LENT)
			return r < 0 ? r : n;
	}
}

static int save(struct conn *conn, const struct wire_message *m, struct lent **ret)
{
	const struct handle *handle = handle_find(conn, m->head.ref);
	struct lent *chain[REF_DEPTH_MAX + 1], *leaf;
	char owner[WIRE_NAME_MAX + 1], label[WIRE_LABEL_MAX + 1];
	struct terms terms;
	uint32_t above = 0;
	int n, r;

	if (wire_string(m, TAG_OWNER, owner, sizeof owner) == 0 && !wire_name_ok(owner, strlen(owner)))
		return -EINVAL;
	if (!handle)
		return -ENOENT;
	if (!(handle->ref->rights & RIGHT_SAVE))
		return -EACCES;
	r = terms_read(m, RIGHTS_ALL, label, &terms);
	if (r < 0)
		return r;
	if (!(handle->ref->rights & terms.rights))
		return -EACCES;
	r = lent_new(conn, handle->ref, &terms, &leaf);
	if (r < 0)
		return r;
	r = lent_pin(leaf);
	if (r < 0) {
		lent_free(leaf, r);
		return r;
	}
	*ret = leaf;
	n = chain_of(leaf, chain);
	if (n < 0)
		return n;
	board.sturdy_used = true;
	while (n-- > 0) {
		const struct ref *anchor;

		r = anchor_of(&chain[n]->ref, &anchor);
		if (r < 0)
			return r;
		above = send_row(conn, m->head.serial, chain[n], anchor, above,
				 n == 0 && owner[0] ? owner : NULL, n == 0);
		if (!above)
			return -ENOMEM;
	}
	return 0;
}

int on_save(struct conn *conn, const struct wire_message *m, int *fd)
{
	struct lent *leaf = NULL;
	int r;

	(void)fd;
	conn->asking = true;
	r = save(conn, m, &leaf);
	if (r < 0) {
		conn->asking = false;
		lending_refuse(conn, m, "save", r);
	}
	if (leaf)
		lent_unpin(leaf);
	return 0;
}
