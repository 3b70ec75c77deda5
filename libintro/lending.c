/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The calls that make, give and compare references, and their requests (lending.h).
 */
#include "lending.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "cleanup.h"
#include "clock.h"
#include "connection.h"
#include "wire/name.h"

#define RIGHTS_KNOWN                                                             \
	(INTRO_MAY_CONNECT | INTRO_MAY_SERVE | INTRO_MAY_GIVE | INTRO_MAY_SAVE | \
	 INTRO_MAY_REVOKE)

/* How long a gift waits that waits for ever. */
#define GIFT_USEC_MAX UINT64_C(86400000000)

static int check_terms(const struct intro_terms *t)
{
	if (t->rights & ~(unsigned int)RIGHTS_KNOWN || t->lifetime_ms < 0 ||
	    t->lifetime_ms > INT64_MAX / 1000)
		return -EINVAL;
	return t->label && t->label[0] && !wire_label_ok(t->label, strlen(t->label)) ? -EINVAL : 0;
}

/* name: NULL where there is none. */
static void put_terms(struct wire_writer *w, const struct intro_terms *t, const char *name,
		      uint64_t parent)
{
	if (name)
		wire_put_string(w, TAG_NAME, name);
	if (t->label && t->label[0])
		wire_put_string(w, TAG_LABEL, t->label);
	if (t->rights)
		wire_put_u32(w, TAG_RIGHTS, t->rights);
	if (t->lifetime_ms)
		wire_put_u64(w, TAG_LIFETIME, (uint64_t)t->lifetime_ms * 1000);
	if (t->uses)
		wire_put_u32(w, TAG_USES, t->uses);
	if (t->sessions)
		wire_put_u32(w, TAG_SESSIONS, t->sessions);
	if (t->leash)
		wire_put_u32(w, TAG_LEASH, 1);
	if (parent)
		wire_put_u64(w, TAG_PARENT, parent);
}

void in_lending_put(struct wire_writer *w, const struct in_request *rq)
{
	switch (rq->type) {
	case WIRE_LEND:
		put_terms(w, &rq->ref->lending->terms, NULL, rq->other->handle);
		break;
	case WIRE_CLAIM:
		wire_put_bytes(w, TAG_GIFT, rq->ref->lending->gift, WIRE_GIFT_BYTES);
		break;
	case WIRE_SAME:
		wire_put_u64(w, TAG_PARENT, rq->other->handle);
		break;
	case WIRE_GIVE:
		wire_put_u64(w, TAG_WAIT, rq->gift_usec);
		if (rq->other)
			wire_put_u32(w, TAG_RECIPIENT, rq->other->handle);
		else
			wire_put_string(w, TAG_DOOR, rq->name);
		break;
	default:
		break;
	}
}

int in_lending_pair(struct in_request *rq, int *ret_theirs)
{
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) < 0)
		return -errno;
	in_closep(&rq->fd);
	rq->fd = pair[0];
	*ret_theirs = pair[1];
	return 0;
}

static int read_info(struct intro_ref *ref, const struct wire_message *m)
{
	struct intro_info *info = ref->info ? ref->info : malloc(sizeof *info);

	if (!info)
		return -ENOMEM;
	ref->info = info;
	*info = (struct intro_info){
		.rights = wire_u32(m, TAG_RIGHTS, 0),
		.uses = wire_has(m, TAG_USES) ? (int64_t)wire_u32(m, TAG_USES, 0) : -1,
		.sessions = wire_has(m, TAG_SESSIONS) ? (int64_t)wire_u32(m, TAG_SESSIONS, 0) : -1,
		.leash = wire_u32(m, TAG_LEASH, 0) != 0,
		.number = wire_u64(m, TAG_REFERENCE, 0),
		.expires_ms = -1,
	};
	if (wire_has(m, TAG_EXPIRES))
		info->expires_ms = (int64_t)(wire_u64(m, TAG_EXPIRES, 0) / 1000 & INT64_MAX);
	wire_string(m, TAG_LABEL, info->label, sizeof info->label);
	wire_string(m, TAG_PROVENANCE, info->provenance, sizeof info->provenance);
	return 0;
}

