/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The sturdy references' database as a file (broker/store/database.h): what is in it, and whose
 * it is.
 */
#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "harness.h"
#include "model.h"

#define SECOND MODEL_USEC

static char dir[DIR_BYTES], path[DIR_BYTES + 16];

static const struct saved plain = {
	.service = "db", .uses = SAVED_UNLIMITED, .sessions = SAVED_UNLIMITED,
	.expires_usec = SAVED_NEVER,
};

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

static uint64_t save(struct database *db, const struct saved *saved, const uint8_t *swiss)
{
	uint64_t id = 0;

	cr_assert_eq(database_save(db, saved, swiss, &id), 0);
	return id;
}

static void at(struct database *db, uint64_t now)
{
	uint64_t effective;

	cr_assert_eq(database_clock(db, now, &effective), 0);
}

/* What SQLite gives on a connection of its own. */
static sqlite3_int64 asked(const char *query)
{
	sqlite3_int64 answer = -1;
	sqlite3_stmt *s = NULL;
	sqlite3 *sql = NULL;

	cr_assert_eq(sqlite3_open(path, &sql), SQLITE_OK);
	cr_assert_eq(sqlite3_prepare_v2(sql, query, -1, &s, NULL), SQLITE_OK, "%s", query);
	if (sqlite3_step(s) == SQLITE_ROW)
		answer = sqlite3_column_int64(s, 0);
	sqlite3_finalize(s);
	sqlite3_close(sql);
	return answer;
}

TEST(database_file, deletes_what_has_expired)
{
	struct database *db = begin();
	struct saved saved = plain;

	at(db, 1000 * SECOND);
	saved.expires_usec = 1005 * SECOND;
	for (int i = 0; i < 10; i++)
		save(db, &saved, NULL);
	save(db, &plain, NULL);
	at(db, 1020 * SECOND);
	database_close(db);
	cr_assert_eq(asked("SELECT count(*) FROM saved"), 1);
	end(model_open(path));
}

TEST(database_file, never_gives_an_id_twice)
{
	struct database *db = begin();
	uint64_t last = 0;

	for (int i = 0; i < 20; i++) {
		uint64_t id = save(db, &plain, NULL);

		cr_assert_gt(id, last);
		last = id;
		cr_assert_eq(database_revoke(db, id), 0);
		if (i % 5 == 0) {
			database_close(db);
			db = model_open(path);
		}
	}
	end(db);
}

TEST(database_file, does_not_know_the_secrets)
{
	static const uint8_t swiss[16] = "0123456789abcdef";
	struct database *db = begin();
	char *text;
	size_t len;
	int fd;

	save(db, &plain, swiss);
	database_close(db);
	fd = MUST(open(path, O_RDONLY | O_CLOEXEC));
	text = fd_read(fd, &len);
	cr_assert_null(memmem(text, len, swiss, sizeof swiss));
	free(text);
	close(fd);
	end(model_open(path));
}

TEST(database_file, belongs_to_one_process)
{
	struct database *db = begin(), *other = NULL;
	char message[256];
	pid_t child = child_fork();

	if (child == 0)
		_exit(database_open(path, &other, message, sizeof message) == -EBUSY ? 0 : 1);
	cr_assert_eq(child_wait(child), 0);
	end(db);
}

TEST(database_file, opens_none_that_is_another_programs)
{
	static const char *const changes[] = {
		"PRAGMA application_id=5", "PRAGMA user_version=2", "PRAGMA journal_mode=DELETE",
		"CREATE TABLE more(x)",
		"CREATE TRIGGER t AFTER DELETE ON saved BEGIN SELECT 1; END",
		"DROP INDEX saved_parent", "DELETE FROM saved", "UPDATE saved SET uses = 1000",
		"UPDATE saved SET id = 3 WHERE id = 2", "UPDATE meta SET last = 1",
		"UPDATE meta SET mark = 0", "DELETE FROM meta",
		"UPDATE meta SET key = randomblob(32)",
	};

	for (size_t i = 0; i < sizeof changes / sizeof changes[0]; i++) {
		struct database *db = begin();
		char message[256] = "", *before, *after;

		at(db, 1000 * SECOND);
		save(db, &plain, NULL);
		save(db, &plain, NULL);
		database_close(db);
		db = NULL;
		asked(changes[i]);
		before = file_read(path);
		cr_assert_eq(database_open(path, &db, message, sizeof message), -EUCLEAN, "%s",
			     changes[i]);
		cr_assert_null(db);
		cr_assert_eq(strncmp(message, path, strlen(path)), 0, "%s", message);
		after = file_read(path);
		cr_assert_str_eq(before, after);
		free(before);
		free(after);
		dir_remove(dir);
	}
}

TEST(database_file, says_why_it_cannot_be_opened)
{
	struct database *db = NULL;
	char message[256] = "";

	dir_make(dir);
	snprintf(path, sizeof path, "%s/no/such", dir);
	cr_assert_eq(database_open(path, &db, message, sizeof message), -ENOENT);
	cr_assert(strstr(message, "/no/such: "), "%s", message);
	snprintf(path, sizeof path, "%s/fifo", dir);
	MUST(mkfifo(path, 0600));
	cr_assert_eq(database_open(path, &db, message, sizeof message), -EUCLEAN);
	cr_assert(strstr(message, "not a regular file"), "%s", message);
	snprintf(path, sizeof path, "%s/lost-wal", dir);
	file_write(path, "something");
	snprintf(path, sizeof path, "%s/lost", dir);
	cr_assert_eq(database_open(path, &db, message, sizeof message), -EUCLEAN);
	cr_assert(strstr(message, "lost-wal is there"), "%s", message);
	cr_assert_neq(access(path, F_OK), 0, "no empty one in its place");
	file_write(path, "");
	cr_assert_eq(database_open(path, &db, message, sizeof message), -EUCLEAN);
	dir_remove(dir);
}
