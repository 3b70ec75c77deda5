/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The sturdy references' database (broker/store/database.h), call by call.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "harness.h"
#include "model.h"

#define SECOND MODEL_USEC

static char dir[DIR_BYTES], path[DIR_BYTES + 16];

static struct database *begin(void)
{
	dir_make(dir);
	snprintf(path, sizeof path, "%s/references", dir);
	return model_open(path);
}

static void end(struct database *db)
{
	database_close(db);
	dir_remove(dir);
}

static struct database *again(struct database *db)
{
	database_close(db);
	return model_open(path);
}

static const struct saved plain = {
	.service = "db", .uses = SAVED_UNLIMITED, .sessions = SAVED_UNLIMITED,
	.expires_usec = SAVED_NEVER,
};

static uint64_t save(struct database *db, const struct saved *saved, const uint8_t *swiss)
{
	uint64_t id = 0;

	cr_assert_eq(database_save(db, saved, swiss, &id), 0);
	return id;
}

static uint64_t save_below(struct database *db, uint64_t parent)
{
	struct saved saved = plain;

	saved.parent = parent;
	return save(db, &saved, NULL);
}

static int count(const struct saved *saved, void *arg)
{
	(void)saved;
	++*(size_t *)arg;
	return 0;
}

static size_t rows(struct database *db)
{
	size_t n = 0;

	cr_assert_eq(database_walk(db, count, &n), 0);
	return n;
}

TEST(database, keeps_everything_of_a_reference)
{
	static const uint8_t swiss[16] = { 1, 2, 3 }, other[16] = { 1, 2, 4 };
	struct database *db = begin();
	struct saved saved = { .rights = 7, .uses = 9, .sessions = 3, .leash = true,
			       .expires_usec = 99 * SECOND };
	struct saved got;
	struct stat st;

	memset(saved.door, 'd', 64);
	memset(saved.name, 'n', 64);
	memset(saved.service, 's', 64);
	memset(saved.owner, 'o', 64);
	memset(saved.label, 'l', 128);
	memset(saved.maker, 'm', 112);
	saved.id = save(db, &saved, swiss);
	cr_assert_eq(saved.id, 1);
	for (int round = 0; round < 2; round++) {
		cr_assert_eq(database_find(db, swiss, &got), 0);
		cr_assert_eq(memcmp(&got, &saved, sizeof got), 0);
		memset(&got, 0, sizeof got);
		cr_assert_eq(database_get(db, saved.id, &got), 0);
		cr_assert_eq(memcmp(&got, &saved, sizeof got), 0);
		cr_assert_eq(database_find(db, other, &got), -ENOENT);
		cr_assert_eq(database_get(db, 2, &got), -ENOENT);
		cr_assert_eq(database_get(db, UINT64_MAX, &got), -ENOENT);
		db = again(db);
	}
	cr_assert_eq(stat(path, &st), 0);
	cr_assert_eq(st.st_mode & 07777, 0600);
	end(db);
}

TEST(database, refuses_what_it_cannot_keep)
{
	static const uint8_t swiss[16] = { 1 };
	struct database *db = begin();
	struct saved bad = plain;
	uint64_t id = 77;

	bad.service[0] = '\0';
	cr_assert_eq(database_save(db, &bad, NULL, &id), -EINVAL, "no anchor");
	strcpy(bad.door, "web");
	cr_assert_eq(database_save(db, &bad, NULL, &id), -EINVAL, "a door without a name");
	bad = plain;
	memset(bad.label, 'x', sizeof bad.label);
	cr_assert_eq(database_save(db, &bad, NULL, &id), -EINVAL, "a string without an end");
	bad = plain;
	bad.parent = 5;
	cr_assert_eq(database_save(db, &bad, NULL, &id), -ENOENT);
	save(db, &plain, swiss);
	cr_assert_eq(database_save(db, &plain, swiss, &id), -EEXIST);
	cr_assert_eq(id, 77, "untouched");
	cr_assert_eq(rows(db), 1);
	end(db);
}

TEST(database, revokes_all_below)
{
	struct database *db = begin();
	uint64_t top = save(db, &plain, NULL), beside = save(db, &plain, NULL);
	uint64_t child = save_below(db, top), deep = save_below(db, child);
	struct saved got;

	for (int i = 0; i < 3000; i++)
		deep = save_below(db, i % 2 ? child : deep);
	cr_assert_eq(database_revoke(db, child), 0);
	cr_assert_eq(rows(db), 2);
	cr_assert_eq(database_get(db, deep, &got), -ENOENT);
	cr_assert_eq(database_revoke(db, child), -ENOENT);
	cr_assert_eq(database_revoke(db, 0), -ENOENT);
	cr_assert_eq(rows(db), 2, "0 is nobody's parent");
	cr_assert_eq(database_revoke(db, beside), 0);
	db = again(db);
	cr_assert_eq(rows(db), 1);
	end(db);
}

static uint64_t save_at(struct database *db, const char *door, const char *name,
			const char *service)
{
	struct saved saved = plain;

	strcpy(saved.door, door);
	strcpy(saved.name, name);
	strcpy(saved.service, service);
	return save(db, &saved, NULL);
}

