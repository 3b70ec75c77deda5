/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the tests of the codec share: the tags as the page has them, packets made by hand,
 * and memory with an end.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "../../libintro/wire/message.h"
#include "harness.h"

/* What the page says; the codec's own table is not asked. */
struct page_tag {
	enum wire_tag tag;
	enum wire_kind kind;
	size_t max;
};
#define TAGS 48
extern const struct page_tag tags[TAGS];

#define EDGE_BYTES 8192u
extern uint8_t *edge;	/* behind it is no memory */

void wire_test_begin(void);

/* Parse bytes that are the last ones in memory. m's values point there. */
int parse(const uint8_t *packet, size_t len, struct wire_message *m);

/* A packet by hand. */
struct soup {
	uint8_t bytes[EDGE_BYTES];
	size_t len;
};

void soup_begin(struct soup *s);
void soup_tlv(struct soup *s, unsigned int type, const void *value, size_t len);
