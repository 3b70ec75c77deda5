/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The list of fetch.h, and intro_answer().
 */
#include "fetch.h"

#include <errno.h>
#include <stdlib.h>

#include "connection.h"
#include "wire/message.h"

int in_fetch_new(struct intro *in, uint32_t serial)
{
	struct in_fetch *f = malloc(sizeof *f);

	if (!f)
		return -ENOMEM;
	*f = (struct in_fetch){
		.next = in->fetches,
		.number = (int)in_serial_new(in),
		.serial = serial,
	};
	in->fetches = f;
	return f->number;
}

void in_fetches_clear(struct intro *in)
{
	while (in->fetches) {
		struct in_fetch *f = in->fetches;

		in->fetches = f->next;
		free(f);
	}
}

static int send_fetched(struct intro *in, uint32_t serial, int fd_or_error)
{
	uint8_t packet[WIRE_HEADER_BYTES + WIRE_TLV_BYTES + sizeof(uint32_t)];
	struct wire_writer w;
	int fd = fd_or_error >= 0 ? fd_or_error : -1;

	wire_begin(&w, packet, sizeof packet, WIRE_FETCHED, serial, 0, fd >= 0);
	if (fd < 0)
		wire_put_u32(&w, TAG_ERROR, (uint32_t)fd_or_error);
	return in_output_send(in, packet, wire_finish(&w), fd);
}

void in_fetch_refuse(struct intro *in, uint32_t serial, int error)
{
	/* Without room even for this, only a new connection brings both sides in step. */
	if (send_fetched(in, serial, error) < 0)
		in_connection_lost(in, false);
}

int in_fetch_answer(struct intro *in, int number, int fd_or_error)
{
	for (struct in_fetch **at = &in->fetches; *at; at = &(*at)->next) {
		struct in_fetch *f = *at;
		uint32_t serial = f->serial;
		int r;

		if (f->number != number)
			continue;
		*at = f->next;
		free(f);
		r = send_fetched(in, serial, fd_or_error);
		if (r < 0)
			in_fetch_refuse(in, serial, r);
		return r;
	}
	return -ENOENT;
}

int intro_answer(struct intro *in, int request, int fd)
{
	if (in_foreign(in))
		return -ECHILD;
	return in_fetch_answer(in, request, fd);
}
