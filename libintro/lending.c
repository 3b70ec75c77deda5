/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The requests of lending.h, and the calls that make references: lent, claimed, restored.
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

int in_terms_check(const struct intro_terms *t)
{
	if (t->rights & ~(unsigned int)RIGHTS_KNOWN || t->lifetime_ms < 0 ||
	    t->lifetime_ms > INT64_MAX / 1000)
		return -EINVAL;
	return t->label && t->label[0] && !wire_label_ok(t->label, strlen(t->label)) ? -EINVAL : 0;
}

void in_terms_put(struct wire_writer *w, const struct intro_terms *t, const char *name,
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
		in_terms_put(w, &rq->ref->lending->terms, NULL, rq->other->handle);
		break;
	case WIRE_CLAIM:
		wire_put_bytes(w, TAG_GIFT, rq->ref->lending->gift, WIRE_GIFT_BYTES);
		break;
	case WIRE_SAME:
		wire_put_u64(w, TAG_PARENT, rq->other->handle);
		break;
	case WIRE_RESTORE:
		wire_put_string(w, TAG_URI, rq->ref->uri);
		break;
	case WIRE_SAVE:
		in_terms_put(w, &rq->lending->terms, NULL, 0);
		if (rq->name[0])
			wire_put_string(w, TAG_OWNER, rq->name);
		break;
	case WIRE_GIVE:
		wire_put_u64(w, TAG_WAIT, rq->gift_usec);
		if (!rq->other)
			wire_put_string(w, TAG_DOOR, rq->name);
		in_terms_put(w, &rq->lending->terms, NULL, 0);
		if (rq->other)
			wire_put_u32(w, TAG_RECIPIENT, rq->other->handle);
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

static int read_uri(struct intro_ref *ref, const struct wire_message *m)
{
	char text[WIRE_TEXT_MAX + 1];

	if (wire_string(m, TAG_URI, text, sizeof text) < 0)
		return -EPROTO;
	if (ref->uri)
		explicit_bzero(ref->uri, strlen(ref->uri));
	free(ref->uri);
	ref->uri = strdup(text);
	explicit_bzero(text, sizeof text);
	return ref->uri ? 0 : -ENOMEM;
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
	case WIRE_SAVE:
		return read_uri(rq->ref, m);
	case WIRE_ENCLOSE:
		ev->fd = in_steal(&rq->fd);
		ev->type = SOCK_SEQPACKET;
		return 0;
	default:
		return 0;
	}
}

int in_lending_new(const struct intro_terms *terms, struct in_lending **ret)
{
	struct in_lending *lending;

	if (terms && in_terms_check(terms) < 0)
		return -EINVAL;
	lending = calloc(1, sizeof *lending);
	if (!lending)
		return -ENOMEM;
	if (terms) {
		lending->terms = *terms;
		lending->terms.label = NULL;
	}
	if (terms && terms->label && terms->label[0]) {
		strcpy(lending->label, terms->label);
		lending->terms.label = lending->label;
	}
	*ret = lending;
	return 0;
}

/* A reference to be bound by LEND or CLAIM. 0 or a negative errno. */
static int lending_new(struct intro *in, uint16_t type, const char *name,
		       const struct intro_terms *terms, struct intro_ref **ret)
{
	struct in_lending *lending;
	int r = in_lending_new(terms, &lending);

	if (r < 0)
		return r;
	r = in_reference_new(in, type, name, ret);
	if (r < 0)
		free(lending);
	else
		(*ret)->lending = lending;
	return r;
}

int in_held_check(const struct intro_ref *ref, const struct intro_ref *other)
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
	struct intro *in = parent->in;
	struct intro_ref *ref;
	struct in_request *rq;
	int r = in_held_check(parent, NULL);

	if (r < 0)
		return r;
	r = lending_new(in, WIRE_LEND, parent->name, terms, &ref);
	if (r < 0)
		return r;
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
	r = lending_new(in, WIRE_CLAIM, "gift", NULL, &ref);
	if (r < 0)
		return r;
	memcpy(ref->lending->gift, bytes, sizeof bytes);
	return in_reference_start(in, ref, ret);
}

int intro_restore(struct intro *in, const char *uri, struct intro_ref **ret)
{
	size_t len = strlen(uri);
	struct intro_ref *ref;
	int r;

	if (in_foreign(in))
		return -ECHILD;
	if (len == 0 || len > WIRE_TEXT_MAX || strncmp(uri, "intro:", 6) != 0)
		return -EINVAL;
	r = in_reference_new(in, WIRE_RESTORE, "saved", &ref);
	if (r < 0)
		return r;
	ref->uri = strdup(uri);
	if (!ref->uri) {
		in_reference_discard(in, ref);
		return -ENOMEM;
	}
	return in_reference_start(in, ref, ret);
}
