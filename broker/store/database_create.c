/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A new database, for database_open().
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "../../libintro/cleanup.h"
#include "database_inner.h"

static int exec(sqlite3 *sql, int result, const char *text)
{
	return result == SQLITE_OK ? sqlite3_exec(sql, text, NULL, NULL, NULL) : result;
}

static int meta_create(sqlite3 *sql)
{
	struct database db = { .sql = sql };
	uint8_t key[DATABASE_KEY_BYTES], seal[DATABASE_SEAL_BYTES];
	sqlite3_stmt *s = NULL;
	int result = sqlite3_prepare_v2(sql, "INSERT INTO meta VALUES(1, ?1, 0, 0, 0, ?2)", -1,
					&s, NULL);

	randombytes_buf(key, sizeof key);
	database_keys(&db, key);
	meta_seal(&db, &db.meta, seal);
	if (result == SQLITE_OK)
		result = sqlite3_bind_blob(s, 1, key, sizeof key, SQLITE_STATIC);
	if (result == SQLITE_OK)
		result = sqlite3_bind_blob(s, 2, seal, sizeof seal, SQLITE_STATIC);
	if (result == SQLITE_OK) {
		(void)sqlite3_step(s);
		result = sqlite3_reset(s);
	}
	sqlite3_finalize(s);
	sodium_memzero(key, sizeof key);
	sodium_memzero(&db, sizeof db);
	return result;
}

/* Tables into the empty file at report->path. WAL comes last: before, what cannot be written
 * is noticed at once. */
static int fill(const struct database_report *report)
{
	char pragmas[128];
	sqlite3 *sql = NULL;
	int result = sqlite3_open_v2(report->path, &sql, SQLITE_OPEN_READWRITE |
				     SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE, NULL);
	int r = 0;

	(void)snprintf(pragmas, sizeof pragmas, "PRAGMA application_id=%d;"
		       "PRAGMA user_version=%u", DATABASE_APPLICATION_ID, DATABASE_VERSION);
	result = exec(sql, result, "PRAGMA locking_mode=EXCLUSIVE; PRAGMA journal_mode=MEMORY");
	result = exec(sql, result, pragmas);
	for (const char *const *text = database_schema; *text; text++)
		result = exec(sql, result, *text);
	if (result == SQLITE_OK)
		result = meta_create(sql);
	result = exec(sql, result, "PRAGMA journal_mode=WAL");
	if (result != SQLITE_OK)
		r = report_sql(report, sql, result);
	sqlite3_close(sql);
	return r;
}

/* A new name is on the disk when its directory is. */
static int directory_sync(const char *path)
{
	const char *slash = strrchr(path, '/');
	char directory[PATH_MAX];
	_cleanup_(in_closep) int fd = -1;

	(void)snprintf(directory, sizeof directory, "%.*s",
		       slash ? (int)(slash - path) + 1 : 1, slash ? path : ".");
	fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 || fsync(fd) < 0 ? -errno : 0;
}

int database_create(const struct database_report *report)
{
	static const char *const suffixes[] = { "", "-wal", "-journal" };
	char made[PATH_MAX], other[PATH_MAX + 16];
	struct database_report making = { made, report->message, report->size };
	_cleanup_(in_closep) int fd = -1;
	int r;

	(void)snprintf(other, sizeof other, "%s-wal", report->path);
	if (access(other, F_OK) == 0)
		return report_say(report, -EUCLEAN, "missing, but its %s is there", other);
	if ((size_t)snprintf(made, sizeof made, "%s.new", report->path) >= sizeof made)
		return report_say(report, -ENAMETOOLONG, "%s", strerror(ENAMETOOLONG));
	for (size_t i = 0; i < sizeof suffixes / sizeof suffixes[0]; i++) {
		(void)snprintf(other, sizeof other, "%s%s", made, suffixes[i]);
		(void)unlink(other);
	}
	fd = open(made, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return report_errno(report);
	r = fill(&making);
	if (r == 0 && (fsync(fd) < 0 || rename(made, report->path) < 0))
		r = report_errno(report);
	if (r < 0) {
		(void)unlink(made);
		return r;
	}
	r = directory_sync(report->path);
	return r < 0 ? report_say(report, r, "its directory: %s", strerror(-r)) : 0;
}
