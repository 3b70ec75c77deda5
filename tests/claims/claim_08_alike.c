/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Claim 8: a saved reference that is unknown, has expired, was revoked or is sealed to another
 * door is refused by the same bytes.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "scene.h"

#define URI_BYTES 1100u

static struct scene s;

static int bind_db(const char *door, uint32_t ref)
{
	int sock = enter(&s, door);
	struct message m;
	struct raw reply;

	wire_put_string(message(&m, WIRE_FIND, 1, ref, 0), TAG_NAME, "db");
	cr_assert_eq(raw_ask(sock, &m.w, -1, &reply), 0);
	return sock;
}

/* Save what ref is bound to; the line. */
static void save(int sock, uint32_t ref, uint64_t lifetime_usec, const char *owner,
		 char uri[URI_BYTES])
{
	_cleanup_raw_ struct raw reply = { .nfds = 0 };
	struct message m;
	struct wire_writer *w = message(&m, WIRE_SAVE, 2, ref, 0);

	if (lifetime_usec)
		wire_put_u64(w, TAG_LIFETIME, lifetime_usec);
	if (owner)
		wire_put_string(w, TAG_OWNER, owner);
	cr_assert_eq(raw_ask(sock, w, -1, &reply), 0);
	cr_assert_eq(wire_string(&reply.m, TAG_URI, uri, URI_BYTES), 0);
}

static int restore(int sock, uint32_t ref, const char *uri, struct raw *ret)
{
	struct message m;
	struct raw reply;

	wire_put_string(message(&m, WIRE_RESTORE, 7, ref, 0), TAG_URI, uri);
	return raw_ask(sock, &m.w, -1, ret ? ret : &reply);
}

static bool expired(void *uri)
{
	int sock = enter(&s, "host");
	int r = restore(sock, 1, uri, NULL);

	close(sock);
	return r == -ENOENT;
}

TEST(claim_08, all_refusals_are_alike)
{
	enum { GOOD, UNKNOWN, EXPIRED, REVOKED, SEALED, FOREIGN, KINDS };
	char uris[KINDS][URI_BYTES];
	struct raw replies[KINDS];
	struct message m;
	int sock, other;

	scene_start(&s, NULL);
	cr_assert_eq(broker_add_door(&s.b, "web"), 0);
	other = serve(&s, "host", "db", WAY_PAIR);
	sock = bind_db("host", 1);
	save(sock, 1, 0, NULL, uris[GOOD]);
	save(sock, 1, 200000, NULL, uris[EXPIRED]);
	save(sock, 1, 0, NULL, uris[REVOKED]);
	save(sock, 1, 0, "web", uris[SEALED]);
	/* one character of the secret, and of the key */
	strcpy(uris[UNKNOWN], uris[GOOD]);
	strcpy(uris[FOREIGN], uris[GOOD]);
	uris[UNKNOWN][70] = uris[UNKNOWN][70] == 'a' ? 'b' : 'a';
	uris[FOREIGN][10] = uris[FOREIGN][10] == 'a' ? 'b' : 'a';
	cr_assert_eq(restore(sock, 2, uris[REVOKED], NULL), 0);
	message(&m, WIRE_REVOKE, 3, 2, 0);
	raw_send(sock, &m.w, -1);
	close(expect(sock, WIRE_BROKEN, NULL));
	cr_assert_eq(raw_reply(sock, 3, &replies[0]), 0);
	cr_assert(wait_until(expired, uris[EXPIRED]));

	cr_assert_eq(restore(sock, 10, uris[GOOD], &replies[GOOD]), 0);
	for (int i = UNKNOWN; i < KINDS; i++) {
		cr_expect_eq(restore(sock, 11, uris[i], &replies[i]), -ENOENT, "kind %d", i);
		cr_expect_eq(replies[i].len, replies[UNKNOWN].len);
		cr_expect_arr_eq(replies[i].buf, replies[UNKNOWN].buf, replies[UNKNOWN].len,
				 "kind %d", i);
	}
	close(sock);
	sock = enter(&s, "web");
	cr_expect_eq(restore(sock, 1, uris[SEALED], NULL), 0, "in its owner's hands");
	cr_expect_eq(restore(sock, 2, uris[GOOD], NULL), 0, "it is anybody's");
	close(sock);
	close(other);
	scene_settled(&s);
	scene_end(&s);
}
