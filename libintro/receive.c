/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The messages that come to us, one handler each.
 *
 * A handler gets the message and its descriptors, and takes over those that it sets to -1 in
 * fds; the rest are closed after it. 0, -EPROTO for what makes no sense, or -ENOMEM.
 */
#include "receive.h"

#include <endian.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cleanup.h"
#include "connection.h"
#include "wire/message.h"
#include "wire/packet.h"

static int on_reply(struct intro *in, const struct wire_message *m, int *fds, size_t nfds)
{
	struct in_request *rq = in_request_find(in, m->head.serial);
	int error = wire_i32(m, TAG_ERROR, 0);

	if (m->head.serial == 0 && error < 0 && error >= -WIRE_ERRNO_MAX) {
		in_connection_refused(in, error);
		return 0;
	}
	/* The answer to something that was given up meanwhile. */
	if (!rq || !rq->sent || rq->failed)
		return 0;
	return in_request_answer(in, rq, m, nfds == 1 ? in_steal(&fds[0]) : -1);
}

/* Fill in what INCOMING and FETCH have in common. 0, or -EPROTO. */
static int read_incoming(const struct wire_message *m, struct intro_event *ev)
{
	uint32_t path = wire_u32(m, TAG_PATH, PATH_LOCAL), way = wire_u32(m, TAG_WAY, 0);
	uint32_t type = wire_u32(m, TAG_SOCKTYPE, 0);

	if (path < PATH_LOCAL || path > PATH_SPLICED || way < WAY_LISTEN || way > WAY_PLACED)
		return -EPROTO;
	if (type != SOCK_STREAM && type != SOCK_SEQPACKET && type != SOCK_DGRAM)
		return -EPROTO;
	if (wire_string(m, TAG_DOOR, ev->door, sizeof ev->door) == -ENAMETOOLONG ||
	    wire_string(m, TAG_LABEL, ev->label, sizeof ev->label) == -ENAMETOOLONG)
		return -EPROTO;
	ev->type = (int)type;
	ev->path = (enum intro_path)path;
	ev->way = (enum intro_way)way;
	ev->session = wire_u64(m, TAG_SESSION, 0);
	ev->uid = wire_has(m, TAG_UID) ? (int64_t)wire_u32(m, TAG_UID, 0) : -1;
	ev->pid = wire_has(m, TAG_PID) ? (int64_t)wire_u32(m, TAG_PID, 0) : -1;
	ev->pidfd_inode = wire_u64(m, TAG_PIDFD_INODE, 0);
	return 0;
}

/* The reference of a handle that serves. Until its SERVE is answered, what comes is for an
 * earlier holder of the same handle. */
static struct intro_ref *served(struct intro *in, uint32_t handle)
{
	struct intro_ref *ref = in_reference_find(in, handle);

	return ref && ref->type == WIRE_SERVE && ref->state == IN_BOUND ? ref : NULL;
}

static int on_incoming(struct intro *in, const struct wire_message *m, int *fds, size_t nfds)
{
	struct intro_event ev = IN_EVENT(INTRO_INCOMING);
	int r;

	if (nfds != 1)
		return -EPROTO;
	r = read_incoming(m, &ev);
	if (r < 0)
		return r;
	ev.ref = served(in, m->head.ref);
	if (!ev.ref)
		return 0;
	ev.leashed = wire_u32(m, TAG_LEASH, 0) != 0;
	ev.fd = in_steal(&fds[0]);
	return in_event_push(in, &ev);
}

static int on_fetch(struct intro *in, const struct wire_message *m, int *fds, size_t nfds)
{
	struct intro_event ev = IN_EVENT(INTRO_FETCH);
	int r;

	(void)fds;
	if (nfds != 0)
		return -EPROTO;
	r = read_incoming(m, &ev);
	if (r < 0)
		return r;
	ev.ref = served(in, m->head.ref);
	if (!ev.ref) {
		in_fetch_refuse(in, m->head.serial, -ECONNREFUSED);
		return 0;
	}
	ev.request = in_fetch_new(in, m->head.serial);
	if (ev.request < 0) {
		in_fetch_refuse(in, m->head.serial, -ENOMEM);
		return -ENOMEM;
	}
	r = in_event_push(in, &ev);
	if (r < 0)
		in_fetch_answer(in, ev.request, r);
	return r;
}

