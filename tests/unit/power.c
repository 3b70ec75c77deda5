/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The disk of power.h: the real VFS's files, of which a few methods are replaced. Those of
 * version 1 alone are left, without shared memory: enough for a database that is held
 * exclusively.
 */
#include "power.h"

#include <dirent.h>
#include <sqlite3.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "harness.h"

#define NAMES_MAX 8u
#define NAME_BYTES 64u
#define SECTOR_BYTES 512
#define IMAGE_BYTES_MAX (4u << 20)

enum what { WRITE, TRUNCATE, SYNC, DELETE, DELETE_SYNCED };

struct op {
	enum what what;
	size_t file, at, len;	/* TRUNCATE: to len */
	uint8_t *bytes;
};

struct image {
	bool exists;
	size_t len;
	uint8_t *bytes;
};

static struct {
	sqlite3_vfs vfs, *real;
	/* Not all files have the same. */
	const sqlite3_io_methods *real_methods[NAMES_MAX];
	sqlite3_io_methods methods[NAMES_MAX];
	char names[NAMES_MAX][NAME_BYTES];
	struct image first[NAMES_MAX];
	bool stopped;
	size_t files, n, room;
	struct op *ops;
	struct failure { unsigned int nth, count; int result; } writes, syncs;
} power;

static size_t file_of(const char *path)
{
	const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
	size_t i;

	for (i = 0; i < power.files; i++)
		if (strcmp(power.names[i], name) == 0)
			return i;
	if (i == NAMES_MAX || strlen(name) >= NAME_BYTES)
		harness_fail("too many files, or too long a name: %s", name);
	strcpy(power.names[power.files++], name);
	return i;
}

static void note(enum what what, size_t file, size_t at, const void *bytes, size_t len)
{
	struct op *op;

	if (power.stopped)
		return;
	if (power.n == power.room) {
		power.room = power.room ? power.room * 2 : 256;
		power.ops = reallocarray(power.ops, power.room, sizeof *power.ops);
	}
	op = &power.ops[power.n++];
	*op = (struct op){ what, file, at, len, bytes ? malloc(len) : NULL };
	if (bytes)
		memcpy(op->bytes, bytes, len);
}

/* ---- the methods ---- */

/* Kept behind the real VFS's own. */
static size_t *number(sqlite3_file *file)
{
	return (size_t *)((char *)file + power.real->szOsFile);
}

static bool fails(struct failure *f)
{
	return f->nth && ++f->count % f->nth == 0;
}

static int power_write(sqlite3_file *file, const void *bytes, int n, sqlite3_int64 at)
{
	int result;

	if (fails(&power.writes))
		return power.writes.result;
	result = power.real_methods[*number(file)]->xWrite(file, bytes, n, at);
	if (result == SQLITE_OK)
		note(WRITE, *number(file), (size_t)at, bytes, (size_t)n);
	return result;
}

static int power_truncate(sqlite3_file *file, sqlite3_int64 size)
{
	int result;

	if (fails(&power.writes))
		return power.writes.result;
	result = power.real_methods[*number(file)]->xTruncate(file, size);
	if (result == SQLITE_OK)
		note(TRUNCATE, *number(file), 0, NULL, (size_t)size);
	return result;
}

static int power_sync(sqlite3_file *file, int flags)
{
	(void)flags;
	if (fails(&power.syncs))
		return power.syncs.result;
	note(SYNC, *number(file), 0, NULL, 0);
	return SQLITE_OK;
}

static int power_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *file, int flags,
		      int *ret_flags)
{
	int result = power.real->xOpen(power.real, name, file, flags, ret_flags);
	size_t n;

	(void)vfs;
	if (result != SQLITE_OK)
		return result;
	n = *number(file) = file_of(name ? name : "temporary");
	power.real_methods[n] = file->pMethods;
	power.methods[n] = *file->pMethods;
	power.methods[n].iVersion = 1;
	power.methods[n].xWrite = power_write;
	power.methods[n].xTruncate = power_truncate;
	power.methods[n].xSync = power_sync;
	file->pMethods = &power.methods[n];
	return SQLITE_OK;
}

static int power_delete(sqlite3_vfs *vfs, const char *name, int sync)
{
	int result = power.real->xDelete(power.real, name, sync);

	(void)vfs;
	if (result == SQLITE_OK)
		note(sync ? DELETE_SYNCED : DELETE, file_of(name), 0, NULL, 0);
	return result;
}

