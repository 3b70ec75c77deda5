/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rows of the database: bound, read, and sealed.
 */
#include "database_inner.h"

#include <endian.h>
#include <errno.h>
#include <sodium.h>
#include <string.h>

/* ---- seals ---- */

static void seal_number(crypto_generichash_state *state, uint64_t number)
{
	uint64_t bytes = htole64(number);

	crypto_generichash_update(state, (const uint8_t *)&bytes, sizeof bytes);
}

static void seal_string(crypto_generichash_state *state, const char *s)
{
	seal_number(state, strlen(s));
	crypto_generichash_update(state, (const uint8_t *)s, strlen(s));
}

static uint64_t expiry_stored(uint64_t expires_usec)
{
	return expires_usec < INT64_MAX ? expires_usec : INT64_MAX;
}

static void row_seal(const struct database *db, const struct database_row *row,
		     uint8_t ret[static DATABASE_SEAL_BYTES])
{
	const struct saved *saved = &row->saved;
	crypto_generichash_state state;

	crypto_generichash_init(&state, db->seal_key, sizeof db->seal_key,
				DATABASE_SEAL_BYTES);
	seal_string(&state, "saved");
	seal_number(&state, saved->id);
	seal_number(&state, saved->parent);
	seal_string(&state, saved->door);
	seal_string(&state, saved->name);
	seal_string(&state, saved->service);
	seal_number(&state, saved->rights);
	seal_number(&state, saved->uses);
	seal_number(&state, saved->sessions);
	seal_number(&state, saved->leash);
	seal_number(&state, expiry_stored(saved->expires_usec));
	seal_string(&state, saved->owner);
	seal_string(&state, saved->label);
	seal_string(&state, saved->maker);
	seal_number(&state, row->has_hash);
	if (row->has_hash)
		crypto_generichash_update(&state, row->hash, sizeof row->hash);
	crypto_generichash_final(&state, ret, DATABASE_SEAL_BYTES);
}

void meta_seal(const struct database *db, const struct database_meta *meta,
	       uint8_t ret[static DATABASE_SEAL_BYTES])
{
	crypto_generichash_state state;

	crypto_generichash_init(&state, db->seal_key, sizeof db->seal_key,
				DATABASE_SEAL_BYTES);
	seal_string(&state, "meta");
	seal_number(&state, meta->mark_usec);
	seal_number(&state, meta->last);
	seal_number(&state, meta->rows);
	crypto_generichash_final(&state, ret, DATABASE_SEAL_BYTES);
}

void database_keys(struct database *db, const uint8_t key[static DATABASE_KEY_BYTES])
{
	crypto_kdf_derive_from_key(db->hash_key, sizeof db->hash_key, 1, "intro-db", key);
	crypto_kdf_derive_from_key(db->seal_key, sizeof db->seal_key, 2, "intro-db", key);
}

/* ---- reading ---- */

static bool read_bytes(sqlite3_stmt *s, int column, uint8_t *ret, size_t n)
{
	if (sqlite3_column_type(s, column) != SQLITE_BLOB ||
	    (size_t)sqlite3_column_bytes(s, column) != n)
		return false;
	memcpy(ret, sqlite3_column_blob(s, column), n);
	return true;
}

static bool read_string(sqlite3_stmt *s, int column, char *ret, size_t size)
{
	const char *text = (const char *)sqlite3_column_text(s, column);
	size_t len = (size_t)sqlite3_column_bytes(s, column);

	if (!text || len >= size || strlen(text) != len)
		return false;
	memcpy(ret, text, len + 1);
	return true;
}

static uint64_t read_number(sqlite3_stmt *s, int column)
{
	return (uint64_t)sqlite3_column_int64(s, column);
}

int row_read(struct database *db, enum database_statement which, struct database_row *ret)
{
	sqlite3_stmt *s = db->statements[which];
	uint8_t seal[DATABASE_SEAL_BYTES], wanted[DATABASE_SEAL_BYTES];
	struct database_row row = { 0 };
	struct saved *saved = &row.saved;

	saved->id = read_number(s, 0);
	saved->parent = read_number(s, 1);
	saved->rights = (uint32_t)read_number(s, 5);
	saved->uses = (uint32_t)read_number(s, 6);
	saved->sessions = (uint32_t)read_number(s, 7);
	saved->leash = read_number(s, 8) != 0;
	saved->expires_usec = read_number(s, 9);
	row.has_hash = sqlite3_column_type(s, 13) != SQLITE_NULL;
	if (saved->expires_usec > INT64_MAX ||
	    !read_string(s, 2, saved->door, sizeof saved->door) ||
	    !read_string(s, 3, saved->name, sizeof saved->name) ||
	    !read_string(s, 4, saved->service, sizeof saved->service) ||
	    !read_string(s, 10, saved->owner, sizeof saved->owner) ||
	    !read_string(s, 11, saved->label, sizeof saved->label) ||
	    !read_string(s, 12, saved->maker, sizeof saved->maker) ||
	    (row.has_hash && !read_bytes(s, 13, row.hash, sizeof row.hash)) ||
	    !read_bytes(s, 14, seal, sizeof seal))
		return -EUCLEAN;
	row_seal(db, &row, wanted);
	if (sodium_memcmp(seal, wanted, sizeof seal) != 0)
		return -EUCLEAN;
	if (saved->expires_usec == INT64_MAX)
		saved->expires_usec = SAVED_NEVER;
	*ret = row;
	return 0;
}

