/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The sturdy references of sturdy.h: what is known of those in use, their counts and their ends.
 * Saving is save.c's, restoring restore.c's.
 */
#include "sturdy.h"

#include <errno.h>
#include <stdlib.h>

#include "board.h"
#include "conn.h"
#include "door.h"
#include "grant.h"
#include "lent.h"
#include "service.h"
#include "storelink.h"
#include "sturdy_inner.h"

/* A block: of few uses one each, so that a crash burns few. */
#define BLOCK_MAX 64u
#define BLOCK_PART 16u

static uint64_t revocations;

/* ---- which are in use ---- */

static int same_entry(const void *value, const void *key)
{
	return ((const struct sturdy *)value)->entry == *(const uint64_t *)key;
}

struct lent *sturdy_find(uint64_t entry)
{
	struct sturdy *s = table_find(&board.sturdy, table_hash_number(entry), same_entry, &entry);

	return s ? s->lent : NULL;
}

int sturdy_new(struct lent *lent, uint64_t entry, uint32_t left)
{
	struct sturdy *s = calloc(1, sizeof *s);

	if (!s)
		return -ENOMEM;
	s->entry = entry;
	s->lent = lent;
	s->left = left;
	if (entry && table_add(&board.sturdy, table_hash_number(entry), s) < 0) {
		free(s);
		return -ENOMEM;
	}
	if (lent_set_sturdy(lent, s) < 0) {
		sturdy_drop(s);
		return -ENOMEM;
	}
	lent->ref.saved = true;
	return 0;
}

int sturdy_saved(struct sturdy *s, uint64_t entry)
{
	s->entry = entry;
	return table_add(&board.sturdy, table_hash_number(entry), s);
}

void sturdy_drop(struct sturdy *s)
{
	if (s->entry)
		table_remove(&board.sturdy, table_hash_number(s->entry), s);
	(void)lent_set_sturdy(s->lent, NULL);
	s->lent->ref.saved = false;
	free(s);
}

/* ---- counts ---- */

struct reserve {
	struct ask ask;
	uint64_t entry;
};

static void reserved(struct ask *ask, const struct wire_message *m, int error)
{
	struct reserve *r = (struct reserve *)(void *)ask;
	uint32_t granted = m ? wire_u32(m, TAG_USES, 0) : 0;
	struct lent *lent = sturdy_find(r->entry);
	struct sturdy *s = lent ? lent_sturdy(lent) : NULL;

	(void)error;
	/* What nobody is there for any more is burnt. */
	if (!s)
		return;
	s->asking = false;
	lent->ref.uses += granted;
	s->left = granted && granted < s->left ? s->left - granted : 0;
}

static const struct ask_handler reserve_handler = { .done = reserved };

bool sturdy_more(struct ref *ref)
{
	struct sturdy *s = lent_sturdy(list_entry(ref, struct lent, ref));
	struct wire_writer w;
	struct reserve *r;
	uint8_t buf[64];
	uint32_t block;

	if (!s || (s->left == 0 && !s->asking))
		return false;
	if (s->asking)
		return true;
	r = calloc(1, sizeof *r);
	if (!r)
		return false;
	block = s->left / BLOCK_PART;
	block = block < 1 ? 1 : block > BLOCK_MAX ? BLOCK_MAX : block;
	r->entry = s->entry;
	r->ask.handler = &reserve_handler;
	s->asking = true;
	wire_begin(&w, buf, sizeof buf, STORE_RESERVE, storelink_serial(), 0, 0);
	wire_put_u32(&w, TAG_USES, block);
	wire_put_u64(&w, TAG_ENTRY, s->entry);
	storelink_ask(&r->ask, &w);
	return true;
}

/* ---- ends ---- */

static void nothing_done(struct ask *ask, const struct wire_message *m, int error)
{
	(void)ask;
	(void)m;
	(void)error;
}

static const struct ask_handler return_handler = { .done = nothing_done, .once = true };

static struct ask *last_revocation;	/* NULL: it was answered */

static void revoked(struct ask *ask, const struct wire_message *m, int error)
{
	(void)m;
	if (ask == last_revocation)
		last_revocation = NULL;
	if (ask->conn)
		conn_reply(ask->conn, ask->client_serial, error);
}

static const struct ask_handler revoke_handler = { .done = revoked };

static void ask_revoke(const struct wire_writer *w)
{
	struct ask *ask = calloc(1, sizeof *ask);

	revocations++;
	if (!ask)
		return;
	ask->handler = &revoke_handler;
	last_revocation = ask;
	storelink_ask(ask, w);
}

static void give_back(const struct sturdy *s, uint32_t uses)
{
	struct ask *ask = calloc(1, sizeof *ask);
	struct wire_writer w;
	uint8_t buf[64];

	if (!ask)
		return;
	ask->handler = &return_handler;
	wire_begin(&w, buf, sizeof buf, STORE_RETURN, storelink_serial(), 0, 0);
	wire_put_u32(&w, TAG_USES, uses);
	wire_put_u64(&w, TAG_ENTRY, s->entry);
	storelink_ask(ask, &w);
}

void sturdy_revoke_entry(uint64_t entry)
{
	struct wire_writer w;
	uint8_t buf[64];

	wire_begin(&w, buf, sizeof buf, STORE_REVOKE, storelink_serial(), 0, 0);
	wire_put_u64(&w, TAG_ENTRY, entry);
	ask_revoke(&w);
}

void sturdy_ended(struct lent *lent, int error)
{
	struct sturdy *s = lent_sturdy(lent);
	const struct ref *parent = lent->ref.parent;

	save_lost(lent);
	restore_lost(lent);
	if (!s)
		return;
	/* what is above it takes it along */
	if (error == -EKEYREVOKED && s->entry && parent->rights != 0)
		sturdy_revoke_entry(s->entry);
	else if (error != -EKEYREVOKED && s->entry && lent->ref.uses != REF_UNLIMITED &&
		 lent->ref.uses > 0)
		give_back(s, lent->ref.uses);
	sturdy_drop(s);
}

void sturdy_grant_ended(const struct grant *grant, int error)
{
	struct wire_writer w;
	uint8_t buf[256];

	/* What expires with it is told by its own clock. */
	if (!board.sturdy_used || grant->door->within || error == -EKEYEXPIRED || board.stopping)
		return;
	wire_begin(&w, buf, sizeof buf, STORE_REVOKE, storelink_serial(), 0, 0);
	wire_put_string(&w, TAG_NAME, grant->name);
	wire_put_string(&w, TAG_DOOR, grant->door->name);
	ask_revoke(&w);
}

uint64_t sturdy_revocations(void)
{
	return revocations;
}

void sturdy_answer_revoked(struct conn *conn, uint32_t serial)
{
	if (!last_revocation) {
		conn_reply(conn, serial, -EIO);
		return;
	}
	last_revocation->conn = conn;
	last_revocation->client_serial = serial;
}

static void forget(struct ask *ask, void *conn)
{
	if (ask->conn == conn)
		ask->conn = NULL;
}

void sturdy_forget_conn(struct conn *conn)
{
	if (board.sturdy_used)
		storelink_each(forget, conn);
}
