/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The model of model.h.
 */
#include "model.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness.h"

struct database *model_open(const char *path)
{
	char message[256] = "";
	struct database *db = NULL;
	int r = database_open(path, &db, message, sizeof message);

	cr_assert_eq(r, 0, "%s: %d: %s", path, r, message);
	return db;
}

static bool live(const struct model *model, const struct model_row *row)
{
	return row->saved.id != 0 && row->saved.expires_usec > model->now_usec;
}

static struct model_row *find(struct model *model, uint64_t id)
{
	for (size_t i = 0; i < MODEL_ROWS; i++)
		if (model->rows[i].saved.id == id && live(model, &model->rows[i]))
			return &model->rows[i];
	return NULL;
}

/* Mostly one that is there. */
static uint64_t some_id(struct model *model)
{
	struct model_row *row = &model->rows[rand() % (int)MODEL_ROWS];

	return rand() % 8 ? row->saved.id : (uint64_t)rand() % (model->last + 2);
}

/* ---- the calls ---- */

static void random_saved(struct model *model, struct saved *saved)
{
	memset(saved, 0, sizeof *saved);
	saved->parent = rand() % 3 ? some_id(model) : 0;
	if (saved->parent == 0 && rand() % 3)
		snprintf(saved->door, sizeof saved->door, "door%d", rand() % 3);
	if (saved->door[0])
		snprintf(saved->name, sizeof saved->name, "name%d", rand() % 3);
	snprintf(saved->service, sizeof saved->service, "service%d", rand() % 3);
	saved->rights = (uint32_t)rand();
	saved->uses = rand() % 3 ? (uint32_t)rand() % 20 : SAVED_UNLIMITED;
	saved->sessions = rand() % 2 ? (uint32_t)rand() % 9 : SAVED_UNLIMITED;
	saved->leash = rand() % 2;
	saved->expires_usec = rand() % 3 ? SAVED_NEVER :
		model->now_usec + (uint64_t)(rand() % 90) * MODEL_USEC;
	memset(saved->owner, 'o', (size_t)rand() % sizeof saved->owner);
	memset(saved->label, 'l', (size_t)rand() % sizeof saved->label);
	memset(saved->maker, 'm', (size_t)rand() % sizeof saved->maker);
}

static int step_save(struct model *model, struct database *db, int error)
{
	struct model_row row = { 0 }, *parent = NULL, *place = NULL;
	uint64_t id = 0;
	int r;

	for (size_t i = 0; i < MODEL_ROWS && !place; i++)
		if (!live(model, &model->rows[i]))
			place = &model->rows[i];
	if (!place)
		return 0;
	random_saved(model, &row.saved);
	row.has_swiss = rand() % 4 != 0;
	for (size_t i = 0; i < sizeof row.swiss; i++)
		row.swiss[i] = (uint8_t)rand();
	if (row.saved.parent != 0)
		parent = find(model, row.saved.parent);
	r = database_save(db, &row.saved, row.has_swiss ? row.swiss : NULL, &id);
	if (row.saved.parent != 0 && !parent) {
		cr_assert_eq(r, error && r == error ? error : -ENOENT);
		return r == -ENOENT ? 0 : r;
	}
	if (error && r == error)
		return r;
	cr_assert_eq(r, 0);
	cr_assert_gt(id, model->last, "never given twice");
	model->last = row.saved.id = id;
	if (parent && parent->saved.expires_usec < row.saved.expires_usec)
		row.saved.expires_usec = parent->saved.expires_usec;
	*place = row;
	return 0;
}

static void forget_below(struct model *model)
{
	bool more = true;

	while (more) {
		more = false;
		for (size_t i = 0; i < MODEL_ROWS; i++) {
			struct model_row *row = &model->rows[i];

			if (row->saved.id == 0 || row->saved.parent == 0)
				continue;
			if (live(model, row) && !find(model, row->saved.parent)) {
				row->saved.id = 0;
				more = true;
			}
		}
	}
}

static int step_revoke(struct model *model, struct database *db, int error)
{
	uint64_t id = some_id(model);
	struct model_row *row = id ? find(model, id) : NULL;
	int r = database_revoke(db, id);

	if (error && r == error)
		return r;
	cr_assert_eq(r, row ? 0 : -ENOENT);
	if (row)
		row->saved.id = 0;
	forget_below(model);
	return 0;
}

