/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The codec of message.h, and the table of what each tag's value looks like.
 */
#include "message.h"

#include <assert.h>
#include <endian.h>
#include <errno.h>
#include <string.h>

static_assert(TAG_END <= 64, "wire_message.present has a bit for each tag");

struct tag_form {
	const char *name;
	enum wire_kind kind;
	uint16_t max;	/* bytes of a string or of bytes; numbers have their width */
};

#define NUMBER32(tag, word) [tag] = { word, KIND_U32, 4 }
#define NUMBER64(tag, word) [tag] = { word, KIND_U64, 8 }
#define STRING(tag, word, max) [tag] = { word, KIND_STRING, max }

static const struct tag_form forms[TAG_END] = {
	[TAG_ERROR] = { "error", KIND_I32, 4 },
	STRING(TAG_NAME, "name", WIRE_NAME_MAX),
	NUMBER32(TAG_SOCKTYPE, "type"),
	NUMBER32(TAG_SOCKTYPES, "types"),
	NUMBER64(TAG_WAIT, "wait"),
	NUMBER32(TAG_WAY, "way"),
	NUMBER32(TAG_PATH, "path"),
	NUMBER32(TAG_BATCH, "batch"),
	NUMBER64(TAG_USERNS, "userns"),
	NUMBER64(TAG_SESSION, "session"),
	STRING(TAG_DOOR, "door", WIRE_NAME_MAX),
	STRING(TAG_LABEL, "label", WIRE_LABEL_MAX),
	NUMBER32(TAG_UID, "uid"),
	NUMBER32(TAG_PID, "pid"),
	NUMBER64(TAG_PIDFD_INODE, "pidfd_inode"),
	STRING(TAG_FILE, "file", WIRE_NAME_MAX),
	[TAG_MESSAGES] = { "messages", KIND_BYTES, WIRE_PACKET_MAX },
	STRING(TAG_SERVICE, "service", WIRE_NAME_MAX),
	NUMBER32(TAG_RIGHTS, "rights"),
	NUMBER64(TAG_LIFETIME, "lifetime"),
	NUMBER32(TAG_USES, "uses"),
	NUMBER32(TAG_SESSIONS, "sessions"),
	NUMBER32(TAG_LEASH, "leash"),
	STRING(TAG_OWNER, "owner", WIRE_NAME_MAX),
	NUMBER64(TAG_PARENT, "parent"),
	NUMBER64(TAG_REFERENCE, "reference"),
	NUMBER32(TAG_RECIPIENT, "recipient"),
	[TAG_GIFT] = { "gift", KIND_BYTES, WIRE_GIFT_BYTES },
	STRING(TAG_PROVENANCE, "provenance", WIRE_TEXT_MAX),
	STRING(TAG_URI, "uri", WIRE_TEXT_MAX),
	NUMBER32(TAG_EXPORT, "export"),
	NUMBER32(TAG_OPEN, "open"),
	STRING(TAG_DIRECTORY, "directory", WIRE_TEXT_MAX),
	STRING(TAG_EXPORT_DIRECTORY, "export_directory", WIRE_TEXT_MAX),
	NUMBER32(TAG_MAX_CONNECTIONS, "max_connections"),
	NUMBER32(TAG_MAX_NAMES, "max_names"),
	NUMBER32(TAG_MAX_HELD, "max_held"),
	NUMBER32(TAG_MAX_FLIGHT, "max_flight"),
	NUMBER32(TAG_MAX_WAITS, "max_waits"),
	NUMBER32(TAG_MAX_REFERENCES, "max_references"),
	NUMBER32(TAG_CONNECTIONS, "connections"),
	NUMBER32(TAG_NAMES, "names"),
	NUMBER32(TAG_HELD, "held"),
	NUMBER32(TAG_FLIGHT, "flight"),
	NUMBER32(TAG_WAITS, "waits"),
	NUMBER32(TAG_REFERENCES, "references"),
	NUMBER32(TAG_LIVE, "live"),
	NUMBER64(TAG_QUEUED_BYTES, "queued_bytes"),
	NUMBER64(TAG_INTRODUCTIONS, "introductions"),
	NUMBER64(TAG_REFUSALS, "refusals"),
	NUMBER32(TAG_WHAT, "what"),
	NUMBER32(TAG_STATE, "state"),
	NUMBER64(TAG_EXPIRES, "expires"),
	NUMBER32(TAG_ORIGIN, "origin"),
	NUMBER32(TAG_VERDICT, "verdict"),
	STRING(TAG_REASON, "reason", WIRE_TEXT_MAX),
	STRING(TAG_ADVICE, "advice", WIRE_TEXT_MAX),
	STRING(TAG_TEXT, "text", WIRE_TEXT_MAX),
	NUMBER32(TAG_DROPPED, "dropped"),
	NUMBER64(TAG_ENTRY, "entry"),
};

