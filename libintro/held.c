/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The calls about references that are held: revoke, look at, compare, save, give, enclose.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "connection.h"
#include "lending.h"
#include "wire/name.h"

/* How long a gift waits that waits for ever. */
#define GIFT_USEC_MAX UINT64_C(86400000000)

/* A request about a reference that we hold. */
static int ask(struct intro_ref *ref, uint16_t type, struct intro_ref *other)
{
	struct in_request *rq;
	int r = in_held_check(ref, other);

	if (r < 0)
		return r;
	rq = in_request_new(ref->in, type, ref);
	if (!rq)
		return -ENOMEM;
	rq->other = other;
	return in_request_start(ref->in, rq);
}

/* A request with terms. */
static int ask_with(struct intro_ref *ref, uint16_t type, const struct intro_terms *terms,
		    struct intro_ref *other, const char *name, uint64_t gift_usec)
{
	struct in_lending *lending;
	struct in_request *rq;
	int r = in_held_check(ref, other);

	if (r < 0)
		return r;
	if (name && !wire_name_ok(name, strlen(name)))
		return -EINVAL;
	r = in_lending_new(terms, &lending);
	if (r < 0)
		return r;
	rq = in_request_new(ref->in, type, ref);
	if (!rq) {
		free(lending);
		return -ENOMEM;
	}
	rq->lending = lending;
	rq->other = other;
	if (name)
		strcpy(rq->name, name);
	rq->gift_usec = gift_usec;
	return in_request_start(ref->in, rq);
}

int intro_save(struct intro_ref *ref, const struct intro_terms *terms, const char *owner)
{
	/* the line that it was restored by is needed to bind it again */
	if (!in_foreign(ref->in) && ref->type == WIRE_RESTORE)
		return -EALREADY;
	return ask_with(ref, WIRE_SAVE, terms, NULL, owner, 0);
}

static uint64_t gift_usec(int wait_ms)
{
	return wait_ms < 0 ? GIFT_USEC_MAX : (uint64_t)wait_ms * 1000;
}

int intro_give(struct intro_ref *ref, const struct intro_terms *terms,
	       struct intro_ref *recipient, int wait_ms)
{
	return ask_with(ref, WIRE_GIVE, terms, recipient, NULL, gift_usec(wait_ms));
}

int intro_give_door(struct intro_ref *ref, const struct intro_terms *terms, const char *door,
		    int wait_ms)
{
	return ask_with(ref, WIRE_GIVE, terms, NULL, door, gift_usec(wait_ms));
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
		if (!wire_name_ok(names[i].name, strlen(names[i].name)) || in_terms_check(terms) < 0)
			return -EINVAL;
		if (room - used < 2 + WIRE_HEADER_BYTES)
			return -EMSGSIZE;
		wire_begin(&w, buf + used + 2, room - used - 2, WIRE_LEND, 0, names[i].ref->handle, 0);
		in_terms_put(&w, terms, names[i].name, 0);
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

const char *intro_ref_uri(const struct intro_ref *ref)
{
	return ref->uri;
}