TEST(database, revokes_what_hangs_from_an_anchor)
{
	struct database *db = begin();
	uint64_t grant = save_at(db, "web", "db", "pg"), below = save_below(db, grant);
	uint64_t other = save_at(db, "web", "log", "syslog");
	uint64_t service = save_at(db, "", "", "db"), third = save_at(db, "", "", "log");
	struct saved got;

	cr_assert_eq(database_revoke_anchor(db, "web", "pg"), 0, "a service's name is no grant");
	cr_assert_eq(database_revoke_anchor(db, "nobody", NULL), 0);
	cr_assert_eq(rows(db), 5);
	cr_assert_eq(database_revoke_anchor(db, "web", "db"), 0);
	cr_assert_eq(database_get(db, grant, &got), -ENOENT);
	cr_assert_eq(database_get(db, below, &got), -ENOENT);
	cr_assert_eq(rows(db), 3);
	cr_assert_eq(database_revoke_anchor(db, "", "db"), 0);
	cr_assert_eq(database_get(db, service, &got), -ENOENT);
	cr_assert_eq(database_get(db, third, &got), 0);
	cr_assert_eq(database_get(db, other, &got), 0);
	cr_assert_eq(database_revoke_anchor(db, "web", NULL), 0);
	cr_assert_eq(rows(db), 1);
	end(db);
}

TEST(database, takes_uses_off_once)
{
	struct database *db = begin();
	struct saved saved = plain;
	uint64_t some, endless = save(db, &plain, NULL);
	uint32_t granted = 0;
	struct saved got;

	saved.uses = 10;
	some = save(db, &saved, NULL);
	cr_assert_eq(database_reserve(db, some, 4, &granted), 0);
	cr_assert_eq(granted, 4);
	db = again(db);
	cr_assert_eq(database_get(db, some, &got), 0);
	cr_assert_eq(got.uses, 6);
	cr_assert_eq(database_reserve(db, some, SAVED_UNLIMITED, &granted), 0);
	cr_assert_eq(granted, 6);
	cr_assert_eq(database_reserve(db, some, 1, &granted), 0);
	cr_assert_eq(granted, 0);
	cr_assert_eq(database_reserve(db, endless, 1000, &granted), 0);
	cr_assert_eq(granted, 1000);
	cr_assert_eq(database_get(db, endless, &got), 0);
	cr_assert_eq(got.uses, SAVED_UNLIMITED);
	cr_assert_eq(database_reserve(db, 99, 1, &granted), -ENOENT);
	cr_assert_eq(granted, 1000, "untouched");
	end(db);
}

static uint64_t at(struct database *db, uint64_t now)
{
	uint64_t effective = 0;

	cr_assert_eq(database_clock(db, now, &effective), 0);
	return effective;
}

TEST(database, revives_nothing_when_the_clock_is_set_back)
{
	static const uint8_t swiss[16] = { 1 };
	struct database *db = begin();
	struct saved saved = plain, got;
	uint32_t granted;
	uint64_t id;

	cr_assert_eq(at(db, 1000 * SECOND), 1000 * SECOND);
	saved.expires_usec = 1100 * SECOND;
	id = save(db, &saved, swiss);
	saved.parent = id;
	saved.expires_usec = SAVED_NEVER;
	cr_assert_eq(database_get(db, save(db, &saved, NULL), &got), 0);
	cr_assert_eq(got.expires_usec, 1100 * SECOND, "not later than its parent");

	at(db, 1100 * SECOND - 1);
	cr_assert_eq(database_get(db, id, &got), 0);
	cr_assert_eq(at(db, 1100 * SECOND), 1100 * SECOND);
	for (int round = 0; round < 2; round++) {
		cr_assert_eq(database_find(db, swiss, &got), -ENOENT);
		cr_assert_eq(database_get(db, id, &got), -ENOENT);
		cr_assert_eq(database_reserve(db, id, 1, &granted), -ENOENT);
		cr_assert_eq(database_revoke(db, id), -ENOENT);
		cr_assert_eq(database_save(db, &saved, NULL, &id), -ENOENT, "below it");
		cr_assert_eq(rows(db), 0);
		db = again(db);
		cr_assert_eq(at(db, 900 * SECOND), 1100 * SECOND);
	}
	end(db);
}

TEST(database, keeps_the_time_to_ten_seconds_and_with_each_save)
{
	struct database *db = begin();

	at(db, 1000 * SECOND);
	at(db, 1010 * SECOND - 1);
	db = again(db);
	cr_assert_eq(at(db, 0), 1000 * SECOND);
	at(db, 1010 * SECOND);
	db = again(db);
	cr_assert_eq(at(db, 0), 1010 * SECOND);
	at(db, 1011 * SECOND);
	save(db, &plain, NULL);
	db = again(db);
	cr_assert_eq(at(db, 0), 1011 * SECOND);

	at(db, UINT64_MAX);
	cr_assert_eq(rows(db), 1, "never is never");
	end(db);
}

static int stop_at_two(const struct saved *saved, void *arg)
{
	++*(size_t *)arg;
	return saved->id == 2 ? 77 : 0;
}

static int revoke_each(const struct saved *saved, void *arg)
{
	return database_revoke(arg, saved->id);
}

TEST(database, walks_until_it_is_told_to_stop)
{
	struct database *db = begin();
	size_t n = 0;

	for (int i = 0; i < 5; i++)
		save(db, &plain, NULL);
	cr_assert_eq(database_walk(db, stop_at_two, &n), 77);
	cr_assert_eq(n, 2);
	cr_assert_eq(database_walk(db, revoke_each, db), 0);
	cr_assert_eq(rows(db), 0);
	end(db);
}
