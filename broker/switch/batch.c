/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The batches of batch.h.
 */
#include "batch.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../../libintro/wire/message.h"
#include "../../libintro/wire/packet.h"
#include "board.h"
#include "conn.h"
#include "flight.h"
#include "service.h"

/* Room for the envelope's header and its one tag. */
#define ENVELOPE_BYTES (WIRE_HEADER_BYTES + WIRE_TLV_BYTES)

struct batch {
	struct exporter *exporter;
	struct list in_board;	/* while there is something in it */
	uint32_t most;
	uint32_t count;
	size_t used;
	int fds[WIRE_BATCH_MAX];	/* owned */
	uint8_t messages[WIRE_PACKET_MAX - ENVELOPE_BYTES];
};

struct batch *batch_new(struct exporter *e, uint32_t most)
{
	struct batch *b = malloc(sizeof *b);

	if (!b)
		return NULL;
	b->exporter = e;
	b->most = most < WIRE_BATCH_MAX ? most : WIRE_BATCH_MAX;
	b->count = 0;
	b->used = 0;
	list_init(&b->in_board);
	return b;
}

static void flush(struct batch *b)
{
	struct conn *conn = b->exporter->handle->conn;
	uint8_t packet[WIRE_PACKET_MAX];
	struct wire_writer w;
	int r;

	list_remove(&b->in_board);
	if (b->count == 0)
		return;
	if (b->count == 1) {
		r = packet_send(conn->source.fd, b->messages + 2, b->used - 2, b->fds, 1);
	} else {
		wire_begin(&w, packet, sizeof packet, WIRE_BATCH, 0, 0, (uint8_t)b->count);
		wire_put_bytes(&w, TAG_MESSAGES, b->messages, b->used);
		r = packet_send(conn->source.fd, packet, (size_t)wire_finish(&w), b->fds,
				b->count);
	}
	/* Room was asked for, so this is a service that has died: its clients see the end. */
	if (r < 0 && r != -ETOOMANYREFS)
		conn_doom(conn);
	for (uint32_t i = 0; i < b->count; i++)
		reaper_dispose(&board.reaper, b->fds[i]);
	b->count = 0;
	b->used = 0;
}

void batch_free(struct batch *b)
{
	flush(b);
	free(b);
}

int batch_add(struct batch *b, const void *packet, int len, int fd)
{
	struct conn *conn = b->exporter->handle->conn;

	if (len < 0)
		return len;
	if (conn->doomed)
		return -EPIPE;
	if (!list_empty(&conn->queue))
		return -EAGAIN;
	if (b->count == b->most || sizeof b->messages - b->used < (size_t)len + 2)
		flush(b);
	b->messages[b->used] = (uint8_t)len;
	b->messages[b->used + 1] = (uint8_t)(len >> 8);
	memcpy(b->messages + b->used + 2, packet, (size_t)len);
	b->used += (size_t)len + 2;
	b->fds[b->count++] = fd;
	if (b->count == 1)
		list_append(&board.batches, &b->in_board);
	flight_sent(conn, 1);
	return 0;
}

void batch_flush_all(void)
{
	list_foreach_safe(it, &board.batches)
		flush(list_entry(it, struct batch, in_board));
}
