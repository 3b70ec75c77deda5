/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The database as a file: looked at before anything in it is believed, opened and closed.
 */
#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../../libintro/cleanup.h"
#include "database_inner.h"

/* SQLite's file format, section 1.3, "The Database Header": what never changes in ours. */
#define HEADER_BYTES 100u
#define HEADER_JOURNAL 18u		/* two bytes; 2: WAL */
#define HEADER_USER_VERSION 60u
#define HEADER_APPLICATION_ID 68u

/* ---- saying what is the matter ---- */

int report_say(const struct database_report *report, int r, const char *format, ...)
{
	char what[256];
	va_list args;

	va_start(args, format);
	(void)vsnprintf(what, sizeof what, format, args);
	va_end(args);
	(void)snprintf(report->message, report->size, "%s: %s", report->path, what);
	return r;
}

int report_sql(const struct database_report *report, sqlite3 *sql, int result)
{
	int r = sql_errno(sql, result);

	/* A statement of ours which does not fit its tables. */
	if ((result & 0xff) == SQLITE_ERROR)
		r = -EUCLEAN;
	return report_say(report, r, "%s: %s", r == -EUCLEAN ? "damaged" : strerror(-r),
			  sql ? sqlite3_errmsg(sql) : sqlite3_errstr(result));
}

int report_errno(const struct database_report *report)
{
	int r = -errno;

	return report_say(report, r, "%s", strerror(-r));
}

/* ---- a file that is there ---- */

static unsigned int header_u32(const uint8_t *at)
{
	return (unsigned int)at[0] << 24 | (unsigned int)at[1] << 16 |
	       (unsigned int)at[2] << 8 | at[3];
}

/* Before SQLite sees it, which would play an old journal into a file that is not ours. -ENOENT
 * without a word. */
