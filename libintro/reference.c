/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The references of reference.h, and the calls that make and release them.
 */
#include "reference.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "connection.h"
#include "wire/message.h"
#include "wire/name.h"

#define SLOTS_FIRST 8u

static void reference_free(struct intro_ref *ref)
{
	if (ref->dir >= 0)
		close(ref->dir);
	if (ref->uri)
		explicit_bzero(ref->uri, strlen(ref->uri));
	free(ref->uri);
	free(ref->lending);
	free(ref->info);
	free(ref);
}

void in_references_clear(struct in_references *refs)
{
	for (uint32_t i = 0; i < refs->size; i++)
		if (refs->slot[i])
			reference_free(refs->slot[i]);
	free(refs->slot);
	*refs = (struct in_references){ 0 };
}

struct intro_ref *in_reference_find(const struct intro *in, uint32_t handle)
{
	const struct in_references *refs = &in->references;

	return handle >= 1 && handle <= refs->size ? refs->slot[handle - 1] : NULL;
}

/* Give ref the lowest free handle. 0 or -ENOMEM. */
static int slot_take(struct in_references *refs, struct intro_ref *ref)
{
	while (refs->free < refs->size && refs->slot[refs->free])
		refs->free++;
	if (refs->free == refs->size) {
		uint32_t size = refs->size ? refs->size * 2 : SLOTS_FIRST;
		struct intro_ref **slot = reallocarray(refs->slot, size, sizeof *slot);

		if (!slot)
			return -ENOMEM;
		memset(slot + refs->size, 0, (size - refs->size) * sizeof *slot);
		refs->slot = slot;
		refs->size = size;
	}
	refs->slot[refs->free++] = ref;
	ref->handle = refs->free;
	return 0;
}

static void slot_give(struct in_references *refs, uint32_t handle)
{
	refs->slot[handle - 1] = NULL;
	if (handle - 1 < refs->free)
		refs->free = handle - 1;
}

struct in_request *in_reference_bind(struct intro *in, struct intro_ref *ref)
{
	if (!ref->bind)
		ref->bind = in_request_new(in, ref->type, ref);
	return ref->bind;
}

int in_reference_ask(struct intro *in, struct intro_ref *ref)
{
	struct in_request *rq = in_reference_bind(in, ref);

	if (!rq)
		return -ENOMEM;
	ref->state = IN_BINDING;
	return in_request_start(in, rq);
}

void in_reference_bound(struct intro_ref *ref)
{
	ref->state = IN_BOUND;
	ref->announced = true;
}

void in_reference_absent(struct intro_ref *ref)
{
	ref->state = IN_ABSENT;
}

int in_reference_broken(struct intro *in, struct intro_ref *ref, int error)
{
	struct intro_event ev = IN_EVENT(INTRO_BROKEN);

	if (ref->state == IN_BROKEN)
		return 0;
	ref->state = IN_BROKEN;
	ref->error = error;
	ev.error = error;
	ev.ref = ref;
	return in_event_push(in, &ev);
}

bool in_references_unbind(struct intro *in)
{
	bool any = false;

	for (uint32_t i = 0; i < in->references.size; i++) {
		struct intro_ref *ref = in->references.slot[i];

		if (!ref || ref->state == IN_BROKEN)
			continue;
		ref->state = IN_BINDING;
		any = true;
	}
	return any;
}

void in_references_break(struct intro *in, int error)
{
	for (uint32_t i = 0; i < in->references.size; i++) {
		struct intro_ref *ref = in->references.slot[i];

		/* One that is not announced is told by its request. */
		if (ref && ref->announced)
			in_reference_broken(in, ref, error);
	}
}

