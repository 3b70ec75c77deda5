/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The packets of soup.h.
 */
#include "soup.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

const struct soup_tag tags[] = {
	{ TAG_ERROR, KIND_I32, 4 }, { TAG_NAME, KIND_STRING, 64 },
	{ TAG_SOCKTYPE, KIND_U32, 4 }, { TAG_SOCKTYPES, KIND_U32, 4 },
	{ TAG_WAIT, KIND_U64, 8 }, { TAG_WAY, KIND_U32, 4 }, { TAG_PATH, KIND_U32, 4 },
	{ TAG_BATCH, KIND_U32, 4 }, { TAG_USERNS, KIND_U64, 8 }, { TAG_SESSION, KIND_U64, 8 },
	{ TAG_DOOR, KIND_STRING, 64 }, { TAG_LABEL, KIND_STRING, 128 },
	{ TAG_UID, KIND_U32, 4 }, { TAG_PID, KIND_U32, 4 }, { TAG_PIDFD_INODE, KIND_U64, 8 },
	{ TAG_FILE, KIND_STRING, 64 }, { TAG_MESSAGES, KIND_BYTES, 4096 },
	{ TAG_SERVICE, KIND_STRING, 64 }, { TAG_RIGHTS, KIND_U32, 4 },
	{ TAG_LIFETIME, KIND_U64, 8 }, { TAG_USES, KIND_U32, 4 },
	{ TAG_SESSIONS, KIND_U32, 4 }, { TAG_LEASH, KIND_U32, 4 }, { TAG_OWNER, KIND_STRING, 64 },
	{ TAG_PARENT, KIND_U64, 8 }, { TAG_REFERENCE, KIND_U64, 8 },
	{ TAG_RECIPIENT, KIND_U32, 4 }, { TAG_GIFT, KIND_BYTES, 32 },
	{ TAG_PROVENANCE, KIND_STRING, 1024 },
	{ TAG_URI, KIND_STRING, 1024 }, { TAG_EXPORT, KIND_U32, 4 },
	{ TAG_OPEN, KIND_U32, 4 }, { TAG_DIRECTORY, KIND_STRING, 1024 },
	{ TAG_EXPORT_DIRECTORY, KIND_STRING, 1024 }, { TAG_MAX_CONNECTIONS, KIND_U32, 4 },
	{ TAG_MAX_NAMES, KIND_U32, 4 }, { TAG_MAX_HELD, KIND_U32, 4 },
	{ TAG_MAX_FLIGHT, KIND_U32, 4 }, { TAG_MAX_WAITS, KIND_U32, 4 },
	{ TAG_MAX_REFERENCES, KIND_U32, 4 },
	{ TAG_CONNECTIONS, KIND_U32, 4 }, { TAG_NAMES, KIND_U32, 4 }, { TAG_HELD, KIND_U32, 4 },
	{ TAG_FLIGHT, KIND_U32, 4 }, { TAG_WAITS, KIND_U32, 4 },
	{ TAG_REFERENCES, KIND_U32, 4 }, { TAG_LIVE, KIND_U32, 4 },
	{ TAG_QUEUED_BYTES, KIND_U64, 8 }, { TAG_INTRODUCTIONS, KIND_U64, 8 },
	{ TAG_REFUSALS, KIND_U64, 8 }, { TAG_WHAT, KIND_U32, 4 }, { TAG_STATE, KIND_U32, 4 },
	{ TAG_EXPIRES, KIND_U64, 8 }, { TAG_ORIGIN, KIND_U32, 4 }, { TAG_VERDICT, KIND_U32, 4 },
	{ TAG_REASON, KIND_STRING, 1024 }, { TAG_ADVICE, KIND_STRING, 1024 },
	{ TAG_TEXT, KIND_STRING, 1024 }, { TAG_DROPPED, KIND_U32, 4 }, { TAG_ENTRY, KIND_U64, 8 },
};

_Static_assert(sizeof tags / sizeof tags[0] == TAGS, "every tag is here");

uint8_t *edge;

void edge_begin(void)
{
	uint8_t *p = mmap(NULL, 2 * EDGE_BYTES, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	cr_assert_neq(p, MAP_FAILED);
	MUST(mprotect(p + EDGE_BYTES, EDGE_BYTES, PROT_NONE));
	edge = p + EDGE_BYTES;
	srand(1);
}

int edge_parse(const uint8_t *packet, size_t len, struct wire_message *m)
{
	memcpy(edge - len, packet, len);
	return wire_parse(edge - len, len, m);
}

void soup_begin(struct soup *s)
{
	static const uint8_t header[] = { 1, 0, 2, 0, 3, 0, 0, 0, 4, 0, 0, 0 };

	memcpy(s->bytes, header, sizeof header);
	s->len = sizeof header;
}

void soup_tlv(struct soup *s, unsigned int type, const void *value, size_t len)
{
	uint8_t head[] = { (uint8_t)type, (uint8_t)(type >> 8), (uint8_t)len,
			   (uint8_t)(len >> 8) };

	memcpy(s->bytes + s->len, head, sizeof head);
	memcpy(s->bytes + s->len + sizeof head, value, len);
	s->len += sizeof head + len;
}