static int read_gift(const struct wire_message *m, struct intro_event *ev)
{
	if (!wire_has(m, TAG_GIFT) || m->length[TAG_GIFT] != WIRE_GIFT_BYTES)
		return -EPROTO;
	for (size_t i = 0; i < WIRE_GIFT_BYTES; i++)
		snprintf(ev->gift + 2 * i, 3, "%02x", m->value[TAG_GIFT][i]);
	return 0;
}

int in_lending_answer(struct in_request *rq, const struct wire_message *m,
		      struct intro_event *ev)
{
	switch (rq->type) {
	case WIRE_GIVE:
		return read_gift(m, ev);
	case WIRE_SAME:
		ev->same = wire_u32(m, TAG_VERDICT, 1) == 0;
		return 0;
	case WIRE_STAT:
		return read_info(rq->ref, m);
	case WIRE_ENCLOSE:
		ev->fd = in_steal(&rq->fd);
		ev->type = SOCK_SEQPACKET;
		return 0;
	default:
		return 0;
	}
}

/* A reference to be bound by LEND or CLAIM. 0 or a negative errno. */
static int lending_new(struct intro *in, uint16_t type, const char *name, struct intro_ref **ret)
{
	struct intro_ref *ref;
	int r = in_reference_new(in, type, name, &ref);

	if (r < 0)
		return r;
	ref->lending = calloc(1, sizeof *ref->lending);
	if (!ref->lending) {
		in_reference_discard(in, ref);
		return -ENOMEM;
	}
	*ret = ref;
	return 0;
}

/* Why nothing can be asked about a reference (and another, or NULL); 0: it can. */
static int check_held(const struct intro_ref *ref, const struct intro_ref *other)
{
	if (in_foreign(ref->in))
		return -ECHILD;
	if (other && other->in != ref->in)
		return -EXDEV;
	if (ref->state == IN_BROKEN)
		return ref->error;
	return other && other->state == IN_BROKEN ? other->error : 0;
}

int intro_lend(struct intro_ref *parent, const struct intro_terms *terms, struct intro_ref **ret)
{
	const struct intro_terms none = { 0 };
	struct intro *in = parent->in;
	struct intro_ref *ref;
	struct in_request *rq;
	int r = check_held(parent, NULL);

	if (r < 0)
		return r;
	if (!terms)
		terms = &none;
	if (check_terms(terms) < 0)
		return -EINVAL;
	r = lending_new(in, WIRE_LEND, parent->name, &ref);
	if (r < 0)
		return r;
	ref->lending->terms = *terms;
	ref->lending->terms.label = NULL;
	if (terms->label && terms->label[0]) {
		strcpy(ref->lending->label, terms->label);
		ref->lending->terms.label = ref->lending->label;
	}
	rq = in_reference_bind(in, ref);
	if (!rq) {
		in_reference_discard(in, ref);
		return -ENOMEM;
	}
	rq->other = parent;
	return in_reference_start(in, ref, ret);
}

