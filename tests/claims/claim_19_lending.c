/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Claim 19, of references: messages about them that make no sense are refused or end their
 * sender, and nothing of them is left.
 */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lending.h"

static struct scene s;
static int service, sock;

static void begin(void)
{
	scene_start(&s, NULL);
	service = serve(&s, "host", "db", WAY_PAIR);
	sock = enter(&s, "host");
	allow(sock);
	cr_assert_eq(find_db(sock, 1), 0);
}

static void end(void)
{
	close(sock);
	close(service);
	scene_settled(&s);
	scene_end(&s);
}

/* A LEND of what ref is bound to, in an ENCLOSE's form: its bytes. */
static size_t put(uint8_t *p, uint16_t type, uint32_t ref, const char *name)
{
	struct wire_writer w;

	wire_begin(&w, p + 2, 128, type, 0, ref, 0);
	if (name)
		wire_put_string(&w, TAG_NAME, name);
	wire_store16(p, (uint16_t)wire_finish(&w));
	return 2 + w.used;
}

/* Send an ENCLOSE with these bytes; which: of descriptor. */
enum deposit { PAIR, STREAM, FILE_OF_SOME_KIND };

static int enclose_bytes(const uint8_t *bytes, size_t len, enum deposit which)
{
	_cleanup_raw_ struct raw reply = { .nfds = 0 };
	struct message m;
	int pair[2], r;

	if (which == FILE_OF_SOME_KIND)
		MUST(pipe(pair));
	else
		MUST(socketpair(AF_UNIX, which == PAIR ? SOCK_SEQPACKET : SOCK_STREAM, 0, pair));
	wire_put_bytes(message(&m, WIRE_ENCLOSE, 6, 0, 1), TAG_MESSAGES, bytes, len);
	r = raw_ask(sock, &m.w, pair[1], &reply);
	close(pair[1]);
	if (which == FILE_OF_SOME_KIND)
		close(pair[0]);
	else
		expect_eof(pair[0]);
	return r;
}

TEST(claim_19, enclosures_of_every_wrong_form)
{
	uint8_t bytes[4000];
	size_t len, n;

	begin();
	len = put(bytes, WIRE_LEND, 1, "db");
	cr_expect_eq(enclose_bytes(bytes, len, STREAM), -EINVAL);
	cr_expect_eq(enclose_bytes(bytes, len, FILE_OF_SOME_KIND), -EINVAL);
	for (n = 1; n < len; n++)
		cr_expect_eq(enclose_bytes(bytes, n, PAIR), -EINVAL, "cut to %zu", n);
	bytes[len] = 0;
	cr_expect_eq(enclose_bytes(bytes, len + 1, PAIR), -EINVAL, "half a length behind it");
	wire_store16(bytes, 0);
	cr_expect_eq(enclose_bytes(bytes, len, PAIR), -EINVAL);
	wire_store16(bytes, UINT16_MAX);
	cr_expect_eq(enclose_bytes(bytes, len, PAIR), -EINVAL);
	len = put(bytes, WIRE_LEND, 2, "db");
	cr_expect_eq(enclose_bytes(bytes, len, PAIR), -ENOENT, "a handle of nothing");
	len = put(bytes, WIRE_FIND, 1, "db");
	cr_expect_eq(enclose_bytes(bytes, len, PAIR), -EINVAL);
	len = put(bytes, WIRE_LEND, 1, "a/b");
	cr_expect_eq(enclose_bytes(bytes, len, PAIR), -EINVAL);
	len = put(bytes, WIRE_LEND, 1, NULL);
	cr_expect_eq(enclose_bytes(bytes, len, PAIR), -EINVAL);
	len = put(bytes, WIRE_LEND, 1, "db");
	len += put(bytes + len, WIRE_LEND, 1, "db");
	cr_expect_eq(enclose_bytes(bytes, len, PAIR), -EEXIST, "a name twice");
	for (n = len = 0; n <= WIRE_ENCLOSED_MAX; n++) {
		const char name[] = { 'n', (char)('a' + n / 26), (char)('a' + n % 26), '\0' };

		len += put(bytes + len, WIRE_LEND, 1, name);
	}
	cr_expect_eq(enclose_bytes(bytes, len, PAIR), -EINVAL, "more than 64");
	cr_expect_eq(broker_usage(&s.b, NULL, ROOM_UID, TAG_NAMES), 2, "nothing is left of them");
	end();
}

TEST(claim_19, handles_of_nothing)
{
	static const uint16_t types[] = { WIRE_REVOKE, WIRE_STAT, WIRE_SAME, WIRE_GIVE, WIRE_SAVE };

	begin();
	for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
		_cleanup_raw_ struct raw reply = { .nfds = 0 };
		struct message m;
		struct wire_writer *w = message(&m, types[i], 6, 77, 0);

		if (types[i] == WIRE_GIVE)
			wire_put_string(w, TAG_DOOR, "web");
		cr_expect_eq(raw_ask(sock, w, -1, &reply), -ENOENT, "type %u", types[i]);
	}
	cr_expect_eq(lend(sock, 5, 77, NULL, NULL), -ENOENT);
	cr_expect_eq(lend(sock, 1, 1, NULL, NULL), -EEXIST);
	cr_expect_eq(lend(sock, 0, 1, NULL, NULL), -EINVAL);
	cr_expect_eq(broker_usage(&s.b, NULL, ROOM_UID, TAG_REFERENCES), 0);
	end();
}

/* On a connection that many share there are no handles, nor anything to be done with them. */
TEST(claim_19, entrances_take_nothing_but_joins)
{
	int entrance;
	struct message m;

	begin();
	cr_assert_geq(entrance = enclose(sock, 1), 0);
	wire_put_string(message(&m, WIRE_FIND, 1, 1, 0), TAG_NAME, "db");
	raw_send(entrance, &m.w, -1);
	expect_end(entrance);
	end();
}
