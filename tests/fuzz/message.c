/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The parser of everything that comes from outside. What it accepts must be readable with
 * every accessor, and, written again tag by tag, be parsed as the same message.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "../../libintro/wire/message.h"
#include "../../libintro/wire/name.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds)
{
	if (!holds)
		abort();
}

/* Put one tag of m again. */
static void put(struct wire_writer *w, const struct wire_message *m, enum wire_tag tag)
{
	char text[WIRE_PACKET_MAX + 1];

	switch (wire_tag_kind(tag)) {
	case KIND_I32:
		check(m->length[tag] == 4);
		wire_put_u32(w, tag, (uint32_t)wire_i32(m, tag, 0));
		break;
	case KIND_U32:
		check(m->length[tag] == 4);
		wire_put_u32(w, tag, wire_u32(m, tag, 0));
		break;
	case KIND_U64:
		check(m->length[tag] == 8);
		wire_put_u64(w, tag, wire_u64(m, tag, 0));
		break;
	case KIND_STRING:
		check(wire_string(m, tag, text, sizeof text) == 0);
		check(strlen(text) == m->length[tag]);
		wire_put_string(w, tag, text);
		break;
	case KIND_BYTES:
	case KIND_NONE:
		wire_put_bytes(w, tag, m->value[tag], m->length[tag]);
		break;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t again[WIRE_PACKET_MAX];
	struct wire_message m, m2;
	struct wire_writer w;
	int len;

	wire_name_ok((const char *)data, size);
	wire_file_ok((const char *)data, size);
	wire_label_ok((const char *)data, size);
	if (wire_parse(data, size, &m) < 0)
		return 0;
	check(size <= WIRE_PACKET_MAX);

	wire_begin(&w, again, sizeof again, m.head.type, m.head.serial, m.head.ref, m.head.nfds);
	for (enum wire_tag tag = 1; tag < TAG_END; tag++)
		if (wire_has(&m, tag))
			put(&w, &m, tag);
	len = wire_finish(&w);
	check(len >= (int)WIRE_HEADER_BYTES && (size_t)len <= size);

	check(wire_parse(again, (size_t)len, &m2) == 0);
	check(memcmp(&m.head, &m2.head, sizeof m.head) == 0 && m.present == m2.present);
	for (enum wire_tag tag = 1; tag < TAG_END; tag++)
		check(!wire_has(&m, tag) ||
		      (m.length[tag] == m2.length[tag] &&
		       memcmp(m.value[tag], m2.value[tag], m.length[tag]) == 0));
	return 0;
}