static int header_check(const struct database_report *report)
{
	_cleanup_(in_closep) int fd = open(report->path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	uint8_t header[HEADER_BYTES] = { 0 };
	struct stat st;
	ssize_t n;

	if (fd < 0 && errno == ENOENT)
		return -ENOENT;
	if (fd < 0 || fstat(fd, &st) < 0)
		return report_errno(report);
	if (!S_ISREG(st.st_mode))
		return report_say(report, -EUCLEAN, "not a regular file");
	n = pread(fd, header, sizeof header, 0);
	if (n < 0)
		return report_errno(report);
	if (n < (ssize_t)sizeof header)
		return report_say(report, -EUCLEAN, "damaged: only %zd bytes long", n);
	if (memcmp(header, "SQLite format 3", 16) != 0)
		return report_say(report, -EUCLEAN, "damaged, or no database: no SQLite header");
	if (header_u32(header + HEADER_APPLICATION_ID) != DATABASE_APPLICATION_ID)
		return report_say(report, -EUCLEAN, "damaged, or not introd's: application id %#x",
			   header_u32(header + HEADER_APPLICATION_ID));
	if (header_u32(header + HEADER_USER_VERSION) != DATABASE_VERSION)
		return report_say(report, -EUCLEAN, "of version %u, where %u is known here",
			   header_u32(header + HEADER_USER_VERSION), DATABASE_VERSION);
	if (header[HEADER_JOURNAL] != 2 || header[HEADER_JOURNAL + 1] != 2)
		return report_say(report, -EUCLEAN, "damaged: journal versions %u and %u",
			   header[HEADER_JOURNAL], header[HEADER_JOURNAL + 1]);
	return 0;
}

/* One column of a query, in order: each of wanted, and nothing after it. */
static int rows_check(const struct database_report *report, sqlite3 *sql, const char *query,
		      const char *const *wanted)
{
	sqlite3_stmt *s = NULL;
	int result = sqlite3_prepare_v2(sql, query, -1, &s, NULL), r = 0;

	while (result == SQLITE_OK && r == 0) {
		const char *text;

		if (sqlite3_step(s) != SQLITE_ROW)
			break;
		text = (const char *)sqlite3_column_text(s, 0);
		if (!*wanted || !text || strcmp(text, *wanted) != 0)
			r = report_say(report, -EUCLEAN, "damaged, or not introd's: %s",
				text ? text : "(nothing)");
		else
			wanted++;
	}
	if (r == 0 && result == SQLITE_OK)
		result = sqlite3_reset(s);
	if (r == 0 && result != SQLITE_OK)
		r = report_sql(report, sql, result);
	else if (r == 0 && *wanted)
		r = report_say(report, -EUCLEAN, "damaged, or not introd's: it lacks %s", *wanted);
	sqlite3_finalize(s);
	return r;
}

/* Every row as it was written, and none missing. */
static int seals_check(const struct database_report *report, struct database *db)
{
	struct database_row row = { 0 };
	uint64_t rows = 0;
	int r = meta_read(db);

	if (r < 0)
		return report_say(report, r, "the row about the whole: %s",
				  r == -EUCLEAN ? "damaged" : strerror(-r));
	for (;;) {
		sqlite3_bind_int64(db->statements[SQL_NEXT], 1, (sqlite3_int64)row.saved.id);
		r = sql_step(db, SQL_NEXT);
		if (r > 0)
			r = row_read(db, SQL_NEXT, &row) < 0 ? -EUCLEAN : 1;
		sql_reset(db, SQL_NEXT);
		if (r <= 0)
			break;
		rows++;
	}
	if (r < 0)
		return report_say(report, r, "the reference after number %llu: %s",
				  (unsigned long long)row.saved.id,
				  r == -EUCLEAN ? "damaged" : strerror(-r));
	if (rows != db->meta.rows || row.saved.id > db->meta.last)
		return report_say(report, -EUCLEAN, "damaged: %llu references, of %llu",
				  (unsigned long long)rows, (unsigned long long)db->meta.rows);
	return 0;
}

/* Nothing is written, not even by closing it again. */
static int open_checked(const struct database_report *report, struct database *db)
{
	static const char *const fine[] = { "ok", NULL };
	int result = sqlite3_open_v2(report->path, &db->sql, SQLITE_OPEN_READWRITE |
				     SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE, NULL);
	int r;

	/* SQLite takes what it gets. */
	if (result == SQLITE_OK && sqlite3_db_readonly(db->sql, "main") == 1) {
		errno = EROFS;
		(void)access(report->path, W_OK);
		return report_errno(report);
	}
	if (result == SQLITE_OK)
		result = sqlite3_db_config(db->sql, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
	if (result == SQLITE_OK)
		result = sqlite3_db_config(db->sql, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
	/* Exclusive: others are kept out, and there is no shared memory. */
	if (result == SQLITE_OK)
		result = sqlite3_exec(db->sql, "PRAGMA trusted_schema=OFF;"
				      "PRAGMA locking_mode=EXCLUSIVE;"
				      "PRAGMA synchronous=FULL; PRAGMA temp_store=MEMORY;"
				      "PRAGMA cell_size_check=ON;"
				      "PRAGMA wal_autocheckpoint=128", NULL, NULL, NULL);
	if (result != SQLITE_OK)
		return report_sql(report, db->sql, result);
	r = rows_check(report, db->sql, "SELECT sql FROM sqlite_schema WHERE sql NOT NULL "
		       "ORDER BY rowid", database_schema);
	if (r == 0)
		r = rows_check(report, db->sql, "PRAGMA integrity_check(1)", fine);
	if (r < 0)
		return r;
	result = sql_prepare(db);
	if (result != SQLITE_OK)
		return report_sql(report, db->sql, result);
	r = seals_check(report, db);
	if (r == 0)
		(void)sqlite3_db_config(db->sql, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 0, NULL);
	return r;
}

/* ---- the calls ---- */

int database_open(const char *path, struct database **ret, char *message, size_t size)
{
	struct database_report report = { path, message, size };
	struct database *db;
	int r;

	if (sodium_init() < 0)
		return report_say(&report, -EIO, "there are no random numbers");
	r = header_check(&report);
	if (r == -ENOENT)
		r = database_create(&report);
	if (r < 0)
		return r;
	db = calloc(1, sizeof *db);
	if (!db)
		return report_say(&report, -ENOMEM, "%s", strerror(ENOMEM));
	r = open_checked(&report, db);
	if (r < 0) {
		database_close(db);
		return r;
	}
	db->now_usec = db->meta.mark_usec;
	*ret = db;
	return 0;
}

void database_close(struct database *db)
{
	if (!db)
		return;
	for (int i = 0; i < SQL_END; i++)
		sqlite3_finalize(db->statements[i]);
	sqlite3_close(db->sql);
	sodium_memzero(db, sizeof *db);
	free(db);
}