static int step_revoke_anchor(struct model *model, struct database *db, int error)
{
	char door[16] = "", name[16];
	bool whole = rand() % 2;
	int r;

	if (rand() % 3)
		snprintf(door, sizeof door, "door%d", rand() % 4);
	snprintf(name, sizeof name, "%s%d", door[0] ? "name" : "service", rand() % 4);
	r = database_revoke_anchor(db, door, whole ? NULL : name);
	if (error && r == error)
		return r;
	cr_assert_eq(r, 0);
	for (size_t i = 0; i < MODEL_ROWS; i++) {
		struct saved *saved = &model->rows[i].saved;

		if (saved->id != 0 && saved->parent == 0 && strcmp(saved->door, door) == 0 &&
		    (whole || strcmp(door[0] ? saved->name : saved->service, name) == 0))
			saved->id = 0;
	}
	forget_below(model);
	return 0;
}

static int step_reserve(struct model *model, struct database *db, int error)
{
	uint32_t wanted = (uint32_t)rand() % 12, granted = 12345, expected = wanted;
	uint64_t id = some_id(model);
	struct model_row *row = id ? find(model, id) : NULL;
	int r = database_reserve(db, id, wanted, &granted);

	if (error && r == error) {
		cr_assert_eq(granted, 12345, "untouched");
		return r;
	}
	cr_assert_eq(r, row ? 0 : -ENOENT);
	if (!row)
		return 0;
	if (row->saved.uses != SAVED_UNLIMITED) {
		if (expected > row->saved.uses)
			expected = row->saved.uses;
		row->saved.uses -= expected;
	}
	cr_assert_eq(granted, expected);
	return 0;
}

/* Forwards, or back, which changes nothing. */
static int step_clock(struct model *model, struct database *db, int error)
{
	uint64_t now = model->now_usec + (uint64_t)(rand() % 8) * MODEL_USEC, effective = 0;
	int r;

	if (rand() % 4 == 0)
		now /= 2;
	r = database_clock(db, now, &effective);
	if (now > model->now_usec)
		model->now_usec = now;
	if (error && r == error)
		return r;
	cr_assert_eq(r, 0);
	cr_assert_eq(effective, model->now_usec);
	return 0;
}

int model_step(struct model *model, struct database *db, bool time, int error)
{
	switch (rand() % 16) {
	case 0:
		return step_revoke(model, db, error);
	case 1:
		return step_revoke_anchor(model, db, error);
	case 2:
	case 3:
		return time ? step_clock(model, db, error) : 0;
	case 4:
	case 5:
	case 6:
	case 7:
		return step_reserve(model, db, error);
	default:
		return step_save(model, db, error);
	}
}

/* ---- comparing ---- */

struct walk {
	const struct model *model;
	uint64_t last;
	size_t n;
	const char *what;
};

static bool saved_same(const struct saved *a, const struct saved *b)
{
	return a->id == b->id && a->parent == b->parent && strcmp(a->door, b->door) == 0 &&
	       strcmp(a->name, b->name) == 0 && strcmp(a->service, b->service) == 0 &&
	       a->rights == b->rights && a->uses == b->uses && a->sessions == b->sessions &&
	       a->leash == b->leash && a->expires_usec == b->expires_usec &&
	       strcmp(a->owner, b->owner) == 0 && strcmp(a->label, b->label) == 0 &&
	       strcmp(a->maker, b->maker) == 0;
}

static int walk_one(const struct saved *saved, void *arg)
{
	struct walk *walk = arg;

	if (saved->id <= walk->last)
		walk->what = "not in the order of ids";
	walk->last = saved->id;
	walk->n++;
	for (size_t i = 0; i < MODEL_ROWS; i++)
		if (live(walk->model, &walk->model->rows[i]) &&
		    saved_same(&walk->model->rows[i].saved, saved))
			return 0;
	walk->what = "one that should not be, or not so";
	return 0;
}

bool model_same(const struct model *model, struct database *db, const char **ret_what)
{
	struct walk walk = { .model = model };
	size_t n = 0;

	if (database_walk(db, walk_one, &walk) != 0)
		walk.what = "a failure";
	for (size_t i = 0; i < MODEL_ROWS; i++) {
		const struct model_row *row = &model->rows[i];
		struct saved saved;

		n += live(model, row);
		if (!live(model, row)) {
			if (row->saved.id == 0 || !row->has_swiss)
				continue;
			if (database_find(db, row->swiss, &saved) != -ENOENT)
				walk.what = "one that has expired";
			continue;
		}
		if (database_get(db, row->saved.id, &saved) != 0 ||
		    !saved_same(&saved, &row->saved))
			walk.what = "one that is not found by its id";
		if (row->has_swiss && (database_find(db, row->swiss, &saved) != 0 ||
				       !saved_same(&saved, &row->saved)))
			walk.what = "one that is not found by its swiss number";
	}
	if (walk.n != n && !walk.what)
		walk.what = "another number of them";
	if (ret_what)
		*ret_what = walk.what;
	return !walk.what;
}

void model_check(const struct model *model, struct database *db)
{
	const char *what = NULL;

	cr_assert(model_same(model, db, &what), "%s", what);
}
