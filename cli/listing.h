/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The listings of the broker: which columns each has, and getting their rows. For the verbs
 * list, show, door and status.
 */
#pragma once

#include "admin.h"
#include "rows.h"

/* Rows of what, as a table (or JSON), narrowed to a door or name where these are not NULL.
 * Complains itself: CODE_OK or an exit code. *ret is to be freed. */
int listing_get(struct admin *a, enum wire_what what, const char *door, const char *name,
		bool json, struct rows **ret);

/* Get and print. nothing: said to stderr where there is no row (NULL: nothing). */
int listing_print(struct admin *a, enum wire_what what, const char *door, const char *name,
		  bool json, const char *nothing);

/* Call each for every row. A negative errno of each ends it. 0 or a negative errno. */
int listing_each(struct admin *a, enum wire_what what, const char *door, const char *name,
		 int (*each)(void *arg, const struct wire_message *row), void *arg);
