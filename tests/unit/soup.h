/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For the tests of the codec: what the page says of each tag, and packets by hand. Packets to be
 * parsed end where the process's memory ends, so that reading beyond them is noticed in any
 * build.
 */
#pragma once

#include "../../libintro/wire/message.h"
#include "harness.h"

#define EDGE_BYTES 8192u

/* Each tag in order, the first one first; the codec's own table is not asked. */
struct soup_tag {
	enum wire_tag tag;
	enum wire_kind kind;
	size_t max;		/* bytes; of numbers, the only length there is */
};
extern const struct soup_tag tags[];
#define TAGS ((size_t)TAG_END - 1)

extern uint8_t *edge;	/* behind it is no memory; EDGE_BYTES before it are */

/* Make the edge, and begin the same random numbers in every test. */
void edge_begin(void);

/* Parse bytes that are the last ones in memory. m's values point there. */
int edge_parse(const uint8_t *packet, size_t len, struct wire_message *m);

/* A packet by hand: a good header, and TLVs as they come. */
struct soup {
	uint8_t bytes[EDGE_BYTES];
	size_t len;
};
void soup_begin(struct soup *s);
void soup_tlv(struct soup *s, unsigned int type, const void *value, size_t len);
