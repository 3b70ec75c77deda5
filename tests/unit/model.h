/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the database of sturdy references should do, as plain arrays, and random calls of both.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../../broker/store/database.h"

#define MODEL_ROWS 48u
#define MODEL_USEC UINT64_C(1000000)

struct model_row {
	struct saved saved;	/* id 0: none */
	uint8_t swiss[SAVED_SWISS_BYTES];
	bool has_swiss;
};

struct model {
	struct model_row rows[MODEL_ROWS];
	uint64_t now_usec, last;
};

/* Open, or fail the test with the message. */
struct database *model_open(const char *path);

/* One random call of the database, and of the model, when the database said 0. What it says
 * must be what the model says, or error (a negative errno; 0: none), which it then gives.
 * time: its clock may go on. */
int model_step(struct model *model, struct database *db, bool time, int error);

/* Whether the database has just what the model has; says what not to ret_what, which may be
 * NULL. */
bool model_same(const struct model *model, struct database *db, const char **ret_what);

/* Fail the test unless it has. */
void model_check(const struct model *model, struct database *db);
