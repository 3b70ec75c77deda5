/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The codec: a 12-byte little-endian header, then TLVs in strictly ascending order, each at
 * most once. One parser for everything read from outside; it allocates nothing, keeps
 * pointers into the packet, and knows the form of each tag (message.c), so that a handler
 * never meets a number of the wrong width or a string with a zero byte in it.
 */
#pragma once

#include <assert.h>
#include <endian.h>
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

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

static inline void wire_store16(uint8_t *p, uint16_t v)
{
	v = htole16(v);
	memcpy(p, &v, sizeof v);
}

static inline void wire_store32(uint8_t *p, uint32_t v)
{
	v = htole32(v);
	memcpy(p, &v, sizeof v);
}

static inline void wire_store64(uint8_t *p, uint64_t v)
{
	v = htole64(v);
	memcpy(p, &v, sizeof v);
}

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
 * or -EMSGSIZE. nfds is what the caller is about to send with it. Inline, so that a message of
 * constant tags is a handful of stores. */
static inline void wire_begin(struct wire_writer *w, void *buf, size_t size, uint16_t type,
			      uint32_t serial, uint32_t ref, uint8_t nfds)
{
	assert(size >= WIRE_HEADER_BYTES);
	*w = (struct wire_writer){ .buf = buf, .size = size, .used = WIRE_HEADER_BYTES };
	w->buf[0] = WIRE_VERSION;
	w->buf[1] = nfds;
	wire_store16(w->buf + 2, type);
	wire_store32(w->buf + 4, serial);
	wire_store32(w->buf + 8, ref);
}

/* Room for a value of len bytes, its type and length written; NULL when there is none. */
static inline uint8_t *wire_put(struct wire_writer *w, enum wire_tag tag, size_t len)
{
	uint8_t *p = w->buf + w->used;

	assert(tag > w->last && tag < TAG_END);
	if (len > UINT16_MAX || w->size - w->used < WIRE_TLV_BYTES + len) {
		w->overflow = true;
		return NULL;
	}
	w->last = (uint16_t)tag;
	w->used += WIRE_TLV_BYTES + len;
	wire_store16(p, (uint16_t)tag);
	wire_store16(p + 2, (uint16_t)len);
	return p + WIRE_TLV_BYTES;
}

static inline void wire_put_u32(struct wire_writer *w, enum wire_tag tag, uint32_t value)
{
	uint8_t *p = wire_put(w, tag, sizeof value);

	if (p)
		wire_store32(p, value);
}

static inline void wire_put_u64(struct wire_writer *w, enum wire_tag tag, uint64_t value)
{
	uint8_t *p = wire_put(w, tag, sizeof value);

	if (p)
		wire_store64(p, value);
}

static inline void wire_put_bytes(struct wire_writer *w, enum wire_tag tag, const void *bytes,
				  size_t len)
{
	uint8_t *p = wire_put(w, tag, len);

	if (p && len > 0)
		memcpy(p, bytes, len);
}

void wire_put_string(struct wire_writer *w, enum wire_tag tag, const char *s);

static inline int wire_finish(const struct wire_writer *w)
{
	return w->overflow ? -EMSGSIZE : (int)w->used;
}

/* The printable name of a tag ("name", "max_connections"): the key used by --json. NULL when
 * unknown. And the kind of its value. */
enum wire_kind { KIND_NONE, KIND_I32, KIND_U32, KIND_U64, KIND_STRING, KIND_BYTES };
const char *wire_tag_name(enum wire_tag tag);
enum wire_kind wire_tag_kind(enum wire_tag tag);