static uint16_t load16(const uint8_t *p)
{
	uint16_t v;

	memcpy(&v, p, sizeof v);
	return le16toh(v);
}

static uint32_t load32(const uint8_t *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof v);
	return le32toh(v);
}

static uint64_t load64(const uint8_t *p)
{
	uint64_t v;

	memcpy(&v, p, sizeof v);
	return le64toh(v);
}

static bool form_ok(const struct tag_form *form, const uint8_t *value, size_t len)
{
	switch (form->kind) {
	case KIND_I32:
	case KIND_U32:
	case KIND_U64:
		return len == form->max;
	case KIND_STRING:
		return len > 0 && len <= form->max && !memchr(value, 0, len);
	case KIND_BYTES:
		return len <= form->max;
	case KIND_NONE:
		break;
	}
	return false;
}

int wire_parse(const void *packet, size_t len, struct wire_message *ret)
{
	const uint8_t *p = packet, *end = p + len;
	unsigned int last = 0;

	if (len < WIRE_HEADER_BYTES || len > WIRE_PACKET_MAX)
		return -EPROTO;
	if (p[0] != WIRE_VERSION)
		return -EPROTONOSUPPORT;

	ret->head.version = p[0];
	ret->head.nfds = p[1];
	ret->head.type = load16(p + 2);
	ret->head.serial = load32(p + 4);
	ret->head.ref = load32(p + 8);
	ret->present = 0;

	for (p += WIRE_HEADER_BYTES; p < end;) {
		unsigned int type, tag;
		size_t size;

		if (end - p < (ptrdiff_t)WIRE_TLV_BYTES)
			return -EPROTO;
		type = load16(p);
		size = load16(p + 2);
		p += WIRE_TLV_BYTES;
		tag = type & ~WIRE_CRITICAL;
		if (tag <= last || size > (size_t)(end - p))
			return -EPROTO;
		last = tag;
		if (tag < TAG_END) {
			if (!form_ok(&forms[tag], p, size))
				return -EPROTO;
			ret->present |= UINT64_C(1) << tag;
			ret->value[tag] = p;
			ret->length[tag] = (uint16_t)size;
		} else if (type & WIRE_CRITICAL) {
			return -EPROTO;
		}
		p += size;
	}
	return 0;
}

uint32_t wire_u32(const struct wire_message *m, enum wire_tag tag, uint32_t absent)
{
	return wire_has(m, tag) ? load32(m->value[tag]) : absent;
}

uint64_t wire_u64(const struct wire_message *m, enum wire_tag tag, uint64_t absent)
{
	return wire_has(m, tag) ? load64(m->value[tag]) : absent;
}

int32_t wire_i32(const struct wire_message *m, enum wire_tag tag, int32_t absent)
{
	return wire_has(m, tag) ? (int32_t)load32(m->value[tag]) : absent;
}

int wire_string(const struct wire_message *m, enum wire_tag tag, char *out, size_t size)
{
	size_t len;

	if (!wire_has(m, tag)) {
		out[0] = '\0';
		return -ENOENT;
	}
	len = m->length[tag];
	if (len >= size)
		return -ENAMETOOLONG;
	memcpy(out, m->value[tag], len);
	out[len] = '\0';
	return 0;
}

void wire_put_string(struct wire_writer *w, enum wire_tag tag, const char *s)
{
	wire_put_bytes(w, tag, s, strlen(s));
}

const char *wire_tag_name(enum wire_tag tag)
{
	return (unsigned int)tag < TAG_END ? forms[tag].name : NULL;
}

enum wire_kind wire_tag_kind(enum wire_tag tag)
{
	return (unsigned int)tag < TAG_END ? forms[tag].kind : KIND_NONE;
}
