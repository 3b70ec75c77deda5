/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of database.h share. For broker/store/database*.c alone.
 *
 * Two tables: meta, with one row about the whole, and saved, with one row for each reference.
 * Both have a seal, a keyed hash over all else of the row; meta counts the others, so that a
 * row cannot go missing either.
 */
#pragma once

#include <sqlite3.h>

#include "database.h"

#define DATABASE_APPLICATION_ID 0x696e7472	/* "intr" */
#define DATABASE_VERSION 1u

#define DATABASE_KEY_BYTES 32u
#define DATABASE_HASH_BYTES 32u
#define DATABASE_SEAL_BYTES 16u

enum database_statement {
	SQL_BEGIN,
	SQL_COMMIT,
	SQL_ROLLBACK,
	SQL_META,
	SQL_META_WRITE,
	SQL_INSERT,
	SQL_GET,
	SQL_FIND,
	SQL_NEXT,
	SQL_USES,
	SQL_REVOKE,
	SQL_REVOKE_ANCHOR,
	SQL_COUNT,
	SQL_EXPIRE,
	SQL_END,
};

struct database_meta {
	uint64_t mark_usec;	/* the latest time that was stored */
	uint64_t last;		/* the highest id ever given */
	uint64_t rows;
};

struct database {
	sqlite3 *sql;
	sqlite3_stmt *statements[SQL_END];
	uint8_t hash_key[DATABASE_KEY_BYTES], seal_key[DATABASE_KEY_BYTES];
	struct database_meta meta;	/* as it is on the disk */
	uint64_t now_usec;		/* never below meta.mark_usec */
};

/* A row as it is stored. */
struct database_row {
	struct saved saved;
	bool has_hash;
	uint8_t hash[DATABASE_HASH_BYTES];
};

/* ---- database_sql.c ---- */

extern const char *const database_schema[];	/* what makes the tables, in order; then NULL */

/* SQLite's result as an errno: 0 or negative. The one place where that is decided. sql may be
 * NULL. */
int sql_errno(sqlite3 *sql, int result);

/* Prepare all statements: SQLite's result. database_close() is done with them. */
int sql_prepare(struct database *db);

/* One step of a statement: 1 there is a row, 0 there is none, or a negative errno. */
int sql_step(struct database *db, enum database_statement which);

/* Be done with a statement for now, and with what was bound to it. */
void sql_reset(struct database *db, enum database_statement which);

/* A statement without rows, bound before: 0 or a negative errno. */
int sql_run(struct database *db, enum database_statement which);

/* ---- database_row.c ---- */

/* The row that SQL_GET, SQL_FIND or SQL_NEXT has stepped to. 0 or -EUCLEAN. */
int row_read(struct database *db, enum database_statement which, struct database_row *ret);

/* SQL_INSERT, and SQL_USES for what has changed in it. */
int row_insert(struct database *db, const struct database_row *row);
int row_update_uses(struct database *db, const struct database_row *row);

/* The meta row: the key from which db's keys are derived, and the rest. Read gives -EUCLEAN
 * where it is damaged. */
void database_keys(struct database *db, const uint8_t key[static DATABASE_KEY_BYTES]);
int meta_read(struct database *db);
int meta_write(struct database *db, const struct database_meta *meta);
void meta_seal(const struct database *db, const struct database_meta *meta,
	       uint8_t ret[static DATABASE_SEAL_BYTES]);

/* ---- database_open.c ---- */

/* Where what is the matter is said. */
struct database_report {
	const char *path;
	char *message;
	size_t size;
};

/* Say it, and give r back. */
int report_say(const struct database_report *report, int r, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
/* The same of errno, and of SQLite's result: the errno. */
int report_errno(const struct database_report *report);
int report_sql(const struct database_report *report, sqlite3 *sql, int result);

/* ---- database_create.c ---- */

/* Make report->path, under another name until it is whole, so that there never is half a
 * database. 0 or a negative errno, after a message. */
int database_create(const struct database_report *report);
