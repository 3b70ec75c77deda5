/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The queue of output.h: records of a struct output and its bytes, one behind the other.
 */
#include "output.h"

#include <stdlib.h>
#include <string.h>

#define FIRST_BYTES 4096u
/* A burst is a few dozen datagrams; a driver that takes nothing out is told so by .lost. */
#define MAX_BYTES (1024u * 1024u)

static size_t record_bytes(size_t len)
{
	size_t align = _Alignof(struct output);

	return (sizeof(struct output) + len + align - 1) / align * align;
}

static bool make_room(struct output_queue *q, size_t need)
{
	size_t size = q->size ? q->size : FIRST_BYTES;
	uint8_t *buf;

	if (q->head == q->tail)
		q->head = q->tail = 0;
	if (q->size - q->tail >= need)
		return true;
	if (q->head > 0) {
		memmove(q->buf, q->buf + q->head, q->tail - q->head);
		q->tail -= q->head;
		q->head = 0;
	}
	while (size - q->tail < need)
		size *= 2;
	if (size == q->size)
		return true;
	buf = size <= MAX_BYTES ? realloc(q->buf, size) : NULL;
	if (!buf)
		return false;
	q->buf = buf;
	q->size = size;
	return true;
}

void output_put(struct output_queue *q, const struct output *o)
{
	size_t need = record_bytes(o->len);
	struct output record = *o;

	if (o->len > OUTPUT_BYTES_MAX || !make_room(q, need)) {
		q->lost = true;
		return;
	}
	record.bytes = NULL;
	memcpy(q->buf + q->tail, &record, sizeof record);
	if (o->len > 0)
		memcpy(q->buf + q->tail + sizeof record, o->bytes, o->len);
	q->tail += need;
}

bool output_take(struct output_queue *q, struct output *ret)
{
	if (q->head == q->tail)
		return false;
	memcpy(ret, q->buf + q->head, sizeof *ret);
	ret->bytes = q->buf + q->head + sizeof *ret;
	q->head += record_bytes(ret->len);
	return true;
}

void output_free(struct output_queue *q)
{
	free(q->buf);
	*q = (struct output_queue){ 0 };
}
