/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sending, with the queue of queue.h behind it.
 */
#include "queue.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../../libintro/wire/packet.h"
#include "board.h"
#include "conn.h"
#include "flight.h"

struct queued {
	struct list in_conn;
	size_t len;
	uint8_t packet[];
};

static int enqueue(struct conn *conn, const void *packet, size_t len)
{
	struct queued *q;

	if (conn->queued >= CONN_QUEUE_MAX)
		return -ENOBUFS;
	q = malloc(sizeof *q + len);
	if (!q)
		return -ENOMEM;
	q->len = len;
	memcpy(q->packet, packet, len);
	list_append(&conn->queue, &q->in_conn);
	conn->queued++;
	conn_await_drain(conn);
	/* cppcheck-suppress memleak; it is in the queue */
	return 0;
}

static void drop_first(struct conn *conn)
{
	struct queued *q = list_entry(conn->queue.next, struct queued, in_conn);

	list_remove(&q->in_conn);
	conn->queued--;
	free(q);
}

bool queue_flush(struct conn *conn)
{
	while (!list_empty(&conn->queue)) {
		struct queued *q = list_entry(conn->queue.next, struct queued, in_conn);
		int r = packet_send(conn->source.fd, q->packet, q->len, NULL, 0);

		if (r == -EAGAIN)
			return false;
		if (r < 0) {
			conn_doom(conn);
			return false;
		}
		drop_first(conn);
	}
	return true;
}

void queue_clear(struct conn *conn)
{
	while (!list_empty(&conn->queue))
		drop_first(conn);
}

void conn_send(struct conn *conn, const void *packet, int len)
{
	int r = len;

	if (conn->doomed)
		return;
	if (len >= 0)
		r = list_empty(&conn->queue) ?
			    packet_send(conn->source.fd, packet, (size_t)len, NULL, 0) : -EAGAIN;
	if (r == -EAGAIN)
		r = enqueue(conn, packet, (size_t)len);
	if (r < 0)
		conn_doom(conn);
}

int conn_send_fds(struct conn *conn, const void *packet, int len, const int *fds, size_t nfds)
{
	int r;

	if (conn->doomed)
		return -EPIPE;
	if (len < 0)
		return len;
	if (!list_empty(&conn->queue))
		return -EAGAIN;
	r = packet_send(conn->source.fd, packet, (size_t)len, fds, nfds);
	flight_note(r);
	if (r == 0)
		flight_sent(conn, (uint32_t)nfds);
	return r;
}
