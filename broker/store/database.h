/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The sturdy references that this broker has given out, in one SQLite file of its own. Owned
 * by the store room, which has it alone: while it is open, nobody else can open it.
 *
 * The numbers that make a reference (SWISS of libintro/wire/uri.h) are not in it, only keyed
 * hashes of them: the file gives nobody a reference, and how long a search takes tells nothing
 * of any. Each row carries a keyed checksum: what the disk has changed is reported, not used.
 *
 * What a call has done is on the disk when it returns 0. A call that fails has done nothing
 * (after -EIO, and only until the next change succeeds, it may show again after a restart),
 * and what was there can still be read. All may give, besides what is said with each:
 * -ENOSPC, -EROFS and -EACCES where they write; -EIO; -ENOMEM; -EUCLEAN: the file is damaged.
 *
 * An expired reference is gone: it is found by nothing here, and is soon deleted. Times are
 * CLOCK_REALTIME in microseconds, judged by the latest that database_clock() ever saw.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SAVED_UNLIMITED UINT32_MAX	/* uses, sessions */
#define SAVED_NEVER UINT64_MAX		/* expires_usec */
#define SAVED_SWISS_BYTES 16u

/* One reference. Strings end with a NUL. */
struct saved {
	uint64_t id;			/* never given twice; at most INT64_MAX */
	uint64_t parent;		/* 0: it hangs from an anchor, see below */
	char door[65], name[65];	/* the anchor: this grant in this door; door "": the */
	char service[65];		/* service itself */
	uint32_t rights;
	uint32_t uses;			/* that may still be reserved; SAVED_UNLIMITED */
	uint32_t sessions;		/* at once; SAVED_UNLIMITED */
	bool leash;
	uint64_t expires_usec;		/* SAVED_NEVER */
	char owner[65];			/* the one door that it is sealed to; "": anyone */
	char label[129];
	char maker[113];
};

struct database;

/* Open path, or make it where nothing is. Neither emptied, replaced nor repaired is what is
 * there: 0; -EUCLEAN: it is damaged or not ours; -EBUSY: another process has it; or as above.
 * On failure message says which file, and what is the matter. */
int database_open(const char *path, struct database **ret, char *message, size_t size);

/* NULL is allowed. */
void database_close(struct database *db);

/* Save a reference (its id is not looked at), to be found by swiss, unless that is NULL. It is
 * saved as expiring with its parent at the latest. -ENOENT: no such parent; -EEXIST: swiss is
 * taken; -EINVAL: a string without an end, or an anchor's that is missing. */
int database_save(struct database *db, const struct saved *saved, const uint8_t *swiss,
		  uint64_t *ret_id);

/* By number: 0 or -ENOENT. */
int database_find(struct database *db, const uint8_t swiss[static SAVED_SWISS_BYTES],
		  struct saved *ret);
int database_get(struct database *db, uint64_t id, struct saved *ret);

/* Take up to wanted uses off what is left, before anybody uses them: a crash burns them and
 * never adds any. ret_granted may be 0; of unlimited uses it is wanted. -ENOENT. */
int database_reserve(struct database *db, uint64_t id, uint32_t wanted, uint32_t *ret_granted);

/* Give back what was reserved and not used. -ENOENT. */
int database_return(struct database *db, uint64_t id, uint32_t uses);

/* Delete a reference and all below it. -ENOENT. */
int database_revoke(struct database *db, uint64_t id);

/* Delete all that hangs from a door's grant, or with name NULL from any of the door's; with
 * door "", from the service of that name. 0 also where there was nothing. */
int database_revoke_anchor(struct database *db, const char *door, const char *name);

/* How many there are whose maker is this, or this and more words. */
int database_count(struct database *db, const char *maker, uint64_t *ret);

/* Call function with each, in the order of ids, until it returns other than 0, and return
 * that. It may call anything here but database_close(). */
int database_walk(struct database *db,
		  int (*function)(const struct saved *saved, void *arg), void *arg);

/* The time: the wall clock's, or what it had been when it was set back since. Kept on the disk
 * to 10 s, at each save, and when something was found to have expired. Where that fails, time
 * has gone on for the other calls. */
int database_clock(struct database *db, uint64_t now_usec, uint64_t *ret_usec);
