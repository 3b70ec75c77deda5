/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The requests of lending.h.
 */
#include "lending.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#define SERIAL 4242u

void put_terms(struct wire_writer *w, const struct lent_terms *t)
{
	if (t->label)
		wire_put_string(w, TAG_LABEL, t->label);
	if (t->rights)
		wire_put_u32(w, TAG_RIGHTS, t->rights);
	if (t->lifetime_usec)
		wire_put_u64(w, TAG_LIFETIME, t->lifetime_usec);
	if (t->uses)
		wire_put_u32(w, TAG_USES, t->uses);
	if (t->sessions)
		wire_put_u32(w, TAG_SESSIONS, t->sessions);
	if (t->leash)
		wire_put_u32(w, TAG_LEASH, 1);
}

int lend(int sock, uint32_t ref, uint32_t parent, const struct lent_terms *terms,
	 uint64_t *ret_id)
{
	_cleanup_raw_ struct raw reply = { .nfds = 0 };
	struct message m;
	struct wire_writer *w = message(&m, WIRE_LEND, SERIAL, ref, 0);
	int r;

	if (!parent)
		wire_put_string(w, TAG_NAME, "db");
	if (terms)
		put_terms(w, terms);
	if (parent)
		wire_put_u64(w, TAG_PARENT, parent);
	r = raw_ask(sock, w, -1, &reply);
	if (r == 0 && ret_id)
		*ret_id = wire_u64(&reply.m, TAG_REFERENCE, 0);
	return r;
}

int take_back(int sock, uint32_t ref, unsigned int *ret_broken)
{
	unsigned int broken = 0;
	struct message m;

	message(&m, WIRE_REVOKE, SERIAL, ref, 0);
	raw_send(sock, &m.w, -1);
	for (;;) {
		_cleanup_raw_ struct raw got = { .nfds = 0 };

		if (raw_recv(sock, &got) <= 0)
			harness_fail("no reply to a revocation");
		if (got.m.head.type == WIRE_BROKEN) {
			broken++;
			continue;
		}
		if (ret_broken)
			*ret_broken = broken;
		return wire_i32(&got.m, TAG_ERROR, 0);
	}
}

int meet(int sock, uint32_t ref)
{
	struct message m;

	message(&m, WIRE_CONNECT, SERIAL, ref, 0);
	raw_send(sock, &m.w, -1);
	return answer(sock, SERIAL);
}

int grant_of(const struct broker *b, const char *door, const char *name, uint64_t parent)
{
	struct message m;
	struct wire_writer *w = message(&m, WIRE_GRANT, 1, 0, 0);

	wire_put_string(w, TAG_NAME, name);
	wire_put_string(w, TAG_DOOR, door);
	wire_put_u32(w, TAG_RIGHTS, RIGHT_CONNECT);
	wire_put_u64(w, TAG_PARENT, parent);
	return broker_administer(b, w);
}

int serve_leashed(const struct scene *s)
{
	_cleanup_raw_ struct raw reply = { .nfds = 0 };
	struct message m;
	struct wire_writer *w = message(&m, WIRE_SERVE, 1, 1, 0);
	int sock = enter(s, "host");

	wire_put_string(w, TAG_NAME, "db");
	wire_put_u32(w, TAG_LEASH, 1);
	cr_assert_eq(raw_ask(sock, w, -1, &reply), 0);
	return sock;
}

void *shared_memory(size_t bytes)
{
	void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		harness_fail("no shared memory");
	return p;
}

int find_db(int sock, uint32_t ref)
{
	_cleanup_raw_ struct raw reply = { .nfds = 0 };
	struct message m;

	wire_put_string(message(&m, WIRE_FIND, 3, ref, 0), TAG_NAME, "db");
	return raw_ask(sock, &m.w, -1, &reply);
}

int give(int sock, uint32_t ref, const char *door, uint32_t to, uint64_t wait_usec,
	 uint8_t gift[WIRE_GIFT_BYTES])
{
	_cleanup_raw_ struct raw reply = { .nfds = 0 };
	struct message m;
	struct wire_writer *w = message(&m, WIRE_GIVE, 4, ref, 0);
	int r;

	if (wait_usec)
		wire_put_u64(w, TAG_WAIT, wait_usec);
	if (door)
		wire_put_string(w, TAG_DOOR, door);
	else
		wire_put_u32(w, TAG_RECIPIENT, to);
	r = raw_ask(sock, w, -1, &reply);
	if (r == 0)
		memcpy(gift, reply.m.value[TAG_GIFT], WIRE_GIFT_BYTES);
	return r;
}

int claim(int sock, uint32_t ref, const void *gift, size_t len)
{
	_cleanup_raw_ struct raw reply = { .nfds = 0 };
	struct message m;

	wire_put_bytes(message(&m, WIRE_CLAIM, 5, ref, 0), TAG_GIFT, gift, len);
	return raw_ask(sock, &m.w, -1, &reply);
}

int enclose(int sock, uint32_t ref)
{
	_cleanup_raw_ struct raw reply = { .nfds = 0 };
	uint8_t lent[2 + 64];
	struct wire_writer inner;
	struct message m;
	int pair[2], r;

	MUST(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair));
	wire_begin(&inner, lent + 2, 64, WIRE_LEND, 0, ref, 0);
	wire_put_string(&inner, TAG_NAME, "db");
	wire_store16(lent, (uint16_t)wire_finish(&inner));
	wire_put_bytes(message(&m, WIRE_ENCLOSE, 6, 0, 1), TAG_MESSAGES, lent, 2 + inner.used);
	r = raw_ask(sock, &m.w, pair[1], &reply);
	close(pair[1]);
	if (r < 0)
		close(pair[0]);
	return r < 0 ? r : pair[0];
}

int join(int entrance)
{
	struct message m;
	int pair[2];

	MUST(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair));
	message(&m, WIRE_JOIN, 0, 0, 1);
	raw_send(entrance, &m.w, pair[1]);
	close(pair[1]);
	return pair[0];
}
