/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What sturdy.c, save.c and restore.c know of each other. Nobody else includes this.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "sturdy.h"

struct lent;

/* A saved reference in use. */
struct sturdy {
	uint64_t entry;		/* its number in the store; 0: being saved */
	struct lent *lent;
	uint32_t left;		/* uses in the store; 0: none, or it is not counted */
	bool asking;		/* for some of them, or it is being saved */
};

/* The reference in use of a number, or NULL. */
struct lent *sturdy_find(uint64_t entry);

/* Such a reference; entry 0: it is being saved. 0 or -ENOMEM. */
int sturdy_new(struct lent *lent, uint64_t entry, uint32_t left);

/* It has been saved, by this number. 0 or -ENOMEM. */
int sturdy_saved(struct sturdy *s, uint64_t entry);

/* It is not one any more. */
void sturdy_drop(struct sturdy *s);

/* Have the store delete one. */
void sturdy_revoke_entry(uint64_t entry);

/* What is being saved has ended. */
void save_lost(struct lent *lent);

/* What is being restored has ended. */
void restore_lost(struct lent *lent);

/* The connection's request is answered: it is read again. */
void sturdy_read_on(struct conn *conn);
