/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lent references: children that clients make of what they hold. One lives for as long as
 * somebody holds it, or something made from it.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "ref.h"

struct conn;
struct door;
struct gift;
struct maker;
struct sturdy;

struct lent {
	struct ref ref;
	struct maker *maker;
	struct lent_more *more;	/* owned; what most have not: an end, or a recipient */
};

/* A child of a reference, charged to the connection. Nobody holds it yet: the caller binds a
 * handle to it or pins it, else lets it settle. 0, -EDQUOT, -ENOMEM or what ref_init_child()
 * says. */
int lent_new(struct conn *by, struct ref *parent, const struct terms *terms, struct lent **ret);

/* End it, and all that was made from it. error: what holders are told; 0: there are none. */
void lent_free(struct lent *lent, int error);

/* It is given, and not lent: to nobody as yet. 0, or -ENOMEM, and it is gone. */
int lent_be_given(struct lent *lent);

/* It waits in a gift, which keeps it, or (NULL) does no more. */
void lent_put_into(struct lent *lent, struct gift *gift);

/* Keep it while there is no handle of it (it may be ended all the same); let it go. 0 or
 * -ENOMEM, which a saved one never gives. */
int lent_pin(struct lent *lent);
void lent_unpin(struct lent *lent);
bool lent_is_pinned(const struct lent *lent);

/* What is known of a saved one; NULL: it is none. */
struct sturdy *lent_sturdy(const struct lent *lent);

/* NULL: it is none any more. 0 or -ENOMEM. */
int lent_set_sturdy(struct lent *lent, struct sturdy *sturdy);

/* Who has made it first, before it was saved. 0 or -ENOMEM. */
int lent_set_origin(struct lent *lent, const char *who);
bool lent_was_given(const struct lent *lent);

/* It is the recipient's now. Without memory, its provenance says less. */
void lent_given_to(struct lent *lent, struct conn *recipient);

/* Its line of a provenance, as snprintf(3). */
int lent_write_hop(const struct lent *lent, char *out, size_t size);

/* The door is removed, and what was lent through it ends with it. */
void lent_end_of(const struct door *door);
