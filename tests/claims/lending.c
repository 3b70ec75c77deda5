/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The requests of lending.h.
 */
#include "lending.h"

#include <errno.h>
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
