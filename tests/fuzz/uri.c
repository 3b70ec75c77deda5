/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The parser of sturdy references, which come from anywhere. What it accepts can be written,
 * and what was written is parsed as the same.
 */
#include <stdlib.h>
#include <string.h>

#include "../../libintro/wire/uri.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds)
{
	if (!holds)
		abort();
}

static bool same(const struct wire_uri *a, const struct wire_uri *b)
{
	if (memcmp(a->key, b->key, sizeof a->key) != 0 || a->has_swiss != b->has_swiss ||
	    memcmp(a->swiss, b->swiss, sizeof a->swiss) != 0 || a->hints_n != b->hints_n)
		return false;
	for (unsigned int i = 0; i < a->hints_n; i++) {
		const struct wire_hint *x = &a->hints[i], *y = &b->hints[i];

		if (x->kind != y->kind || x->port != y->port ||
		    memcmp(x->key, y->key, sizeof x->key) != 0 ||
		    memcmp(x->where, y->where, sizeof x->where) != 0)
			return false;
	}
	return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char text[WIRE_URI_MAX + 1];
	struct wire_uri uri, again;
	int len;

	if (wire_uri_parse((const char *)data, size, &uri) < 0)
		return 0;
	check(size <= WIRE_URI_MAX);
	len = wire_uri_format(&uri, text, sizeof text);
	check(len > 0 && (size_t)len <= size);
	check(wire_uri_parse(text, (size_t)len, &again) == 0);
	check(same(&uri, &again));
	return 0;
}
