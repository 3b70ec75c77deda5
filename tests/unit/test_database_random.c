/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The sturdy references' database against a model: random trees, a disk that fails, and power
 * that goes away.
 */
#include <errno.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "harness.h"
#include "model.h"
#include "power.h"

static char dir[DIR_BYTES], path[DIR_BYTES + 16];

static void begin(void)
{
	dir_make(dir);
	snprintf(path, sizeof path, "%s/references", dir);
}

static struct model *model_new(void)
{
	struct model *model = calloc(1, sizeof *model);

	cr_assert_not_null(model);
	return model;
}

static struct database *model_again(const struct model *model, const char *file)
{
	struct database *db = model_open(file);
	uint64_t effective = 0;

	cr_assert_eq(database_clock(db, model->now_usec, &effective), 0);
	cr_assert_eq(effective, model->now_usec);
	return db;
}

TEST(database_random, does_what_the_model_does)
{
	for (unsigned int seed = 1; seed <= 3; seed++) {
		struct model *model = model_new();
		struct database *db;

		srand(seed);
		begin();
		db = model_open(path);
		for (int i = 0; i < 600; i++) {
			cr_assert_eq(model_step(model, db, true, 0), 0);
			if (i % 7 == 0)
				model_check(model, db);
			if (rand() % 40 == 0) {
				database_close(db);
				db = model_again(model, path);
			}
		}
		model_check(model, db);
		database_close(db);
		dir_remove(dir);
		free(model);
	}
}

/* ---- a disk that fails ---- */

static void disk_fails(void (*fail)(unsigned int nth, int result), int result, int error)
{
	for (unsigned int nth = 1; nth <= 12; nth++) {
		struct model *model = model_new();
		struct database *db;
		int failed = 0;

		srand(nth);
		begin();
		power_begin(dir);
		db = model_open(path);
		for (int i = 0; i < 40; i++)
			model_step(model, db, true, 0);
		fail(nth, result);
		for (int i = 0; i < 80; i++) {
			failed += model_step(model, db, true, error) == error;
			model_check(model, db);
		}
		cr_assert(nth > 1 || failed > 40, "%d", failed);
		cr_assert(nth > 8 || failed > 0);
		fail(0, 0);
		for (int i = 0; i < 40; i++)
			cr_assert_eq(model_step(model, db, true, 0), 0);
		database_close(db);
		power_end();
		db = model_again(model, path);
		model_check(model, db);
		database_close(db);
		dir_remove(dir);
		free(model);
	}
}

TEST(database_random, a_full_disk_changes_nothing)
{
	disk_fails(power_fail_writes, SQLITE_FULL, -ENOSPC);
}

TEST(database_random, a_read_only_disk_changes_nothing)
{
	disk_fails(power_fail_writes, SQLITE_READONLY, -EROFS);
}

TEST(database_random, a_broken_disk_changes_nothing)
{
	disk_fails(power_fail_writes, SQLITE_IOERR_WRITE, -EIO);
	disk_fails(power_fail_syncs, SQLITE_IOERR_FSYNC, -EIO);
}

TEST(database_random, is_not_half_made_on_a_full_disk)
{
	char message[256];
	int r = -ENOSPC;

	for (unsigned int nth = 1; r < 0; nth++) {
		struct database *db = NULL;

		cr_assert_lt(nth, 1000);
		begin();
		power_begin(dir);
		power_fail_writes(nth, SQLITE_FULL);
		r = database_open(path, &db, message, sizeof message);
		cr_assert(r == 0 || r == -ENOSPC, "%d: %s", r, message);
		cr_assert_eq(access(path, F_OK), r == 0 ? 0 : -1);
		cr_assert_eq(dir_entries(dir), r == 0 ? 4u : 2u, "nothing else is left: %u",
			     dir_entries(dir));
		database_close(db);
		power_end();
		dir_remove(dir);
	}
}

/* ---- power that goes away ---- */

#define STEPS 140

struct moments {
	size_t at[STEPS + 1];			/* when the step had returned */
	struct model after[STEPS + 1];
};

/* The files as they would be; they hold what had been done, or the next step too. */
static void power_check(const struct moments *m, size_t moment, unsigned int seed,
			const char *elsewhere)
{
	char file[DIR_BYTES + 16];
	struct database *db;
	const char *what = NULL;
	uint64_t effective;
	int step = 0;
	bool same;

	snprintf(file, sizeof file, "%s/references", elsewhere);
	power_fails_at(moment, seed, elsewhere);
	while (step < STEPS && m->at[step + 1] <= moment)
		step++;
	db = model_open(file);
	cr_assert_eq(database_clock(db, m->after[step].now_usec, &effective), 0);
	same = model_same(&m->after[step], db, &what);
	if (!same && step < STEPS) {
		cr_assert_eq(database_clock(db, m->after[step + 1].now_usec, &effective), 0);
		same = model_same(&m->after[step + 1], db, NULL);
	}
	cr_assert(same, "power fails at %zu, in step %d, seed %u: %s", moment, step, seed, what);
	database_close(db);
}

static void power_goes_away(unsigned int seed, unsigned int torn)
{
	struct moments *m = calloc(1, sizeof *m);
	char elsewhere[DIR_BYTES];
	struct database *db;

	cr_assert_not_null(m);
	begin();
	dir_make(elsewhere);
	srand(seed);
	database_close(model_open(path));
	power_begin(dir);
	db = model_open(path);
	m->at[0] = power_moment();
	for (int i = 1; i <= STEPS; i++) {
		m->after[i] = m->after[i - 1];
		if (rand() % 50 == 0) {
			database_close(db);
			db = model_again(&m->after[i], path);
		} else {
			cr_assert_eq(model_step(&m->after[i], db, true, 0), 0);
		}
		m->at[i] = power_moment();
	}
	database_close(db);
	power_stop();
	cr_assert_gt(power_moment(), 3 * STEPS);
	for (size_t moment = m->at[0]; moment <= power_moment(); moment++)
		power_check(m, moment, torn ? torn * 100000 + (unsigned int)moment : 0,
			    elsewhere);
	power_end();
	dir_remove(elsewhere);
	dir_remove(dir);
	free(m);
}

TEST(database_random, survives_a_power_cut_at_every_moment)
{
	power_goes_away(1, 0);
	power_goes_away(2, 0);
}

TEST(database_random, survives_a_power_cut_that_left_some_of_the_rest)
{
	for (unsigned int torn = 1; torn <= 4; torn++)
		power_goes_away(torn, torn);
}

TEST(database_random, is_made_whole_whenever_power_goes_away)
{
	char elsewhere[DIR_BYTES], file[DIR_BYTES + 16];
	struct model *model = model_new();
	size_t moments, tried = 0;

	begin();
	power_begin(dir);
	database_close(model_open(path));
	power_stop();
	moments = power_moment();
	for (size_t moment = 0; moment <= moments; moment++)
		for (unsigned int seed = 0; seed < 4; seed++) {
			struct database *db;

			/* It gets its name when all of it is on the disk. */
			if (moment > 0 &&
			    strncmp(power_file(moment - 1), "references.new", 14) != 0)
				continue;
			dir_make(elsewhere);
			power_fails_at(moment, seed, elsewhere);
			snprintf(file, sizeof file, "%s/references", elsewhere);
			db = model_open(file);
			model_check(model, db);
			database_close(db);
			dir_remove(elsewhere);
			tried++;
		}
	cr_assert_gt(tried, 40, "%zu", tried);
	power_end();
	dir_remove(dir);
	free(model);
}
