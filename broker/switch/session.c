/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a service is told of a session, and the hand-over of its end.
 */
#include <errno.h>
#include <sys/socket.h>

#include "../../libintro/wire/message.h"
#include "board.h"
#include "conn.h"
#include "handover.h"
#include "introduce.h"
#include "recent.h"
#include "service.h"

void session_write(const struct exporter *e, const struct session *s, struct wire_writer *w)
{
	wire_put_u32(w, TAG_SOCKTYPE, s->type);
	wire_put_u32(w, TAG_WAY, s->way);
	wire_put_u32(w, TAG_PATH, s->path);
	wire_put_u64(w, TAG_SESSION, s->number);
	wire_put_string(w, TAG_DOOR, s->client.door);
	if (s->ref->label)
		wire_put_string(w, TAG_LABEL, s->ref->label);
	if (e->same_userns && s->client.uid >= 0)
		wire_put_u32(w, TAG_UID, (uint32_t)s->client.uid);
	if (e->same_userns && s->client.pid > 0)
		wire_put_u32(w, TAG_PID, (uint32_t)s->client.pid);
	if (s->client.pidfd_inode)
		wire_put_u64(w, TAG_PIDFD_INODE, s->client.pidfd_inode);
	if (s->ref->leashed)
		wire_put_u32(w, TAG_LEASH, 1);
}

int session_send(struct exporter *e, const struct session *s, int fd)
{
	struct conn *conn = e->conn;
	struct wire_writer w;
	uint8_t *message;

	if (conn->doomed)
		return -EPIPE;
	if (!list_empty(&conn->queue))
		return -EAGAIN;
	message = handover_reserve(conn);
	if (!message)
		return -EAGAIN;
	wire_begin(&w, message, HANDOVER_MESSAGE_MAX, WIRE_INCOMING, 0, e->id, 1);
	session_write(e, s, &w);
	handover_commit(conn, wire_finish(&w), fd, s->type == SOCK_STREAM);
	recent_add(conn, s->number, s->client.conn);
	return 0;
}