int meta_read(struct database *db)
{
	sqlite3_stmt *s = db->statements[SQL_META];
	uint8_t key[DATABASE_KEY_BYTES] = { 0 };
	uint8_t seal[DATABASE_SEAL_BYTES], wanted[DATABASE_SEAL_BYTES];
	struct database_meta meta;
	int r = sql_step(db, SQL_META);

	if (r == 0 || (r > 0 && (!read_bytes(s, 0, key, sizeof key) ||
				 !read_bytes(s, 4, seal, sizeof seal))))
		r = -EUCLEAN;
	if (r > 0) {
		meta = (struct database_meta){ read_number(s, 1), read_number(s, 2),
					       read_number(s, 3) };
		database_keys(db, key);
		meta_seal(db, &meta, wanted);
		r = sodium_memcmp(seal, wanted, sizeof seal) == 0 ? 0 : -EUCLEAN;
		if (r == 0)
			db->meta = meta;
	}
	sodium_memzero(key, sizeof key);
	sql_reset(db, SQL_META);
	return r;
}

/* ---- writing; SQLite reads what is bound before sql_run() returns ---- */

/* Without memory nothing is bound: what must be there is then refused as NULL. */
static void bind_number(sqlite3_stmt *s, int at, uint64_t number)
{
	(void)sqlite3_bind_int64(s, at, (sqlite3_int64)number);
}

static void bind_string(sqlite3_stmt *s, int at, const char *text)
{
	(void)sqlite3_bind_text(s, at, text, -1, SQLITE_STATIC);
}

static void bind_bytes(sqlite3_stmt *s, int at, const void *bytes, size_t n)
{
	(void)sqlite3_bind_blob(s, at, bytes, (int)n, SQLITE_STATIC);
}

int row_insert(struct database *db, const struct database_row *row)
{
	const struct saved *saved = &row->saved;
	sqlite3_stmt *s = db->statements[SQL_INSERT];
	uint8_t seal[DATABASE_SEAL_BYTES];

	row_seal(db, row, seal);
	bind_number(s, 1, saved->id);
	bind_number(s, 2, saved->parent);
	bind_string(s, 3, saved->door);
	bind_string(s, 4, saved->name);
	bind_string(s, 5, saved->service);
	bind_number(s, 6, saved->rights);
	bind_number(s, 7, saved->uses);
	bind_number(s, 8, saved->sessions);
	bind_number(s, 9, saved->leash);
	bind_number(s, 10, expiry_stored(saved->expires_usec));
	bind_string(s, 11, saved->owner);
	bind_string(s, 12, saved->label);
	bind_string(s, 13, saved->maker);
	if (row->has_hash)
		bind_bytes(s, 14, row->hash, sizeof row->hash);
	bind_bytes(s, 15, seal, sizeof seal);
	return sql_run(db, SQL_INSERT);
}

int row_update_uses(struct database *db, const struct database_row *row)
{
	sqlite3_stmt *s = db->statements[SQL_USES];
	uint8_t seal[DATABASE_SEAL_BYTES];

	row_seal(db, row, seal);
	bind_number(s, 1, row->saved.id);
	bind_number(s, 2, row->saved.uses);
	bind_bytes(s, 3, seal, sizeof seal);
	return sql_run(db, SQL_USES);
}

int meta_write(struct database *db, const struct database_meta *meta)
{
	sqlite3_stmt *s = db->statements[SQL_META_WRITE];
	uint8_t seal[DATABASE_SEAL_BYTES];

	meta_seal(db, meta, seal);
	bind_number(s, 1, meta->mark_usec);
	bind_number(s, 2, meta->last);
	bind_number(s, 3, meta->rows);
	bind_bytes(s, 4, seal, sizeof seal);
	return sql_run(db, SQL_META_WRITE);
}
