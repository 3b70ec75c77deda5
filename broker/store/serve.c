/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The requests of serve.h, answered one after the other.
 */
#include "serve.h"

#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "../../libintro/wire/message.h"
#include "../../libintro/wire/uri.h"
#include "../channel.h"

/* References above one another: ref.h's REF_DEPTH_MAX, and some to spare. */
#define CHAIN_MAX 64u

static uint64_t wall_clock(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static int answer(const struct serve *s, struct wire_writer *w)
{
	int len = wire_finish(w);

	return len < 0 ? len : channel_send(s->sock, w->buf, (size_t)len, -1);
}

static void begin_reply(struct wire_writer *w, uint8_t *buf, uint32_t serial)
{
	wire_begin(w, buf, WIRE_PACKET_MAX, STORE_REPLY, serial, 0, 0);
}

static int answer_error(const struct serve *s, uint32_t serial, int error)
{
	uint8_t buf[WIRE_PACKET_MAX];
	struct wire_writer w;

	begin_reply(&w, buf, serial);
	if (error < 0)
		wire_put_u32(&w, TAG_ERROR, (uint32_t)error);
	return answer(s, &w);
}

/* ---- saving ---- */

static void read_saved(const struct wire_message *m, uint64_t now, struct saved *saved)
{
	uint64_t lifetime = wire_u64(m, TAG_LIFETIME, SAVED_NEVER);

	*saved = (struct saved){
		.parent = wire_u64(m, TAG_ENTRY, 0),
		.rights = wire_u32(m, TAG_RIGHTS, 0),
		.uses = wire_u32(m, TAG_USES, SAVED_UNLIMITED),
		.sessions = wire_u32(m, TAG_SESSIONS, SAVED_UNLIMITED),
		.leash = wire_u32(m, TAG_LEASH, 0) != 0,
		.expires_usec = lifetime > INT64_MAX - now ? SAVED_NEVER : now + lifetime,
	};
	wire_string(m, TAG_DOOR, saved->door, sizeof saved->door);
	wire_string(m, TAG_NAME, saved->name, sizeof saved->name);
	wire_string(m, TAG_SERVICE, saved->service, sizeof saved->service);
	wire_string(m, TAG_OWNER, saved->owner, sizeof saved->owner);
	wire_string(m, TAG_LABEL, saved->label, sizeof saved->label);
	wire_string(m, TAG_TEXT, saved->maker, sizeof saved->maker);
}

/* Who is charged: its door, and the uid where there is one; its process is another each time. */
static int check_quota(const struct serve *s, const struct wire_message *m,
		       const struct saved *saved)
{
	char whose[sizeof saved->maker];
	uint64_t n = 0;
	char *pid;
	int r;

	memcpy(whose, saved->maker, sizeof whose);
	pid = strstr(whose, " pid=");
	if (pid)
		*pid = '\0';
	r = database_count(s->db, whose, &n);
	if (r < 0)
		return r;
	return n < wire_u32(m, TAG_MAX_REFERENCES, UINT32_MAX) ? 0 : -EDQUOT;
}

static int make_uri(const struct serve *s, const struct wire_message *m,
		    const uint8_t swiss[SWISS_BYTES], char out[WIRE_URI_MAX + 1])
{
	struct wire_uri uri = { .has_swiss = true };
	int r;

	identity_public(s->identity, uri.key);
	memcpy(uri.swiss, swiss, sizeof uri.swiss);
	if (wire_string(m, TAG_DIRECTORY, uri.hints[0].where, sizeof uri.hints[0].where) == 0) {
		uri.hints[0].kind = HINT_UNIX;
		uri.hints_n = 1;
	}
	r = wire_uri_format(&uri, out, WIRE_URI_MAX + 1);
	/* a hint that is none is left out */
	if (r < 0) {
		uri.hints[0] = (struct wire_hint){ 0 };
		uri.hints_n = 0;
		r = wire_uri_format(&uri, out, WIRE_URI_MAX + 1);
	}
	sodium_memzero(&uri, sizeof uri);
	return r;
}

static int on_save(struct serve *s, const struct wire_message *m, uint64_t now)
{
	bool with_uri = wire_has(m, TAG_DIRECTORY);
	char uri[WIRE_URI_MAX + 1] = "";
	uint8_t buf[WIRE_PACKET_MAX], swiss[SWISS_BYTES];
	struct wire_writer w;
	struct saved saved;
	uint64_t id = 0;
	int r = 0;

	read_saved(m, now, &saved);
	if (wire_has(m, TAG_RECIPIENT)) {
		saved.parent = s->last_id;
		if (s->last_serial != wire_u32(m, TAG_RECIPIENT, 0) || saved.parent == 0)
			r = -ENOENT;
	}
	swiss_make(swiss);
	if (r == 0)
		r = check_quota(s, m, &saved);
	if (r == 0)
		r = database_save(s->db, &saved, with_uri ? swiss : NULL, &id);
	if (r == 0 && with_uri)
		r = make_uri(s, m, swiss, uri);
	s->last_serial = m->head.serial;
	s->last_id = r < 0 ? 0 : id;
	begin_reply(&w, buf, m->head.serial);
	if (r < 0)
		wire_put_u32(&w, TAG_ERROR, (uint32_t)r);
	if (r >= 0 && with_uri)
		wire_put_string(&w, TAG_URI, uri);
	if (r >= 0)
		wire_put_u64(&w, TAG_ENTRY, id);
	r = answer(s, &w);
	sodium_memzero(swiss, sizeof swiss);
	sodium_memzero(uri, sizeof uri);
	sodium_memzero(buf, sizeof buf);
	return r;
}

/* ---- finding ---- */

static int send_row(const struct serve *s, uint32_t serial, const struct saved *saved,
		    uint64_t now)
{
	uint8_t buf[WIRE_PACKET_MAX];
	struct wire_writer w;

	wire_begin(&w, buf, sizeof buf, STORE_ROW, serial, 0, 0);
	if (saved->name[0])
		wire_put_string(&w, TAG_NAME, saved->name);
	if (saved->door[0])
		wire_put_string(&w, TAG_DOOR, saved->door);
	if (saved->label[0])
		wire_put_string(&w, TAG_LABEL, saved->label);
	wire_put_string(&w, TAG_SERVICE, saved->service);
	wire_put_u32(&w, TAG_RIGHTS, saved->rights);
	if (saved->expires_usec != SAVED_NEVER)
		wire_put_u64(&w, TAG_LIFETIME, saved->expires_usec - now);
	if (saved->uses != SAVED_UNLIMITED)
		wire_put_u32(&w, TAG_USES, saved->uses);
	if (saved->sessions != SAVED_UNLIMITED)
		wire_put_u32(&w, TAG_SESSIONS, saved->sessions);
	if (saved->leash)
		wire_put_u32(&w, TAG_LEASH, 1);
	wire_put_u64(&w, TAG_PARENT, saved->parent);
	if (saved->maker[0])
		wire_put_string(&w, TAG_TEXT, saved->maker);
	wire_put_u64(&w, TAG_ENTRY, saved->id);
	return answer(s, &w);
}

/* The reference of a URI, if who asks may have it. -ENOENT in all other cases. */
static int find(const struct serve *s, const struct wire_message *m, struct saved *ret)
{
	char text[WIRE_URI_MAX + 1], door[65];
	uint8_t key[IDENTITY_PUBLIC_BYTES];
	struct wire_uri uri = { .has_swiss = false };
	int r = wire_string(m, TAG_URI, text, sizeof text);

	wire_string(m, TAG_DOOR, door, sizeof door);
	if (r == 0)
		r = wire_uri_parse(text, strlen(text), &uri);
	identity_public(s->identity, key);
	if (r < 0 || !uri.has_swiss || memcmp(key, uri.key, sizeof key) != 0)
		r = -ENOENT;
	else
		r = database_find(s->db, uri.swiss, ret);
	if (r == 0 && ret->owner[0] && strcmp(ret->owner, door) != 0)
		r = -ENOENT;
	sodium_memzero(text, sizeof text);
	sodium_memzero(&uri, sizeof uri);
	return r;
}

static int on_find(struct serve *s, const struct wire_message *m, uint64_t now)
{
	struct saved chain[CHAIN_MAX];
	uint8_t buf[WIRE_PACKET_MAX];
	struct wire_writer w;
	size_t n = 1;
	int r = find(s, m, &chain[0]);

	while (r == 0 && chain[n - 1].parent != 0) {
		r = n == CHAIN_MAX ? -ENOENT : database_get(s->db, chain[n - 1].parent, &chain[n]);
		n++;
	}
	if (r < 0)
		return answer_error(s, m->head.serial, r);
	for (size_t i = n; i-- > 0 && r == 0;)
		r = send_row(s, m->head.serial, &chain[i], now);
	if (r < 0)
		return r;
	begin_reply(&w, buf, m->head.serial);
	wire_put_u64(&w, TAG_ENTRY, chain[0].id);
	return answer(s, &w);
}

/* ---- counts and ends ---- */

static int on_reserve(struct serve *s, const struct wire_message *m)
{
	uint8_t buf[WIRE_PACKET_MAX];
	struct wire_writer w;
	uint32_t granted = 0;
	int r = database_reserve(s->db, wire_u64(m, TAG_ENTRY, 0), wire_u32(m, TAG_USES, 0),
				 &granted);

	begin_reply(&w, buf, m->head.serial);
	if (r < 0)
		wire_put_u32(&w, TAG_ERROR, (uint32_t)r);
	else
		wire_put_u32(&w, TAG_USES, granted);
	return answer(s, &w);
}

static int revoke(struct serve *s, const struct wire_message *m)
{
	char door[65], name[65];
	int r;

	if (wire_has(m, TAG_ENTRY)) {
		r = database_revoke(s->db, wire_u64(m, TAG_ENTRY, 0));
		return r == -ENOENT ? 0 : r;
	}
	if (wire_string(m, TAG_SERVICE, name, sizeof name) == 0)
		return database_revoke_anchor(s->db, "", name);
	if (wire_string(m, TAG_DOOR, door, sizeof door) < 0 ||
	    wire_string(m, TAG_NAME, name, sizeof name) < 0)
		return -EINVAL;
	return database_revoke_anchor(s->db, door, name);
}

static int dispatch(struct serve *s, const struct wire_message *m)
{
	uint64_t now = 0;
	int r = database_clock(s->db, wall_clock(), &now);

	/* what only reads goes on where the disk is full; what writes will say so itself */
	(void)r;
	if (now == 0)
		now = wall_clock();
	switch (m->head.type) {
	case STORE_SAVE:
		return on_save(s, m, now);
	case STORE_FIND:
		return on_find(s, m, now);
	case STORE_RESERVE:
		return on_reserve(s, m);
	case STORE_RETURN:
		return answer_error(s, m->head.serial,
				    database_return(s->db, wire_u64(m, TAG_ENTRY, 0),
						    wire_u32(m, TAG_USES, 0)));
	case STORE_REVOKE:
		return answer_error(s, m->head.serial, revoke(s, m));
	default:
		return -EPROTO;
	}
}

int serve_run(struct serve *s)
{
	uint8_t packet[WIRE_PACKET_MAX];
	struct wire_message m;
	int fd, r = 0;
	ssize_t n;

	while (r >= 0) {
		fd = -1;
		n = channel_recv(s->sock, packet, 0, &fd);
		if (n <= 0 || fd >= 0)
			return n == 0 || n == -ECONNRESET ? 0 : -EPROTO;
		r = wire_parse(packet, (size_t)n, &m) < 0 ? -EPROTO : dispatch(s, &m);
		sodium_memzero(packet, sizeof packet);
	}
	return r == -EPIPE || r == -ECONNRESET ? 0 : r;
}
