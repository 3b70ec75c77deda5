/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The sturdy references' database when its file was changed by something else: what is given
 * out is what was saved, or nothing, and the file stays as it was found.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "harness.h"
#include "model.h"
#include "power.h"

#define PAGE_BYTES 4096u
#define HEADER_BYTES 100u

static char dir[DIR_BYTES], path[DIR_BYTES + 16];
static struct model model;
static uint8_t *good;
static size_t good_len;

static void put_file(const uint8_t *bytes, size_t len)
{
	/* Not emptied first, after which some file systems wait for the disk. */
	int fd = MUST(open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));

	cr_assert_eq(pwrite(fd, bytes, len, 0), (ssize_t)len);
	MUST(ftruncate(fd, (off_t)len));
	close(fd);
}

static uint8_t *get_file(size_t *ret_len)
{
	int fd = MUST(open(path, O_RDONLY | O_CLOEXEC));
	uint8_t *bytes = (uint8_t *)fd_read(fd, ret_len);

	close(fd);
	return bytes;
}

/* A database that has had some life. */
static void begin(void)
{
	struct database *db;

	dir_make(dir);
	snprintf(path, sizeof path, "%s/references", dir);
	power_begin(dir);
	power_stop();
	memset(&model, 0, sizeof model);
	srand(3);
	db = model_open(path);
	for (int i = 0; i < 200; i++)
		model_step(&model, db, false, 0);
	model_check(&model, db);
	database_close(db);
	good = get_file(&good_len);
	cr_assert_gt(good_len, 6 * PAGE_BYTES);
}

static void end(void)
{
	free(good);
	power_end();
	dir_remove(dir);
}

/* Whether it was refused, as it must be unless everything can be had that was saved. */
static bool refused(const uint8_t *bytes, size_t len, const char *why, size_t where)
{
	struct database *db = NULL;
	char message[512] = "";
	const char *what = NULL;
	uint8_t *found;
	size_t found_len;
	int r;

	put_file(bytes, len);
	r = database_open(path, &db, message, sizeof message);
	if (r == 0) {
		cr_assert(model_same(&model, db, &what), "%s at %zu: %s", why, where, what);
		database_close(db);
		return false;
	}
	cr_assert_eq(r, -EUCLEAN, "%s at %zu: %d: %s", why, where, r, message);
	cr_assert_eq(strncmp(message, path, strlen(path)), 0, "%s", message);
	cr_assert_gt(strlen(message), strlen(path) + 8, "%s", message);
	found = get_file(&found_len);
	cr_assert(found_len == len && memcmp(found, bytes, len) == 0, "%s at %zu", why, where);
	free(found);
	return true;
}

TEST(database_damage, of_the_header)
{
	size_t n = 0;

	begin();
	for (size_t bit = 0; bit < (size_t)HEADER_BYTES * 8; bit++) {
		good[bit / 8] ^= (uint8_t)(1u << bit % 8);
		n += refused(good, good_len, "bit", bit);
		good[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
	cr_assert_gt(n, 300);
	cr_assert_not(refused(good, good_len, "nothing", 0));
	end();
}

TEST(database_damage, of_any_page)
{
	size_t n = 0;

	begin();
	for (size_t at = HEADER_BYTES; at < good_len; at += 11) {
		uint8_t was = good[at];

		good[at] ^= (uint8_t)(1 + rand() % 255);
		n += refused(good, good_len, "byte", at);
		good[at] = was;
	}
	cr_assert_gt(n, 200);
	end();
}

TEST(database_damage, of_whole_pages)
{
	begin();
	for (size_t at = 0; at < good_len; at += PAGE_BYTES) {
		uint8_t was[PAGE_BYTES];

		memcpy(was, good + at, PAGE_BYTES);
		memset(good + at, 0, PAGE_BYTES);
		refused(good, good_len, "a page of zeros", at);
		for (size_t other = 0; other < good_len; other += PAGE_BYTES) {
			memcpy(good + at, other == at ? was : good + other, PAGE_BYTES);
			cr_assert_eq(refused(good, good_len, "a page's copy", at), other != at);
		}
		memcpy(good + at, was, PAGE_BYTES);
	}
	end();
}

TEST(database_damage, of_its_end)
{
	begin();
	for (size_t len = 0; len < good_len; len += len % PAGE_BYTES == 0 ? 1 : 511)
		cr_assert(refused(good, len, "cut", len));
	end();
}

/* What was changed while it is open shows no later than when it is read. */
TEST(database_damage, while_it_is_open)
{
	struct saved saved;
	struct database *db;
	uint8_t *byte;
	int r;

	begin();
	byte = memmem(good, good_len, "llllllll", 8);
	cr_assert_not_null(byte);
	db = model_open(path);
	database_close(db);
	*byte = 'x';
	cr_assert(refused(good, good_len, "a label", (size_t)(byte - good)));
	*byte = 'l';
	put_file(good, good_len);
	db = model_open(path);
	*byte = 'x';
	/* The cache may hide it; wrong it may not be. */
	put_file(good, good_len);
	for (size_t i = 0; i < MODEL_ROWS; i++) {
		r = database_get(db, model.rows[i].saved.id, &saved);
		cr_assert(r == 0 || r == -ENOENT || r == -EUCLEAN);
		cr_assert(r != 0 || !strchr(saved.label, 'x'));
	}
	database_close(db);
	end();
}

TEST(database_damage, is_no_reason_to_write_where_nothing_may_be_written)
{
	struct database *db = NULL;
	char message[512] = "";
	int r;

	NEED(geteuid() != 0, "root may write everywhere");
	begin();
	MUST(chmod(path, 0400));
	r = database_open(path, &db, message, sizeof message);
	cr_assert_eq(r, -EACCES, "%d: %s", r, message);
	MUST(chmod(path, 0600));
	MUST(unlink(path));
	MUST(chmod(dir, 0500));
	r = database_open(path, &db, message, sizeof message);
	cr_assert_eq(r, -EACCES, "%d: %s", r, message);
	MUST(chmod(dir, 0700));
	end();
}
