/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The calls of database.h. Each that changes something is one transaction, which also changes
 * meta; db->meta follows when the transaction is on the disk.
 */
#include "database.h"

#include <errno.h>
#include <sodium.h>
#include <string.h>

#include "database_inner.h"

#define MARK_EVERY_USEC UINT64_C(10000000)

/* End the transaction that SQL_BEGIN began: kept when r is 0, else undone. */
static int transaction_end(struct database *db, int r)
{
	if (r == 0)
		r = sql_run(db, SQL_COMMIT);
	/* Some failures have rolled it back already. */
	if (r < 0 && !sqlite3_get_autocommit(db->sql))
		(void)sql_run(db, SQL_ROLLBACK);
	return r;
}

/* The same, of one that leaves meta behind, and as many rows fewer as were deleted last. */
static int transaction_end_meta(struct database *db, int r, struct database_meta *meta)
{
	if (r == 0)
		r = meta_write(db, meta);
	r = transaction_end(db, r);
	if (r == 0)
		db->meta = *meta;
	return r;
}

static int delete_rows(struct database *db, enum database_statement which,
		       struct database_meta *meta)
{
	int r = sql_run(db, which);

	if (r == 0)
		meta->rows -= (uint64_t)sqlite3_changes(db->sql);
	return r;
}

/* The row of a bound SQL_GET, SQL_FIND or SQL_NEXT. */
static int row_take(struct database *db, enum database_statement which,
		    struct database_row *ret)
{
	int r = sql_step(db, which);

	if (r > 0)
		r = row_read(db, which, ret);
	else if (r == 0)
		r = -ENOENT;
	sql_reset(db, which);
	return r;
}

/* Keep the time, and delete what has expired by it: children never outlive their parents, so
 * that no child is left behind. */
static int mark_store(struct database *db)
{
	struct database_meta meta = db->meta;
	int r = sql_run(db, SQL_BEGIN);

	if (r < 0)
		return r;
	meta.mark_usec = db->now_usec;
	sqlite3_bind_int64(db->statements[SQL_EXPIRE], 1, (sqlite3_int64)meta.mark_usec);
	r = delete_rows(db, SQL_EXPIRE, &meta);
	return transaction_end_meta(db, r, &meta);
}

/* What was seen to have expired stays so, whatever happens to the clock and to this process. */
static bool expired(struct database *db, const struct saved *saved)
{
	if (saved->expires_usec > db->now_usec)
		return false;
	if (saved->expires_usec > db->meta.mark_usec)
		(void)mark_store(db);
	return true;
}

/* Not within a transaction. */
static int row_get(struct database *db, uint64_t id, struct database_row *ret)
{
	struct database_row row;
	int r;

	sqlite3_bind_int64(db->statements[SQL_GET], 1, (sqlite3_int64)id);
	r = row_take(db, SQL_GET, &row);
	if (r == 0 && expired(db, &row.saved))
		r = -ENOENT;
	if (r == 0)
		*ret = row;
	return r;
}

static void hash_swiss(const struct database *db, const uint8_t *swiss,
		       uint8_t ret[static DATABASE_HASH_BYTES])
{
	crypto_generichash(ret, DATABASE_HASH_BYTES, swiss, SAVED_SWISS_BYTES, db->hash_key,
			   sizeof db->hash_key);
}

#define ENDED(s) (memchr((s), '\0', sizeof(s)) != NULL)

static bool saved_ok(const struct saved *saved)
{
	return ENDED(saved->door) && ENDED(saved->name) && ENDED(saved->service) &&
	       ENDED(saved->owner) && ENDED(saved->label) && ENDED(saved->maker) &&
	       (saved->parent != 0 || saved->door[0] == '\0' || saved->name[0] != '\0') &&
	       (saved->parent != 0 || saved->door[0] != '\0' || saved->service[0] != '\0');
}

int database_save(struct database *db, const struct saved *saved, const uint8_t *swiss,
		  uint64_t *ret_id)
{
	struct database_row row = { .saved = *saved }, parent;
	struct database_meta meta;
	int r;

	if (!saved_ok(saved))
		return -EINVAL;
	row.has_hash = swiss != NULL;
	if (swiss)
		hash_swiss(db, swiss, row.hash);

	if (saved->parent != 0) {
		r = row_get(db, saved->parent, &parent);
		if (r < 0)
			return r;
		if (parent.saved.expires_usec < row.saved.expires_usec)
			row.saved.expires_usec = parent.saved.expires_usec;
	}
	r = sql_run(db, SQL_BEGIN);
	if (r < 0)
		return r;
	meta = db->meta;
	meta.mark_usec = db->now_usec;
	meta.rows++;
	row.saved.id = ++meta.last;
	r = row_insert(db, &row);
	r = transaction_end_meta(db, r, &meta);
	if (r == 0)
		*ret_id = row.saved.id;
	return r;
}

