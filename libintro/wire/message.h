/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The codec: a 12-byte little-endian header, then TLVs in strictly ascending order, each at
 * most once. One parser for everything read from outside; it allocates nothing, keeps
 * pointers into the packet, and knows the form of each tag (message.c), so that a handler
 * never meets a number of the wrong width or a string with a zero byte in it.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "protocol.h"

struct wire_header {
	uint8_t version;
	uint8_t nfds;
	uint16_t type;
	uint32_t serial;
	uint32_t ref;
};

/* A parsed message. Values point into the packet it was parsed from. */
struct wire_message {
	struct wire_header head;
	uint64_t present;		/* bit (1 << tag) */
	const uint8_t *value[TAG_END];	/* valid where present */
	uint16_t length[TAG_END];	/* bytes */
};

/* A message under construction in the caller's buffer. Appending past the end sets
 * .overflow and is checked once, by wire_finish(). */
struct wire_writer {
	uint8_t *buf;
	size_t size, used;
	uint16_t last;
	bool overflow;
};

/* Parse one packet of len bytes. 0, or -EPROTO (malformed: short, unordered, repeated,
 * wrong width, unknown and critical) or -EPROTONOSUPPORT (version). */
int wire_parse(const void *packet, size_t len, struct wire_message *ret);

static inline bool wire_has(const struct wire_message *m, enum wire_tag tag)
{
	return m->present >> tag & 1;
}

/* The value of a tag, or the given one when it is absent. */
uint32_t wire_u32(const struct wire_message *m, enum wire_tag tag, uint32_t absent);
uint64_t wire_u64(const struct wire_message *m, enum wire_tag tag, uint64_t absent);
int32_t wire_i32(const struct wire_message *m, enum wire_tag tag, int32_t absent);

/* Copy a string tag, NUL-terminated, into out. 0, -ENOENT when absent (out is then ""), or
 * -ENAMETOOLONG. */
int wire_string(const struct wire_message *m, enum wire_tag tag, char *out, size_t size);

/* Begin a message; put tags in ascending order (asserted); finish gives its length in bytes
 * or -EMSGSIZE. nfds is what the caller is about to send with it. */
void wire_begin(struct wire_writer *w, void *buf, size_t size, uint16_t type, uint32_t serial,
		uint32_t ref, uint8_t nfds);
void wire_put_u32(struct wire_writer *w, enum wire_tag tag, uint32_t value);
void wire_put_u64(struct wire_writer *w, enum wire_tag tag, uint64_t value);
void wire_put_bytes(struct wire_writer *w, enum wire_tag tag, const void *p, size_t len);
void wire_put_string(struct wire_writer *w, enum wire_tag tag, const char *s);
int wire_finish(const struct wire_writer *w);

/* The printable name of a tag ("name", "max_connections"): the key used by --json. NULL when
 * unknown. And the kind of its value. */
enum wire_kind { KIND_NONE, KIND_I32, KIND_U32, KIND_U64, KIND_STRING, KIND_BYTES };
const char *wire_tag_name(enum wire_tag tag);
enum wire_kind wire_tag_kind(enum wire_tag tag);