int in_reference_new(struct intro *in, uint16_t type, const char *name, struct intro_ref **ret)
{
	size_t len = strlen(name);
	struct intro_ref *ref;
	int r;

	if (in_foreign(in))
		return -ECHILD;
	if (!wire_name_ok(name, len))
		return -EINVAL;
	ref = malloc(sizeof *ref);
	if (!ref)
		return -ENOMEM;
	*ref = (struct intro_ref){ .in = in, .type = type, .dir = -1 };
	memcpy(ref->name, name, len + 1);
	r = slot_take(&in->references, ref);
	if (r < 0) {
		free(ref);
		return r;
	}
	*ret = ref;
	return 0;
}

void in_reference_discard(struct intro *in, struct intro_ref *ref)
{
	slot_give(&in->references, ref->handle);
	reference_free(ref);
}

int in_reference_start(struct intro *in, struct intro_ref *ref, struct intro_ref **ret)
{
	int r = in_reference_ask(in, ref);

	if (r < 0) {
		in_reference_discard(in, ref);
		return r;
	}
	*ret = ref;
	return r;
}

int intro_find(struct intro *in, const char *name, struct intro_ref **ret)
{
	struct intro_ref *ref;
	int r;

	r = in_reference_new(in, WIRE_FIND, name, &ref);
	if (r < 0)
		return r;
	ref->announced = true;
	r = in_reference_start(in, ref, ret);
	return r < 0 ? r : 0;
}

int intro_serve(struct intro *in, const char *name, const struct intro_service *options,
		struct intro_ref **ret)
{
	const unsigned int all = 1u << SOCK_STREAM | 1u << SOCK_SEQPACKET | 1u << SOCK_DGRAM;
	const struct intro_service plain = { 0 };
	struct intro_ref *ref;
	int r;

	if (!options)
		options = &plain;
	if ((options->types & ~all) || options->batch < 0 ||
	    options->batch > (int)WIRE_BATCH_MAX)
		return -EINVAL;
	r = in_reference_new(in, WIRE_SERVE, name, &ref);
	if (r < 0)
		return r;
	ref->types = options->types ? options->types : 1u << SOCK_STREAM;
	ref->fetch = options->fetch != 0;
	ref->leash = options->leash != 0;
	ref->batch = options->batch ? (unsigned int)options->batch : 1;
	if (ref->batch > in->batch)
		in->batch = ref->batch;
	return in_reference_start(in, ref, ret);
}

int intro_place(struct intro *in, const char *name, int dirfd, const char *file,
		struct intro_ref **ret)
{
	size_t len = strlen(file);
	struct intro_ref *ref;
	int r;

	if (!wire_file_ok(file, len))
		return -EINVAL;
	r = in_reference_new(in, WIRE_PLACE, name, &ref);
	if (r < 0)
		return r;
	memcpy(ref->file, file, len + 1);
	ref->dir = fcntl(dirfd, F_DUPFD_CLOEXEC, 3);
	if (ref->dir < 0) {
		r = -errno;
		in_reference_discard(in, ref);
		return r;
	}
	return in_reference_start(in, ref, ret);
}

static void send_drop(struct intro *in, const struct intro_ref *ref)
{
	uint8_t packet[WIRE_HEADER_BYTES];
	struct wire_writer w;

	wire_begin(&w, packet, sizeof packet, WIRE_DROP, 0, ref->handle, 0);
	/* Without room even for this, only a new connection makes the broker forget it. */
	if (in_output_send(in, packet, wire_finish(&w), -1) < 0)
		in_connection_lost(in, false);
}

struct intro_ref *intro_unref(struct intro_ref *ref)
{
	struct intro *in;

	if (!ref || in_foreign(ref->in))
		return NULL;
	in = ref->in;
	in_events_forget(in, ref);
	in_requests_forget(in, ref);
	in_requests_forget_other(in, ref);
	if (in->state == IN_UP && ref->state <= IN_BOUND)
		send_drop(in, ref);
	slot_give(&in->references, ref->handle);
	reference_free(ref);
	return NULL;
}

const char *intro_ref_name(const struct intro_ref *ref)
{
	return ref->name;
}