int database_find(struct database *db, const uint8_t swiss[static SAVED_SWISS_BYTES],
		  struct saved *ret)
{
	uint8_t hash[DATABASE_HASH_BYTES];
	struct database_row row;
	int r;

	hash_swiss(db, swiss, hash);
	sqlite3_bind_blob(db->statements[SQL_FIND], 1, hash, sizeof hash, SQLITE_STATIC);
	r = row_take(db, SQL_FIND, &row);
	if (r == 0 && expired(db, &row.saved))
		r = -ENOENT;
	if (r == 0)
		*ret = row.saved;
	return r;
}

int database_get(struct database *db, uint64_t id, struct saved *ret)
{
	struct database_row row;
	int r = row_get(db, id, &row);

	if (r == 0)
		*ret = row.saved;
	return r;
}

int database_reserve(struct database *db, uint64_t id, uint32_t wanted, uint32_t *ret_granted)
{
	struct database_row row;
	uint32_t granted = wanted;
	int r = row_get(db, id, &row);

	if (r < 0)
		return r;
	if (row.saved.uses != SAVED_UNLIMITED) {
		if (granted > row.saved.uses)
			granted = row.saved.uses;
		row.saved.uses -= granted;
		if (granted > 0)
			r = row_update_uses(db, &row);
	}
	if (r == 0)
		*ret_granted = granted;
	return r;
}

int database_return(struct database *db, uint64_t id, uint32_t uses)
{
	struct database_row row;
	int r = row_get(db, id, &row);

	if (r < 0 || row.saved.uses == SAVED_UNLIMITED)
		return r;
	if (uses >= SAVED_UNLIMITED - row.saved.uses)
		return -EINVAL;
	row.saved.uses += uses;
	return row_update_uses(db, &row);
}

int database_revoke(struct database *db, uint64_t id)
{
	struct database_meta meta;
	struct database_row row;
	int r = row_get(db, id, &row);

	if (r == 0)
		r = sql_run(db, SQL_BEGIN);
	if (r < 0)
		return r;
	meta = db->meta;
	sqlite3_bind_int64(db->statements[SQL_REVOKE], 1, (sqlite3_int64)id);
	r = delete_rows(db, SQL_REVOKE, &meta);
	return transaction_end_meta(db, r, &meta);
}

int database_revoke_anchor(struct database *db, const char *door, const char *name)
{
	sqlite3_stmt *s = db->statements[SQL_REVOKE_ANCHOR];
	struct database_meta meta = db->meta;
	int r = sql_run(db, SQL_BEGIN);

	if (r < 0)
		return r;
	sqlite3_bind_text(s, 1, door, -1, SQLITE_STATIC);
	if (name)
		sqlite3_bind_text(s, 2, name, -1, SQLITE_STATIC);
	r = delete_rows(db, SQL_REVOKE_ANCHOR, &meta);
	return transaction_end_meta(db, r, &meta);
}

int database_count(struct database *db, const char *maker, uint64_t *ret)
{
	sqlite3_stmt *s = db->statements[SQL_COUNT];
	int r;

	sqlite3_bind_text(s, 1, maker, -1, SQLITE_STATIC);
	r = sql_step(db, SQL_COUNT);
	if (r > 0)
		*ret = (uint64_t)sqlite3_column_int64(s, 0);
	sql_reset(db, SQL_COUNT);
	return r < 0 ? r : 0;
}

int database_walk(struct database *db,
		  int (*function)(const struct saved *saved, void *arg), void *arg)
{
	struct database_row row = { 0 };

	for (;;) {
		int r;

		sqlite3_bind_int64(db->statements[SQL_NEXT], 1, (sqlite3_int64)row.saved.id);
		r = row_take(db, SQL_NEXT, &row);
		if (r == -ENOENT)
			return 0;
		if (r == 0 && !expired(db, &row.saved))
			r = function(&row.saved, arg);
		if (r != 0)
			return r;
	}
}

int database_clock(struct database *db, uint64_t now_usec, uint64_t *ret_usec)
{
	int r = 0;

	/* So that what never expires does not. */
	if (now_usec >= INT64_MAX)
		now_usec = INT64_MAX - 1;
	if (now_usec > db->now_usec)
		db->now_usec = now_usec;
	if (db->now_usec - db->meta.mark_usec >= MARK_EVERY_USEC)
		r = mark_store(db);
	if (r == 0)
		*ret_usec = db->now_usec;
	return r;
}
