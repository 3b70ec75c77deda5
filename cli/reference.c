/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The references of reference.h.
 */
#include "reference.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../libintro/wire/name.h"
#include "cli.h"
#include "listing.h"

struct search {
	char door[65], name[65];	/* door "": the service */
	uint64_t number, found;		/* number 0: not by number */
};

static int look(void *arg, const struct wire_message *row)
{
	struct search *s = arg;
	char door[65], name[65];

	wire_string(row, TAG_DOOR, door, sizeof door);
	wire_string(row, TAG_NAME, name, sizeof name);
	if (s->number ? wire_u64(row, TAG_REFERENCE, 0) == s->number :
			strcmp(door, s->door) == 0 && strcmp(name, s->name) == 0 &&
				wire_u32(row, TAG_WHAT, 0) <= KIND_OF_GRANT)
		s->found = wire_u64(row, TAG_REFERENCE, 0);
	return 0;
}

static int parse(const char *text, struct search *s)
{
	const char *slash = strchr(text, '/');
	size_t len = slash ? (size_t)(slash - text) : 0;
	char *end;

	s->number = strtoull(text, &end, 10);
	if (*end == '\0' && s->number && text[0] != '-')
		return 0;
	s->number = 0;
	if (slash && !wire_name_ok(text, len))
		return -EINVAL;
	memcpy(s->door, text, len);
	text += slash ? len + 1 : 0;
	if (!wire_name_ok(text, strlen(text)))
		return -EINVAL;
	strcpy(s->name, text);
	return 0;
}

int reference_find(struct admin *a, const char *verb, const char *text, uint64_t *ret)
{
	struct search s = { .found = 0 };
	int r;

	if (parse(text, &s) < 0)
		return usage_error(verb, "\"%s\" is no reference (wanted: a number, DOOR/NAME or the "
				   "name of a service)", text);
	r = listing_each(a, WHAT_REFERENCES, NULL, NULL, look, &s);
	if (r < 0)
		return failed(r, "cannot list what the broker has");
	if (!s.found) {
		complain("there is no reference \"%s\"\nThose there are: intro list references", text);
		return CODE_FAILED;
	}
	*ret = s.found;
	return CODE_OK;
}
