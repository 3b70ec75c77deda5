/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The hand-overs of handover.h. A connection has a buffer only while there is something in it.
 */
#include "handover.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../../libintro/wire/message.h"
#include "../../libintro/wire/packet.h"
#include "board.h"
#include "conn.h"
#include "flight.h"
#include "listener.h"

/* The envelope of several messages is a header and one tag. */
#define ENVELOPE_BYTES (WIRE_HEADER_BYTES + WIRE_TLV_BYTES)
#define LENGTH_BYTES 2u

struct handover {
	struct conn *conn;
	struct list in_board;
	uint32_t count;
	size_t used;
	int fds[WIRE_BATCH_MAX];	/* owned */
	bool stream[WIRE_BATCH_MAX];	/* each is a SOCK_STREAM */
	uint8_t messages[WIRE_PACKET_MAX - ENVELOPE_BYTES]; /* each behind its length */
};

static void release(struct handover *h)
{
	list_remove(&h->in_board);
	h->conn->handover = NULL;
	if (board.spare_handover)
		free(h);
	else
		board.spare_handover = h;
}

static struct handover *begin(struct conn *conn)
{
	struct handover *h = board.spare_handover;

	board.spare_handover = NULL;
	if (!h)
		h = malloc(sizeof *h);
	if (!h)
		return NULL;
	h->conn = conn;
	h->count = 0;
	h->used = 0;
	conn->handover = h;
	list_append(&board.handovers, &h->in_board);
	return h;
}

static size_t message_len(const uint8_t *at)
{
	return (size_t)at[0] | (size_t)at[1] << 8;
}

/* Forget the first n messages, of so many bytes; our copies of their descriptors with them. */
static void sent(struct handover *h, uint32_t n, size_t bytes)
{
	for (uint32_t i = 0; i < n; i++)
		reaper_dispose(&board.reaper, h->fds[i], h->stream[i]);
	h->count -= n;
	h->used -= bytes;
	if (h->count == 0)
		return;
	memmove(h->fds, h->fds + n, h->count * sizeof h->fds[0]);
	memmove(h->stream, h->stream + n, h->count * sizeof h->stream[0]);
	memmove(h->messages, h->messages + bytes, h->used);
}

/* Several in one packet. 0 or a negative errno. */
static int send_together(struct handover *h)
{
	uint8_t packet[WIRE_PACKET_MAX];
	struct wire_writer w;
	int r;

	wire_begin(&w, packet, sizeof packet, WIRE_BATCH, 0, 0, (uint8_t)h->count);
	wire_put_bytes(&w, TAG_MESSAGES, h->messages, h->used);
	r = packet_send(h->conn->source.fd, packet, (size_t)wire_finish(&w), h->fds, h->count);
	if (r == 0)
		sent(h, h->count, h->used);
	return r;
}

static int send_each(struct handover *h)
{
	size_t at = 0;
	uint32_t n = 0;
	int r = 0;

	for (; n < h->count; n++) {
		size_t len = message_len(h->messages + at);

		r = packet_send(h->conn->source.fd, h->messages + at + LENGTH_BYTES, len,
				h->fds + n, 1);
		if (r < 0)
			break;
		at += LENGTH_BYTES + len;
	}
	sent(h, n, at);
	return r;
}

static void flush(struct handover *h)
{
	struct conn *conn = h->conn;
	int r = 0;

	if (h->count > 0) {
		r = h->count > 1 && h->count <= conn->batch ? send_together(h) : send_each(h);
		flight_note(r);
	}
	if (r == -EAGAIN || r == -ETOOMANYREFS || r == -ENOMEM || r == -ENOBUFS) {
		listener_retry_soon();
		return;
	}
	if (r < 0)
		conn_doom(conn);
	if (h->count > 0)
		sent(h, h->count, h->used);
	release(h);
}

uint8_t *handover_reserve(struct conn *conn)
{
	struct handover *h = conn->handover;
	uint32_t most = conn->batch > 1 ? conn->batch : WIRE_BATCH_MAX;

	if (h && (h->count == most ||
		  sizeof h->messages - h->used < HANDOVER_MESSAGE_MAX + LENGTH_BYTES)) {
		flush(h);
		/* Still there: the kernel has no room now. */
		if (conn->handover)
			return NULL;
		h = NULL;
	}
	if (!h)
		h = begin(conn);
	return h ? h->messages + h->used + LENGTH_BYTES : NULL;
}

void handover_commit(struct conn *conn, int len, int fd, bool stream)
{
	struct handover *h = conn->handover;

	h->messages[h->used] = (uint8_t)len;
	h->messages[h->used + 1] = (uint8_t)(len >> 8);
	h->used += LENGTH_BYTES + (size_t)len;
	h->fds[h->count] = fd;
	h->stream[h->count++] = stream;
	flight_sent(conn, 1);
}

void handover_take_back(struct conn *conn)
{
	struct handover *h = conn->handover;
	size_t at = 0, len = 0;

	if (!h || h->count == 0)
		return;
	for (size_t next = 0; next < h->used; next += len) {
		at = next;
		len = LENGTH_BYTES + message_len(h->messages + at);
	}
	h->used = at;
	close(h->fds[--h->count]);
	flight_unsent(conn, 1);
}

void handover_flush_all(void)
{
	list_foreach_safe(it, &board.handovers)
		flush(list_entry(it, struct handover, in_board));
}

void handover_drop(struct conn *conn)
{
	struct handover *h = conn->handover;

	if (!h)
		return;
	sent(h, h->count, h->used);
	release(h);
}
