/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Listings of listing.h.
 */
#include "listing.h"

#include <errno.h>

#include "cli.h"

#define COLUMNS(list) list, sizeof list / sizeof *list

static const struct column services[] = {
	{ "SERVICE", TAG_SERVICE, 0 },
	{ "NAME", TAG_NAME, 0 },
	{ "STATE", TAG_STATE, 0 },
	{ "WAY", TAG_WAY, 0 },
	{ "TYPES", TAG_SOCKTYPES, 0 },
	{ "INTRODUCTIONS", TAG_INTRODUCTIONS, 0 },
	{ "WAITING", TAG_WAITS, 0 },
	{ "DOOR", TAG_DOOR, 0 },
	{ "UID", TAG_UID, 0 },
	{ "PID", TAG_PID, 0 },
};
static const struct column doors[] = {
	{ "DOOR", TAG_DOOR, 0 },
	{ "OPEN", TAG_OPEN, 0 },
	{ "CONNECTIONS", TAG_CONNECTIONS, 0 },
	{ "NAMES", TAG_NAMES, 0 },
	{ "INTRODUCTIONS", TAG_INTRODUCTIONS, 0 },
	{ "REFUSALS", TAG_REFUSALS, 0 },
	{ "FROM", TAG_ORIGIN, 0 },
	{ "DIRECTORY", TAG_DIRECTORY, 0 },
	{ "EXPORTS", TAG_EXPORT_DIRECTORY, 0 },
};
static const struct column grants[] = {
	{ "DOOR", TAG_DOOR, 0 },
	{ "NAME", TAG_NAME, 0 },
	{ "SERVICE", TAG_SERVICE, 0 },
	{ "STATE", TAG_STATE, 0 },
	{ "RIGHTS", TAG_RIGHTS, 0 },
	{ "FILE", TAG_FILE, 0 },
	{ "EXPIRES", TAG_EXPIRES, 0 },
	{ "USES", TAG_USES, 0 },
	{ "LABEL", TAG_LABEL, 0 },
	{ "FROM", TAG_ORIGIN, 0 },
};
static const struct column references[] = {
	{ "REFERENCE", TAG_REFERENCE, 0 },
	{ "OF", TAG_PARENT, 0 },
	{ "SERVICE", TAG_SERVICE, 0 },
	{ "KIND", TAG_WHAT, 0 },
	{ "DOOR", TAG_DOOR, 0 },
	{ "NAME", TAG_NAME, 0 },
	{ "LABEL", TAG_LABEL, 0 },
	{ "RIGHTS", TAG_RIGHTS, 0 },
	{ "EXPIRES", TAG_EXPIRES, 0 },
	{ "USES", TAG_USES, 0 },
	{ "SESSIONS", TAG_LIVE, TAG_SESSIONS },
	{ "LEASH", TAG_LEASH, 0 },
};
static const struct column usage[] = {
	{ "DOOR", TAG_DOOR, 0 },
	{ "UID", TAG_UID, 0 },
	{ "CONNECTIONS", TAG_CONNECTIONS, TAG_MAX_CONNECTIONS },
	{ "NAMES", TAG_NAMES, TAG_MAX_NAMES },
	{ "HELD", TAG_HELD, TAG_MAX_HELD },
	{ "FLIGHT", TAG_FLIGHT, TAG_MAX_FLIGHT },
	{ "WAITS", TAG_WAITS, TAG_MAX_WAITS },
	{ "REFERENCES", TAG_REFERENCES, TAG_MAX_REFERENCES },
	{ "QUEUED", TAG_QUEUED_BYTES, 0 },
	{ "INTRODUCTIONS", TAG_INTRODUCTIONS, 0 },
	{ "REFUSALS", TAG_REFUSALS, 0 },
};

int listing_each(struct admin *a, enum wire_what what, const char *door, const char *name,
		 int (*each)(void *arg, const struct wire_message *row), void *arg)
{
	uint8_t buf[WIRE_PACKET_MAX];
	struct wire_writer w;
	struct wire_message m;
	int r;

	admin_begin(a, &w, buf, WIRE_LIST);
	if (name)
		wire_put_string(&w, TAG_NAME, name);
	if (door)
		wire_put_string(&w, TAG_DOOR, door);
	wire_put_u32(&w, TAG_WHAT, what);
	r = admin_send(a, &w);
	while (r >= 0) {
		r = admin_next(a, &m, ADMIN_TIMEOUT_MS);
		if (r <= 0)
			break;
		r = each(arg, &m);
	}
	return r;
}

static int add_row(void *arg, const struct wire_message *row)
{
	return rows_add(arg, row);
}

int listing_get(struct admin *a, enum wire_what what, const char *door, const char *name,
		bool json, struct rows **ret)
{
	struct rows *rows = NULL;
	int r;

	switch (what) {
	case WHAT_SERVICES:
		rows = rows_new(COLUMNS(services), json);
		break;
	case WHAT_DOORS:
		rows = rows_new(COLUMNS(doors), json);
		break;
	case WHAT_GRANTS:
		rows = rows_new(COLUMNS(grants), json);
		break;
	case WHAT_REFERENCES:
		rows = rows_new(COLUMNS(references), json);
		break;
	case WHAT_USAGE:
	case WHAT_STATUS:
		rows = rows_new(COLUMNS(usage), json);
		break;
	}
	r = rows ? listing_each(a, what, door, name, add_row, rows) : -ENOMEM;
	if (r < 0) {
		rows_free(rows);
		return failed(r, "cannot list what the broker has");
	}
	*ret = rows;
	return CODE_OK;
}

static int count_row(void *arg, const struct wire_message *row)
{
	(void)row;
	++*(size_t *)arg;
	return 0;
}

/* An empty list of a door that is not there is a mistake. CODE_OK or an exit code. */
static int check_door(struct admin *a, const char *door)
{
	size_t doors_found = 0;
	int r = listing_each(a, WHAT_DOORS, door, NULL, count_row, &doors_found);

	if (r < 0)
		return failed(r, "cannot list what the broker has");
	if (doors_found > 0)
		return CODE_OK;
	complain("there is no door \"%s\"\nThose there are: intro list doors", door);
	return CODE_FAILED;
}

int listing_print(struct admin *a, enum wire_what what, const char *door, const char *name,
		  bool json, const char *nothing)
{
	struct rows *rows;
	int r = listing_get(a, what, door, name, json, &rows);

	if (r != CODE_OK)
		return r;
	if (door && rows_empty(rows)) {
		r = check_door(a, door);
		if (r != CODE_OK) {
			rows_free(rows);
			return r;
		}
	}
	if (nothing && rows_empty(rows) && !json)
		complain("%s", nothing);
	r = rows_print(rows, stdout);
	rows_free(rows);
	return r < 0 ? failed(r, "cannot print the list") : CODE_OK;
}
