/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a service is told of a session, and the hand-over of its end.
 */
#include <unistd.h>

#include "../../libintro/wire/message.h"
#include "batch.h"
#include "board.h"
#include "conn.h"
#include "introduce.h"
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
}

static void remember(struct conn *conn, const struct session *s)
{
	conn->recent[conn->next_recent++ % EXPORTER_RECENT] = (struct recent){
		.session = s->number,
		.conn = s->client.conn,
	};
}

int session_send(struct exporter *e, const struct session *s, int fd)
{
	struct conn *conn = e->handle->conn;
	uint8_t packet[512];
	struct wire_writer w;
	int r;

	wire_begin(&w, packet, sizeof packet, WIRE_INCOMING, 0, e->handle->id, 1);
	session_write(e, s, &w);
	if (e->batch) {
		r = batch_add(e->batch, packet, wire_finish(&w), fd);
		if (r < 0)
			reaper_dispose(&board.reaper, fd);
	} else {
		r = conn_send_fds(conn, packet, wire_finish(&w), &fd, 1);
		/* Of a pair the client has no end yet: nothing can be in the queue. */
		if (s->way == WAY_PAIR)
			close(fd);
		else
			reaper_dispose(&board.reaper, fd);
	}
	if (r == 0)
		remember(conn, s);
	return r;
}
