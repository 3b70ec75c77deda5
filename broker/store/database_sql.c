/* SPDX-License-Identifier: Apache-2.0 */
/*
 * All SQL of the database, and how it is run.
 */
#include "database_inner.h"

#include <errno.h>

#define COLUMNS "id, parent, door, name, service, rights, uses, sessions, leash, expires, " \
	"owner, label, maker, hash, seal"

const char *const database_schema[] = {
	"CREATE TABLE meta(one INTEGER PRIMARY KEY CHECK(one = 1), key BLOB NOT NULL, "
	"mark INTEGER NOT NULL, last INTEGER NOT NULL, rows INTEGER NOT NULL, "
	"seal BLOB NOT NULL) STRICT",
	"CREATE TABLE saved(id INTEGER PRIMARY KEY, parent INTEGER NOT NULL, "
	"door TEXT NOT NULL, name TEXT NOT NULL, service TEXT NOT NULL, "
	"rights INTEGER NOT NULL, uses INTEGER NOT NULL, sessions INTEGER NOT NULL, "
	"leash INTEGER NOT NULL, expires INTEGER NOT NULL, owner TEXT NOT NULL, "
	"label TEXT NOT NULL, maker TEXT NOT NULL, hash BLOB UNIQUE, "
	"seal BLOB NOT NULL) STRICT",
	"CREATE INDEX saved_parent ON saved(parent)",
	"CREATE INDEX saved_anchor ON saved(door) WHERE parent = 0",
	"CREATE INDEX saved_expires ON saved(expires)",
	"CREATE INDEX saved_maker ON saved(maker)",
	NULL,
};

#define BELOW " UNION SELECT saved.id FROM saved JOIN below ON saved.parent = below.id) " \
	"DELETE FROM saved WHERE id IN below"

static const char *const statements[SQL_END] = {
	[SQL_BEGIN] = "BEGIN IMMEDIATE",
	[SQL_COMMIT] = "COMMIT",
	[SQL_ROLLBACK] = "ROLLBACK",
	[SQL_META] = "SELECT key, mark, last, rows, seal FROM meta",
	[SQL_META_WRITE] = "UPDATE meta SET mark = ?1, last = ?2, rows = ?3, seal = ?4",
	[SQL_INSERT] = "INSERT INTO saved(" COLUMNS ") "
		"VALUES(?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13,?14,?15)",
	[SQL_GET] = "SELECT " COLUMNS " FROM saved WHERE id = ?1",
	[SQL_FIND] = "SELECT " COLUMNS " FROM saved WHERE hash = ?1",
	[SQL_NEXT] = "SELECT " COLUMNS " FROM saved WHERE id > ?1 ORDER BY id LIMIT 1",
	[SQL_USES] = "UPDATE saved SET uses = ?2, seal = ?3 WHERE id = ?1",
	[SQL_REVOKE] = "WITH RECURSIVE below(id) AS (SELECT ?1" BELOW,
	[SQL_REVOKE_ANCHOR] = "WITH RECURSIVE below(id) AS (SELECT id FROM saved "
		"WHERE parent = 0 AND door = ?1 AND "
		"(?2 IS NULL OR ?2 = CASE door WHEN '' THEN service ELSE name END)" BELOW,
	[SQL_COUNT] = "SELECT count(*) FROM saved WHERE maker >= ?1 AND maker < ?1 || '!'",
	[SQL_EXPIRE] = "DELETE FROM saved WHERE expires <= ?1",
};

int sql_errno(sqlite3 *sql, int result)
{
	switch (result & 0xff) {
	case SQLITE_OK:
	case SQLITE_ROW:
	case SQLITE_DONE:
		return 0;
	case SQLITE_NOMEM:
		return -ENOMEM;
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
	case SQLITE_FORMAT:
		return -EUCLEAN;
	case SQLITE_FULL:
		return -ENOSPC;
	case SQLITE_READONLY:
		return -EROFS;
	case SQLITE_PERM:
	case SQLITE_AUTH:
		return -EACCES;
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		return -EBUSY;
	case SQLITE_CONSTRAINT:
		return result == SQLITE_CONSTRAINT_UNIQUE ? -EEXIST : -EUCLEAN;
	case SQLITE_IOERR:
	case SQLITE_CANTOPEN:
		break;
	default:
		return -EIO;
	}
	if (result == SQLITE_IOERR_NOMEM)
		return -ENOMEM;
	/* SQLite's own word for a database that ends within a page. */
	if (result == SQLITE_IOERR_SHORT_READ)
		return -EUCLEAN;
	switch (sql ? sqlite3_system_errno(sql) : 0) {
	case ENOSPC:
	case EDQUOT:
		return -ENOSPC;
	case EROFS:
		return -EROFS;
	case EACCES:
	case EPERM:
		return -EACCES;
	}
	return -EIO;
}

int sql_step(struct database *db, enum database_statement which)
{
	int result = sqlite3_step(db->statements[which]);

	return result == SQLITE_ROW ? 1 : sql_errno(db->sql, result);
}

void sql_reset(struct database *db, enum database_statement which)
{
	/* It repeats the error of the last step, which was looked at. */
	(void)sqlite3_reset(db->statements[which]);
	(void)sqlite3_clear_bindings(db->statements[which]);
}

int sql_run(struct database *db, enum database_statement which)
{
	int r = sql_step(db, which);

	sql_reset(db, which);
	return r;
}

int sql_prepare(struct database *db)
{
	int result = SQLITE_OK;

	for (int i = 0; i < SQL_END && result == SQLITE_OK; i++)
		result = sqlite3_prepare_v3(db->sql, statements[i], -1, SQLITE_PREPARE_PERSISTENT,
					    &db->statements[i], NULL);
	return result;
}