/* ---- from outside ---- */

void power_begin(const char *dir)
{
	char path[512];
	struct dirent *entry;
	DIR *d = opendir(dir);

	cr_assert_not_null(d);
	memset(&power, 0, sizeof power);
	while ((entry = readdir(d))) {
		struct image image = { .exists = true };
		FILE *f;

		if (entry->d_name[0] == '.')
			continue;
		snprintf(path, sizeof path, "%s/%s", dir, entry->d_name);
		f = fopen(path, "re");
		cr_assert_not_null(f);
		image.bytes = (uint8_t *)fd_read(fileno(f), &image.len);
		fclose(f);
		power.first[file_of(path)] = image;
	}
	closedir(d);

	power.real = sqlite3_vfs_find(NULL);
	power.vfs = *power.real;
	power.vfs.zName = "power";
	power.vfs.szOsFile = power.real->szOsFile + (int)sizeof(size_t);
	power.vfs.xOpen = power_open;
	power.vfs.xDelete = power_delete;
	cr_assert_eq(sqlite3_vfs_register(&power.vfs, 1), SQLITE_OK);
}

void power_stop(void)
{
	power.stopped = true;
}

void power_end(void)
{
	sqlite3_vfs_unregister(&power.vfs);
	sqlite3_vfs_register(power.real, 1);
	for (size_t i = 0; i < power.n; i++)
		free(power.ops[i].bytes);
	for (size_t i = 0; i < power.files; i++)
		free(power.first[i].bytes);
	free(power.ops);
	memset(&power, 0, sizeof power);
}

size_t power_moment(void)
{
	return power.n;
}

const char *power_file(size_t i)
{
	return power.names[power.ops[i].file];
}

void power_fail_writes(unsigned int nth, int result)
{
	power.writes = (struct failure){ .nth = nth, .result = result };
}

void power_fail_syncs(unsigned int nth, int result)
{
	power.syncs = (struct failure){ .nth = nth, .result = result };
}

static void image_resize(struct image *image, size_t len)
{
	if (len > image->len) {
		cr_assert_leq(len, IMAGE_BYTES_MAX);
		memset(image->bytes + image->len, 0, len - image->len);
	}
	image->len = len;
}

static void image_apply(struct image *image, const struct op *op, size_t len)
{
	if (op->what == DELETE || op->what == DELETE_SYNCED) {
		image->exists = false;
		image->len = 0;
		return;
	}
	image->exists = true;
	if (op->what == TRUNCATE)
		image_resize(image, op->len);
	if (op->what != WRITE || len == 0)
		return;
	if (op->at + len > image->len)
		image_resize(image, op->at + len);
	memcpy(image->bytes + op->at, op->bytes, len);
}

/* A file's fate. Behind a deletion that did not reach the disk, nothing of the next file of
 * that name did. */
static void image_make(struct image *image, size_t file, size_t moment, unsigned int *seed)
{
	size_t certain = 0;

	for (size_t i = 0; i < moment; i++)
		if (power.ops[i].file == file &&
		    (power.ops[i].what == SYNC || power.ops[i].what == DELETE_SYNCED))
			certain = i + 1;
	for (size_t i = 0; i < moment; i++) {
		const struct op *op = &power.ops[i];
		size_t len = op->len;

		if (op->file != file)
			continue;
		if (i >= certain) {
			int fate = *seed ? rand_r(seed) % 4 : 0;

			if (fate < 2 && op->what == DELETE)
				return;
			if (fate < 2)
				continue;
			if (fate == 2 && op->what == WRITE)
				len = (size_t)rand_r(seed) % (len / SECTOR_BYTES + 1) *
				      SECTOR_BYTES;
		}
		image_apply(image, op, len);
	}
}

void power_fails_at(size_t moment, unsigned int seed, const char *dir)
{
	static uint8_t bytes[IMAGE_BYTES_MAX];
	char path[512];

	for (size_t file = 0; file < power.files; file++) {
		const struct image *first = &power.first[file];
		struct image image = { first->exists, first->len, bytes };

		if (first->len)
			memcpy(bytes, first->bytes, first->len);
		image_make(&image, file, moment, &seed);
		snprintf(path, sizeof path, "%s/%s", dir, power.names[file]);
		unlink(path);
		if (image.exists) {
			FILE *f = fopen(path, "we");

			cr_assert(f && fwrite(image.bytes, 1, image.len, f) == image.len);
			fclose(f);
		}
	}
}