static int on_listener(struct intro *in, const struct wire_message *m, int *fds, size_t nfds)
{
	struct in_request *rq = in_request_find(in, m->head.serial);
	struct intro_event ev = IN_EVENT(INTRO_LISTENER);

	if (nfds != 1 || wire_string(m, TAG_DOOR, ev.door, sizeof ev.door) < 0 ||
	    wire_string(m, TAG_FILE, ev.file, sizeof ev.file) < 0)
		return -EPROTO;
	if (!rq || rq->type != WIRE_LISTENERS)
		return 0;
	ev.request = (int)rq->number;
	ev.fd = in_steal(&fds[0]);
	ev.type = SOCK_STREAM;
	ev.path = INTRO_LOCAL;
	ev.way = INTRO_WAY_LISTEN;
	ev.ref = rq->ref;
	return in_event_push(in, &ev);
}

static int on_broken(struct intro *in, const struct wire_message *m, int *fds, size_t nfds)
{
	struct intro_ref *ref = in_reference_find(in, m->head.ref);
	int error = wire_i32(m, TAG_ERROR, 0);

	(void)fds;
	if (nfds != 0 || error >= 0)
		return -EPROTO;
	/* Before a binding is answered, this is about an earlier holder of the handle. */
	if (!ref || ref->state != IN_BOUND)
		return 0;
	return in_reference_broken(in, ref, error);
}

/* A sequence of { u16 length, INCOMING }, whose descriptors are the packet's, in order. */
static int on_batch(struct intro *in, const struct wire_message *m, int *fds, size_t nfds)
{
	const uint8_t *p = m->value[TAG_MESSAGES], *end;
	size_t used = 0;

	if (!wire_has(m, TAG_MESSAGES))
		return -EPROTO;
	for (end = p + m->length[TAG_MESSAGES]; p < end; used++) {
		struct wire_message inner;
		uint16_t len;
		int r;

		if (end - p < 2 || used == nfds)
			return -EPROTO;
		memcpy(&len, p, sizeof len);
		len = le16toh(len);
		p += sizeof len;
		if (end - p < len || wire_parse(p, len, &inner) < 0 ||
		    inner.head.type != WIRE_INCOMING)
			return -EPROTO;
		r = on_incoming(in, &inner, &fds[used], 1);
		if (r < 0)
			return r;
		p += len;
	}
	return used == nfds ? 0 : -EPROTO;
}

static int handle(struct intro *in, const struct wire_message *m, int *fds, size_t nfds)
{
	if (m->head.nfds != nfds)
		return -EPROTO;
	switch (m->head.type) {
	case WIRE_REPLY:
		return on_reply(in, m, fds, nfds);
	case WIRE_INCOMING:
		return on_incoming(in, m, fds, nfds);
	case WIRE_FETCH:
		return on_fetch(in, m, fds, nfds);
	case WIRE_LISTENER:
		return on_listener(in, m, fds, nfds);
	case WIRE_BROKEN:
		return on_broken(in, m, fds, nfds);
	case WIRE_BATCH:
		return on_batch(in, m, fds, nfds);
	default:
		return -EPROTO;
	}
}

int in_receive(struct intro *in)
{
	uint8_t packet[WIRE_PACKET_MAX];
	struct wire_message m;
	int fds[WIRE_BATCH_MAX], r;
	size_t nfds = 0;
	ssize_t n;

	n = packet_recv(in->sock, packet, fds, in->batch, &nfds);
	if (n == -EAGAIN)
		return 0;
	if (n == -EMFILE) {
		in_requests_fail_fds(in, -EMFILE);
		return -EMFILE;
	}
	if (n <= 0) {
		in_connection_lost(in, n != 0 && n != -ECONNRESET);
		return 0;
	}
	r = wire_parse(packet, (size_t)n, &m);
	if (r == 0)
		r = handle(in, &m, fds, nfds);
	for (size_t i = 0; i < nfds; i++)
		in_closep(&fds[i]);
	if (r == -EPROTO || r == -EPROTONOSUPPORT) {
		in_connection_lost(in, true);
		return 0;
	}
	if (in->state == IN_UP && !in->proven) {
		in->proven = true;
		in->fruitless = 0;
		in->delay_ms = 0;
	}
	return r < 0 ? r : 1;
}
