/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The enclosures of enclosure.h.
 */
#include "enclosure.h"

#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../../libintro/wire/message.h"
#include "../../libintro/wire/name.h"
#include "board.h"
#include "conn.h"
#include "door.h"
#include "grant.h"
#include "handle.h"
#include "terms.h"

static struct door *enclosure_alloc(const struct conn *by)
{
	struct door *door = door_alloc(by->door->name);

	if (!door)
		return NULL;
	door->origin = ORIGIN_RUNTIME;
	door->within = door_charged(by->door);
	door->user = by->user;
	user_hold(door->user);
	list_append(&door->within->enclosures, &door->in_board);
	return door;
}

/* One LEND: a grant in it. */
static int enclose(struct door *door, const struct conn *by, const struct wire_message *m)
{
	const struct handle *handle = handle_find(by, m->head.ref);
	char name[WIRE_NAME_MAX + 1], label[WIRE_LABEL_MAX + 1];
	struct grant_options o = {
		.name = name, .file = name, .origin = ORIGIN_RUNTIME, .listener = -1,
	};
	struct grant *grant;
	int r;

	if (m->head.type != WIRE_LEND || m->head.nfds != 0 ||
	    wire_string(m, TAG_NAME, name, sizeof name) < 0)
		return -EINVAL;
	if (!handle)
		return -ENOENT;
	r = terms_read(m, RIGHTS_ALL, label, &o.terms);
	if (r < 0)
		return r;
	o.parent = handle->ref;
	if (!(o.parent->rights & o.terms.rights))
		return -EACCES;
	return grant_new(door, &o, &grant);
}

/* A run of { u16 length, LEND }. */
static int enclose_all(struct door *door, const struct conn *by, const struct wire_message *m)
{
	const uint8_t *p = m->value[TAG_MESSAGES], *end;
	unsigned int names = 0;

	if (!wire_has(m, TAG_MESSAGES))
		return -EINVAL;
	for (end = p + m->length[TAG_MESSAGES]; p < end;) {
		struct wire_message inner;
		uint16_t len;
		int r;

		if (end - p < (ptrdiff_t)sizeof len || names++ == WIRE_ENCLOSED_MAX)
			return -EINVAL;
		memcpy(&len, p, sizeof len);
		len = le16toh(len);
		p += sizeof len;
		if (end - p < len || wire_parse(p, len, &inner) < 0)
			return -EINVAL;
		r = enclose(door, by, &inner);
		if (r < 0)
			return r;
		p += len;
	}
	return 0;
}

static void enclosure_free(struct door *door)
{
	while (!list_empty(&door->grant_list))
		grant_free(list_entry(door->grant_list.next, struct grant, in_door), -ENOENT);
	table_clear(&door->grants);
	list_remove(&door->in_board);
	user_release(door->user);
	board_bury(door);
}

int enclosure_new(struct conn *by, const struct wire_message *m, int *fd)
{
	struct door *door = enclosure_alloc(by);
	struct conn *entrance;
	int r;

	if (!door)
		return -ENOMEM;
	r = enclose_all(door, by, m);
	if (r < 0) {
		enclosure_free(door);
		return r;
	}
	entrance = conn_new(door, *fd, true);
	*fd = -1;
	if (!entrance) {
		enclosure_free(door);
		return -EDQUOT;
	}
	entrance->shared = true;
	conn_allow_descriptors(entrance);
	return 0;
}

void enclosure_settle(struct door *door)
{
	if (door->within && list_empty(&door->conns))
		enclosure_free(door);
}

void enclosure_end(struct door *door)
{
	if (list_empty(&door->conns))
		enclosure_free(door);
	/* The last of them takes the door along, whose memory lasts until the round's end. */
	while (!list_empty(&door->conns))
		conn_close(list_entry(door->conns.next, struct conn, in_door));
}
