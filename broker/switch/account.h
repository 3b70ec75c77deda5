/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who uses how much, and how much it may: an account per door and one per uid, charged for
 * everything that a client makes the switch keep. A flood exhausts its own account only: a
 * client is charged to what it is known by. Through the host door, which many uids share, that
 * is its uid (and the door counts along, without limits unless somebody sets them); through any
 * other door, whatever the uid, it is the door.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "list.h"

struct wire_message;
struct wire_writer;

enum resource {
	RESOURCE_CONNECTIONS,
	RESOURCE_NAMES,		/* served, placed or granted, and bound handles */
	RESOURCE_HELD,		/* descriptors kept for later */
	RESOURCE_FLIGHT,	/* descriptors sent to it and not yet received */
	RESOURCE_WAITS,		/* requests waiting */
	RESOURCE_REFERENCES,	/* lent and given, and sessions that are counted */
	RESOURCE_COUNT,
};

struct account {
	uint32_t used[RESOURCE_COUNT];
	uint32_t max[RESOURCE_COUNT];
	uint64_t introductions, refusals;
	const uint32_t *otherwise;	/* the max of what nobody has said anything of */
	uint64_t entry;		/* the parent's entry of limits set at run time; 0: none */
	uint32_t round;		/* the configuration that was in force when they were set, */
	uint32_t config_round;	/* and the last that set any */
	uint8_t at_run_time;	/* bits (1 << RESOURCE_x): who has set a limit; */
	uint8_t configured;	/* never both the same */
};

/* Are any of its limits its own? */
static inline bool account_limited(const struct account *a)
{
	return a->at_run_time || a->configured;
}

/* A uid's account; exists while something is charged to it or limits were set for it. Or, in a
 * door that is charged itself, nobody's: it limits nothing and lives as long as the door. */
struct user {
	struct account account;
	struct list in_board;
	uint32_t uid;
	uint32_t conns;
};

/* otherwise: borrowed, as long as it lives. */
void account_init(struct account *a, const uint32_t *otherwise);

/* One that counts and, until limits are set, limits nothing. */
void account_init_unlimited(struct account *a);

/* Charge both, or neither: false. user may be NULL. */
bool account_take(struct account *door, struct user *user, enum resource what);
void account_give(struct account *door, struct user *user, enum resource what);

/* The lower of both limits. */
uint32_t account_most(const struct account *door, const struct user *user, enum resource what);

/* Is there room for one more in both? */
bool account_room(const struct account *door, const struct user *user, enum resource what);

/* Set the limits that a message names: at run time, until a later configuration names them;
 * as the configuration now read, in which those that an earlier one had set are gone unless
 * named again; as the last switch had them from run time. */
void account_limit(struct account *a, const struct wire_message *m);
void account_configure(struct account *a, const struct wire_message *m);
void account_restore(struct account *a, const struct wire_message *m);

/* The configuration is read: what only an earlier one had set is gone. */
void account_sweep(struct account *a);

/* What nobody has set is otherwise's again, which has changed. */
void account_follow(struct account *a);

/* Write all limits; those of run time alone, and what they are restored by; the use. */
void account_write_limits(const struct account *a, struct wire_writer *w);
void account_write_run_time(const struct account *a, struct wire_writer *w);
void account_write_round(const struct account *a, struct wire_writer *w);
void account_write_usage(const struct account *a, struct wire_writer *w);

/* The account of a uid, made when it is the first. NULL when out of memory. */
struct user *user_get(uint32_t uid);
struct user *user_find(uint32_t uid);

/* Nobody's account, in a door. */
void user_init_nobody(struct user *user);

/* Count a connection of it. The last one to go frees an account without limits of its own. */
void user_hold(struct user *user);
void user_release(struct user *user);

/* Its limits may be gone: free it if nothing else needs it. */
void user_settle(struct user *user);
