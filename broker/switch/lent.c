/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The lent references of lent.h.
 */
#include "lent.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "board.h"
#include "conn.h"
#include "door.h"
#include "gift.h"
#include "maker.h"
#include "service.h"
#include "sturdy.h"

struct lent_more {
	struct timer expiry;
	struct lent *lent;
	struct gift *gift;	/* that it waits in; NULL: none */
	struct sturdy *sturdy;	/* of a saved one; else NULL */
	char *origin;		/* owned: who has made it, of a restored one; else NULL */
	uint32_t pins;
	struct maker *to;	/* who was given it; NULL: nobody yet, or it was lent */
	bool given;
};

static void expire(struct timer *t)
{
	struct lent *lent = list_entry(t, struct lent_more, expiry)->lent;

	lent_free(lent, -EKEYEXPIRED);
}

static struct lent_more *more(struct lent *lent)
{
	if (lent->more)
		return lent->more;
	lent->more = calloc(1, sizeof *lent->more);
	if (lent->more) {
		lent->more->lent = lent;
		lent->more->expiry.due = expire;
	}
	return lent->more;
}

/* A child's end is never after its parent's, which needs no second timer. 0 or -ENOMEM. */
static int arm(struct lent *lent)
{
	if (lent->ref.expires_usec == lent->ref.parent->expires_usec)
		return 0;
	if (!more(lent))
		return -ENOMEM;
	return timer_arm(&board.timers, &lent->more->expiry, lent->ref.expires_usec);
}

int lent_new(struct conn *by, struct ref *parent, const struct terms *terms, struct lent **ret)
{
	struct lent *lent;
	int r;

	if (!account_take(by->account, by->user, RESOURCE_REFERENCES))
		return -EDQUOT;
	lent = calloc(1, sizeof *lent);
	if (lent)
		lent->maker = maker_of(by);
	r = lent && lent->maker ? ref_init_child(&lent->ref, REF_LENT, parent, terms) : -ENOMEM;
	if (r < 0) {
		account_give(by->account, by->user, RESOURCE_REFERENCES);
		if (lent)
			maker_release(lent->maker);
		free(lent);
		return r;
	}
	r = arm(lent);
	if (r < 0) {
		lent_free(lent, r);
		return r;
	}
	*ret = lent;
	return 0;
}

int lent_be_given(struct lent *lent)
{
	if (!more(lent)) {
		lent_free(lent, -ENOMEM);
		return -ENOMEM;
	}
	lent->more->given = true;
	return 0;
}

void lent_put_into(struct lent *lent, struct gift *gift)
{
	lent->more->gift = gift;
}

int lent_pin(struct lent *lent)
{
	if (!more(lent))
		return -ENOMEM;
	lent->more->pins++;
	return 0;
}

void lent_unpin(struct lent *lent)
{
	lent->more->pins--;
	ref_settle(&lent->ref);
}

bool lent_is_pinned(const struct lent *lent)
{
	return lent->more && (lent->more->gift || lent->more->pins > 0);
}

struct sturdy *lent_sturdy(const struct lent *lent)
{
	return lent->more ? lent->more->sturdy : NULL;
}

int lent_set_sturdy(struct lent *lent, struct sturdy *sturdy)
{
	if (!more(lent))
		return -ENOMEM;
	lent->more->sturdy = sturdy;
	return 0;
}

int lent_set_origin(struct lent *lent, const char *who)
{
	if (!more(lent))
		return -ENOMEM;
	lent->more->origin = strdup(who);
	return lent->more->origin ? 0 : -ENOMEM;
}

void lent_given_to(struct lent *lent, struct conn *recipient)
{
	lent->more->to = maker_of(recipient);
}

bool lent_was_given(const struct lent *lent)
{
	return lent->more && lent->more->given;
}

int lent_write_hop(const struct lent *lent, char *out, size_t size)
{
	const struct lent_more *more = lent->more;
	const char *label = ref_own_label(&lent->ref);

	if (more && more->origin)
		return snprintf(out, size, "\nsaved by %s%s%s%s", more->origin, label ? " \"" : "",
				label ? label : "", label ? "\"" : "");

	return snprintf(out, size, "\n%s by%s%s%s%s%s%s", lent_was_given(lent) ? "given" : "lent",
			lent->maker->who, more && more->to ? " to" : "",
			more && more->to ? more->to->who : "", label ? " \"" : "",
			label ? label : "", label ? "\"" : "");
}

void lent_free(struct lent *lent, int error)
{
	struct service *service = lent->ref.service;
	struct maker *maker = lent->maker;

	service->pins++;
	if (lent->more) {
		sturdy_ended(lent, error);
		timer_disarm(&board.timers, &lent->more->expiry);
		if (lent->more->gift)
			gift_lost(lent->more->gift);
		maker_release(lent->more->to);
		free(lent->more->origin);
		free(lent->more);
		lent->more = NULL;
	}
	ref_break(&lent->ref, error);
	account_give(&maker->door->account, maker->user, RESOURCE_REFERENCES);
	maker_release(maker);
	free(lent);
	service->pins--;
	service_settle(service);
}

/* The first that came through the door, at or below a reference. */
static struct lent *made_through(struct ref *ref, const struct door *door)
{
	struct lent *found = NULL;

	if (ref->kind == REF_LENT &&
	    list_entry(ref, struct lent, ref)->maker->door == door)
		return list_entry(ref, struct lent, ref);
	for (struct ref *it = ref->children; it && !found; it = it->next)
		found = made_through(it, door);
	return found;
}

void lent_end_of(const struct door *door)
{
	if (door->account.used[RESOURCE_REFERENCES] == 0)
		return;
	list_foreach_safe(it, &board.service_list) {
		struct service *service = list_entry(it, struct service, in_board);
		struct lent *lent;

		service->pins++;
		while ((lent = made_through(&service->root, door)))
			lent_free(lent, -ENOENT);
		service->pins--;
		service_settle(service);
	}
}
