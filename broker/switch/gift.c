/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The gifts of gift.h.
 */
#include "gift.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "../../libintro/wire/message.h"
#include "../../libintro/wire/name.h"
#include "board.h"
#include "conn.h"
#include "door.h"
#include "handle.h"
#include "lending.h"
#include "lent.h"
#include "service.h"
#include "terms.h"

/* How long a gift waits for its recipient, unless its giver says otherwise, and at most. */
#define WAIT_USEC UINT64_C(60000000)
#define WAIT_MAX_USEC UINT64_C(86400000000)

struct gift {
	struct list in_board;
	struct timer deadline;
	struct lent *lent;		/* pinned */
	uint64_t conn;			/* the recipient's number; 0: a door's */
	char door[WIRE_NAME_MAX + 1];	/* the recipient, whether or not there is one */
	uint8_t id[WIRE_GIFT_BYTES];
};

static int same_gift(const void *value, const void *key)
{
	return memcmp(((const struct gift *)value)->id, key, WIRE_GIFT_BYTES) == 0;
}

static uint64_t hash(const uint8_t id[WIRE_GIFT_BYTES])
{
	return table_hash_name((const char *)id, WIRE_GIFT_BYTES);
}

void gift_lost(struct gift *gift)
{
	timer_disarm(&board.timers, &gift->deadline);
	list_remove(&gift->in_board);
	table_remove(&board.gifts, hash(gift->id), gift);
	free(gift);
}

/* It has been claimed, or nobody will: what is in it lives on where somebody holds it. */
static void gift_free(struct gift *gift)
{
	struct lent *lent = gift->lent;

	gift_lost(gift);
	lent_put_into(lent, NULL);
	ref_settle(&lent->ref);
}

static void gift_due(struct timer *t)
{
	gift_free(list_entry(t, struct gift, deadline));
}

/* Who is to have it. 0 or a negative errno. */
static int find_recipient(struct conn *by, const struct wire_message *m, struct gift *gift)
{
	const struct handle *to;

	if (!wire_has(m, TAG_RECIPIENT))
		return wire_string(m, TAG_DOOR, gift->door, sizeof gift->door) == 0 &&
		       wire_name_ok(gift->door, strlen(gift->door)) ? 0 : -EINVAL;
	to = handle_find(by, wire_u32(m, TAG_RECIPIENT, 0));
	if (!to)
		return -ENOENT;
	if (!(to->ref->rights & RIGHT_CONNECT))
		return -EACCES;
	if (!to->ref->service->exporter)
		return -ECONNREFUSED;
	gift->conn = to->ref->service->exporter->conn->id;
	return 0;
}

/* Put a child of the reference into it. */
static int fill(struct gift *gift, struct conn *by, const struct wire_message *m)
{
	const struct handle *handle = handle_find(by, m->head.ref);
	uint64_t wait = wire_u64(m, TAG_WAIT, WAIT_USEC);
	char label[WIRE_LABEL_MAX + 1];
	struct terms terms;
	int r = find_recipient(by, m, gift);

	if (r < 0)
		return r;
	if (!handle)
		return -ENOENT;
	if (!(handle->ref->rights & RIGHT_GIVE))
		return -EACCES;
	if (getrandom(gift->id, sizeof gift->id, 0) != (ssize_t)sizeof gift->id)
		return -EAGAIN;
	r = terms_read(m, RIGHTS_ALL, label, &terms);
	if (r < 0)
		return r;
	if (!(handle->ref->rights & terms.rights))
		return -EACCES;
	r = lent_new(by, handle->ref, &terms, &gift->lent);
	if (r == 0)
		r = lent_be_given(gift->lent);
	if (r < 0)
		return r;
	gift->deadline.due = gift_due;
	r = timer_arm(&board.timers, &gift->deadline,
		      timer_now() + (wait < WAIT_MAX_USEC ? wait : WAIT_MAX_USEC));
	if (r == 0)
		r = table_add(&board.gifts, hash(gift->id), gift);
	if (r < 0) {
		timer_disarm(&board.timers, &gift->deadline);
		ref_settle(&gift->lent->ref);
	}
	return r;
}

int on_give(struct conn *conn, const struct wire_message *m, int *fd)
{
	struct gift *gift = calloc(1, sizeof *gift);
	uint8_t packet[64];
	struct wire_writer w;
	int r = gift ? fill(gift, conn, m) : -ENOMEM;

	(void)fd;
	if (r < 0) {
		free(gift);
		lending_refuse(conn, m, "give", r);
		return 0;
	}
	list_append(&board.gift_list, &gift->in_board);
	lent_put_into(gift->lent, gift);
	lending_audit(conn, "given", &gift->lent->ref);
	wire_begin(&w, packet, sizeof packet, WIRE_REPLY, m->head.serial, 0, 0);
	wire_put_bytes(&w, TAG_GIFT, gift->id, sizeof gift->id);
	conn_send(conn, packet, wire_finish(&w));
	return 0;
}

/* An enclosure is not what its door may have been given. */
static bool is_recipient(const struct gift *gift, const struct conn *conn)
{
	if (gift->conn)
		return gift->conn == conn->id;
	return !conn->door->within && strcmp(gift->door, conn->door->name) == 0;
}

int on_claim(struct conn *conn, const struct wire_message *m, int *fd)
{
	struct gift *gift = NULL;
	struct handle *handle;
	int r = wire_has(m, TAG_GIFT) && m->length[TAG_GIFT] == WIRE_GIFT_BYTES ? 0 : -EINVAL;

	(void)fd;
	if (r == 0) {
		gift = table_find(&board.gifts, hash(m->value[TAG_GIFT]), same_gift,
				  m->value[TAG_GIFT]);
		/* somebody else's and none at all are alike */
		r = gift && is_recipient(gift, conn) ? 0 : -ENOENT;
	}
	if (r == 0)
		r = handle_bind(conn, m->head.ref, &gift->lent->ref, &handle);
	if (r < 0) {
		lending_refuse(conn, m, "claim", r);
		return 0;
	}
	lent_given_to(gift->lent, conn);
	lending_audit(conn, "claimed", &gift->lent->ref);
	lending_reply(conn, m->head.serial, &gift->lent->ref);
	gift_free(gift);
	return 0;
}

void gifts_end_of(const struct conn *conn)
{
	list_foreach_safe(it, &board.gift_list) {
		struct gift *gift = list_entry(it, struct gift, in_board);

		if (gift->conn == conn->id)
			gift_free(gift);
	}
}
