/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Claim 19: malformed packets disconnect only their sender and leak nothing. Here: what a message
 * may look like and what not, one form at a time.
 */
#include "malformed.h"

#define PACKET(...) .bytes = { __VA_ARGS__ }, .len = sizeof (uint8_t[]){ __VA_ARGS__ }

static const struct form {
	const char *what;
	size_t len;
	bool good;
	uint8_t bytes[64];
} forms[] = {
	{ "good", .good = true, PACKET(FIND_DB, TAG_NAME, 0, 2, 0, 'd', 'b') },
	{ "in order", .good = true,
	  PACKET(FIND_DB, TAG_NAME, 0, 2, 0, 'd', 'b', TAG_SOCKTYPE, 0, 4, 0, 1, 0, 0, 0) },
	{ "out of order", PACKET(FIND_DB, TAG_SOCKTYPE, 0, 4, 0, 1, 0, 0, 0,
				 TAG_NAME, 0, 2, 0, 'd', 'b') },
	{ "twice", PACKET(FIND_DB, TAG_NAME, 0, 2, 0, 'd', 'b', TAG_NAME, 0, 2, 0, 'd', 'b') },
	{ "twice, once critical",
	  PACKET(FIND_DB, TAG_NAME, 0, 2, 0, 'd', 'b', TAG_NAME, 0x80, 2, 0, 'd', 'b') },
	{ "critical and known", .good = true, PACKET(FIND_DB, TAG_NAME, 0x80, 2, 0, 'd', 'b') },
	{ "unknown", .good = true, PACKET(FIND_DB, TAG_NAME, 0, 2, 0, 'd', 'b', 200, 0, 0, 0) },
	{ "unknown and critical", PACKET(FIND_DB, TAG_NAME, 0, 2, 0, 'd', 'b', 200, 0x80, 0, 0) },
	{ "the first that is unknown, critical",
	  PACKET(FIND_DB, TAG_NAME, 0, 2, 0, 'd', 'b', TAG_END, 0x80, 0, 0) },
	{ "tag zero", PACKET(FIND_DB, 0, 0, 0, 0) },
	{ "a number too narrow", PACKET(FIND_DB, TAG_SOCKTYPE, 0, 2, 0, 1, 0) },
	{ "a number too wide", PACKET(FIND_DB, TAG_SOCKTYPE, 0, 8, 0, 1, 0, 0, 0, 0, 0, 0, 0) },
	{ "a long number too narrow", PACKET(FIND_DB, TAG_WAIT, 0, 4, 0, 1, 0, 0, 0) },
	{ "an empty string", PACKET(FIND_DB, TAG_NAME, 0, 0, 0) },
	{ "a zero in a string", PACKET(FIND_DB, TAG_NAME, 0, 3, 0, 'd', 0, 'b') },
	{ "longer than its packet", PACKET(FIND_DB, TAG_NAME, 0, 3, 0, 'd', 'b') },
	{ "as long as can be", PACKET(FIND_DB, TAG_NAME, 0, 0xff, 0xff, 'd', 'b') },
	{ "half a tag", PACKET(FIND_DB, TAG_NAME, 0, 2) },
	{ "bytes behind the last tag", PACKET(FIND_DB, TAG_NAME, 0, 2, 0, 'd', 'b', 0) },
	{ "version 0", PACKET(0, 0, WIRE_FIND, 0, 1, 0, 0, 0, 1, 0, 0, 0) },
	{ "version 2", PACKET(2, 0, WIRE_FIND, 0, 1, 0, 0, 0, 1, 0, 0, 0) },
	{ "a descriptor that is not there", PACKET(1, 1, WIRE_FIND, 0, 1, 0, 0, 0, 1, 0, 0, 0) },
	{ "255 that are not there", PACKET(1, 255, WIRE_FIND, 0, 1, 0, 0, 0, 1, 0, 0, 0) },
	{ "a service of no way", .good = true,
	  PACKET(1, 0, WIRE_SERVE, 0, 1, 0, 0, 0, 1, 0, 0, 0, TAG_NAME, 0, 3, 0, 'o', 'w', 'n',
		 TAG_WAY, 0, 4, 0, 0xff, 0xff, 0xff, 0xff) },
	{ "a batch of too many", .good = true,
	  PACKET(1, 0, WIRE_SERVE, 0, 1, 0, 0, 0, 1, 0, 0, 0, TAG_NAME, 0, 3, 0, 'o', 'w', 'n',
		 TAG_BATCH, 0, 4, 0, 17, 0, 0, 0) },
	{ "a type of socket that is none", .good = true,
	  PACKET(1, 0, WIRE_CONNECT, 0, 1, 0, 0, 0, 1, 0, 0, 0, TAG_NAME, 0, 2, 0, 'd', 'b',
		 TAG_SOCKTYPE, 0, 4, 0, 0xff, 0xff, 0xff, 0xff) },
};

TEST(claim_19, forms)
{
	struct place p;

	place_start(&p);
	for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++) {
		const struct form *f = &forms[i];

		if (f->good)
			cr_assert(is_answered(p.bad, f->bytes, f->len), "%s", f->what);
		else
			cr_assert(ends_sender(p.bad, f->bytes, f->len), "%s", f->what);
	}
	place_end(&p);
}