static int hex(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

int intro_claim(struct intro *in, const char *gift, struct intro_ref **ret)
{
	uint8_t bytes[WIRE_GIFT_BYTES];
	struct intro_ref *ref;
	int r;

	if (in_foreign(in))
		return -ECHILD;
	if (strlen(gift) != sizeof bytes * 2)
		return -EINVAL;
	for (size_t i = 0; i < sizeof bytes; i++) {
		int high = hex(gift[2 * i]), low = hex(gift[2 * i + 1]);

		if (high < 0 || low < 0)
			return -EINVAL;
		bytes[i] = (uint8_t)(high << 4 | low);
	}
	r = lending_new(in, WIRE_CLAIM, "gift", &ref);
	if (r < 0)
		return r;
	memcpy(ref->lending->gift, bytes, sizeof bytes);
	return in_reference_start(in, ref, ret);
}

/* A request about a reference that we hold. */
static int ask(struct intro_ref *ref, uint16_t type, struct intro_ref *other)
{
	struct in_request *rq;
	int r = check_held(ref, other);

	if (r < 0)
		return r;
	rq = in_request_new(ref->in, type, ref);
	if (!rq)
		return -ENOMEM;
	rq->other = other;
	return in_request_start(ref->in, rq);
}

int intro_revoke(struct intro_ref *ref)
{
	return ask(ref, WIRE_REVOKE, NULL);
}

int intro_stat(struct intro_ref *ref)
{
	return ask(ref, WIRE_STAT, NULL);
}

int intro_same(struct intro_ref *a, struct intro_ref *b)
{
	return ask(a, WIRE_SAME, b);
}

static int give(struct intro_ref *ref, struct intro_ref *recipient, const char *door, int wait_ms)
{
	struct in_request *rq;
	int r = check_held(ref, recipient);

	if (r < 0)
		return r;
	if (door && !wire_name_ok(door, strlen(door)))
		return -EINVAL;
	rq = in_request_new(ref->in, WIRE_GIVE, ref);
	if (!rq)
		return -ENOMEM;
	rq->other = recipient;
	if (door)
		strcpy(rq->name, door);
	rq->gift_usec = wait_ms < 0 ? GIFT_USEC_MAX : (uint64_t)wait_ms * 1000;
	return in_request_start(ref->in, rq);
}

int intro_give(struct intro_ref *ref, struct intro_ref *recipient, int wait_ms)
{
	return give(ref, recipient, NULL, wait_ms);
}

int intro_give_door(struct intro_ref *ref, const char *door, int wait_ms)
{
	return give(ref, NULL, door, wait_ms);
}

/* The LENDs of an enclosure, each behind its length. Bytes, or a negative errno. */
static int put_enclosed(struct intro *in, const struct intro_enclosed *names, size_t n,
			uint8_t buf[WIRE_PACKET_MAX])
{
	const size_t room = WIRE_PACKET_MAX - WIRE_HEADER_BYTES - WIRE_TLV_BYTES;
	const struct intro_terms none = { 0 };
	size_t used = 0;

	for (size_t i = 0; i < n; i++) {
		const struct intro_terms *terms = names[i].terms ? names[i].terms : &none;
		struct wire_writer w;
		int len;

		if (names[i].ref->in != in)
			return -EXDEV;
		if (names[i].ref->state == IN_BROKEN)
			return names[i].ref->error;
		if (!wire_name_ok(names[i].name, strlen(names[i].name)) || check_terms(terms) < 0)
			return -EINVAL;
		if (room - used < 2 + WIRE_HEADER_BYTES)
			return -EMSGSIZE;
		wire_begin(&w, buf + used + 2, room - used - 2, WIRE_LEND, 0, names[i].ref->handle, 0);
		put_terms(&w, terms, names[i].name, 0);
		len = wire_finish(&w);
		if (len < 0)
			return len;
		wire_store16(buf + used, (uint16_t)len);
		used += 2 + (size_t)len;
	}
	return (int)used;
}

int intro_enclose(struct intro *in, const struct intro_enclosed *names, size_t n)
{
	uint8_t buf[WIRE_PACKET_MAX];
	struct in_request *rq;
	int len;

	if (in_foreign(in))
		return -ECHILD;
	if (n > WIRE_ENCLOSED_MAX)
		return -EMSGSIZE;
	len = put_enclosed(in, names, n, buf);
	if (len < 0)
		return len;
	rq = in_request_new(in, WIRE_ENCLOSE, NULL);
	if (!rq)
		return -ENOMEM;
	rq->enclosed = malloc((size_t)len + 1);
	if (!rq->enclosed) {
		in_request_free(in, rq);
		return -ENOMEM;
	}
	memcpy(rq->enclosed, buf, (size_t)len);
	rq->enclosed_len = (size_t)len;
	return in_request_start(in, rq);
}

int intro_ref_info(const struct intro_ref *ref, struct intro_info *ret)
{
	if (in_foreign(ref->in))
		return -ECHILD;
	if (!ref->info)
		return -ENODATA;
	*ret = *ref->info;
	return 0;
}
