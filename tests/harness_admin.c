/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the tests ask of a broker's control.sock: harness.h. Each request has a connection of its
 * own, so that what is left behind is nobody's but the broker's.
 */
#include "harness.h"

#include <unistd.h>

struct request {
	uint8_t buf[WIRE_PACKET_MAX];
	struct wire_writer w;
};

/* Tags come in ascending order, and a name before its door. */
static struct wire_writer *begin(struct request *r, enum wire_type type, const char *name,
				 const char *door)
{
	wire_begin(&r->w, r->buf, sizeof r->buf, (uint16_t)type, 1, 0, 0);
	if (name)
		wire_put_string(&r->w, TAG_NAME, name);
	if (door)
		wire_put_string(&r->w, TAG_DOOR, door);
	return &r->w;
}

int broker_administer(const struct broker *b, const struct wire_writer *w)
{
	int sock = raw_open_control(b), error;
	struct raw reply = { .nfds = 0 };

	error = raw_ask(sock, w, -1, &reply);
	raw_close(&reply);
	close(sock);
	return error;
}

int broker_add_door(const struct broker *b, const char *door)
{
	struct request r;

	return broker_administer(b, begin(&r, WIRE_DOOR_ADD, NULL, door));
}

int broker_remove_door(const struct broker *b, const char *door)
{
	struct request r;

	return broker_administer(b, begin(&r, WIRE_DOOR_REMOVE, NULL, door));
}

int broker_grant(const struct broker *b, const char *door, const char *name,
		 enum wire_right rights)
{
	return broker_grant_as(b, door, name, NULL, rights);
}

int broker_grant_as(const struct broker *b, const char *door, const char *name,
		    const char *service, enum wire_right rights)
{
	struct request r;
	struct wire_writer *w = begin(&r, WIRE_GRANT, name, door);

	if (service)
		wire_put_string(w, TAG_SERVICE, service);
	wire_put_u32(w, TAG_RIGHTS, rights);
	return broker_administer(b, w);
}

int broker_ungrant(const struct broker *b, const char *door, const char *name)
{
	struct request r;

	return broker_administer(b, begin(&r, WIRE_UNGRANT, name, door));
}

int broker_limit(const struct broker *b, const char *door, enum wire_tag max, uint32_t value)
{
	struct request r;
	struct wire_writer *w = begin(&r, WIRE_LIMIT, NULL, door);

	wire_put_u32(w, max, value);
	return broker_administer(b, w);
}

int broker_limit_uid(const struct broker *b, uid_t uid, enum wire_tag max, uint32_t value)
{
	struct request r;
	struct wire_writer *w = begin(&r, WIRE_LIMIT, NULL, NULL);

	wire_put_u32(w, TAG_UID, uid);
	wire_put_u32(w, max, value);
	return broker_administer(b, w);
}

uint64_t broker_usage(const struct broker *b, const char *door, uid_t uid, enum wire_tag what)
{
	struct request r;
	struct wire_writer *w = begin(&r, WIRE_LIST, NULL, door);
	int sock = raw_open_control(b);
	uint64_t used = 0;
	struct raw row;

	wire_put_u32(w, TAG_WHAT, WHAT_USAGE);
	raw_send(sock, w, -1);
	for (;;) {
		if (raw_recv(sock, &row) <= 0)
			harness_fail("the listing of usage broke off");
		if (row.m.head.type != WIRE_ROW)
			break;
		if (door || (wire_has(&row.m, TAG_UID) && wire_u32(&row.m, TAG_UID, 0) == uid))
			used = wire_tag_kind(what) == KIND_U64 ? wire_u64(&row.m, what, 0) :
								 wire_u32(&row.m, what, 0);
	}
	close(sock);
	return used;
}
