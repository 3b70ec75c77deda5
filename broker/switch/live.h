/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Live sessions, of references whose terms speak of them: how many at once, and whether they
 * are cut when the reference is revoked (a leash). Of all other sessions nothing is kept.
 *
 * Without a leash no descriptor is: whether a session has ended is asked of the kernel
 * (diag.h) where the limit is reached, or somebody looks. A leash is a copy of the service's
 * end.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "list.h"

struct conn;
struct exporter;
struct live_session;
struct ref;
struct terms;
struct account;
struct user;
struct door;

/* What a tracked reference has. */
struct live {
	struct list sessions;	/* of introductions by this very reference, the oldest first */
	uint32_t max, now;	/* at once, by it and all below it; REF_UNLIMITED */
	uint64_t swept_usec;	/* when all were asked about last */
};

/* The parts of a new child that are about sessions; its parent's are known. 0, -ENOMEM, or
 * -EOPNOTSUPP: the kernel does not tell of sessions' ends. */
int live_init(struct ref *ref, const struct ref *parent, const struct terms *terms);

/* The reference ends. error: why, and leashed sessions are cut; 0: because nobody holds it any
 * more, and sessions go on as those of its parent. */
void live_end(struct ref *ref, int error);

/* May there be one more? Where the limit is reached, the kernel is asked which have ended. */
bool live_room(struct ref *ref);

/* Sessions of it and of all below it, now. */
uint32_t live_count(struct ref *ref);

/* A session of a tracked reference is about to begin: end is the service's (borrowed). The
 * client's door and user are charged. 0, -EDQUOT, -EMFILE, -ENOMEM; -EOPNOTSUPP: leashed, but
 * this service does not shut its sessions down, so that the client would never see its end. */
struct live_start {
	struct ref *ref;
	struct door *door;
	struct user *user;
	const struct exporter *exporter;
	uint64_t number;
	int end;
};
int live_begin(const struct live_start *start, struct live_session **ret);

/* It did not begin after all. */
void live_forget(struct live_session *session);

/* The service's connection has gone, and with it who would shut its sessions down. */
void live_cut_of(struct conn *server);

/* The door goes, and is charged no longer. */
void live_uncharge(const struct door *door);
