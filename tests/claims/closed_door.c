/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a door lets out: introductions up to a grant's uses and lifetime, and of what it does
 * not grant, nothing. Through it a name that is absent and one that is only not granted look
 * alike byte for byte, to one who waits, too.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "usage.h"

#define MINUTE_US UINT64_C(60000000)

/* Grant name (of the service of that name) in "web", narrowed where a number is not zero. */
static void grant_narrow(const struct broker *b, const char *name, uint64_t lifetime_us,
			 uint32_t uses)
{
	int sock = raw_open_control(b);
	struct wire_writer w;
	struct raw reply;
	uint8_t buf[256];

	wire_begin(&w, buf, sizeof buf, WIRE_GRANT, 1, 0, 0);
	wire_put_string(&w, TAG_NAME, name);
	wire_put_string(&w, TAG_DOOR, "web");
	if (lifetime_us)
		wire_put_u64(&w, TAG_LIFETIME, lifetime_us);
	if (uses)
		wire_put_u32(&w, TAG_USES, uses);
	cr_assert_eq(raw_ask(sock, &w, -1, &reply), 0);
	close(sock);
}

static void ungrant(const struct broker *b, const char *name)
{
	int sock = raw_open_control(b);
	struct wire_writer w;
	struct raw reply;
	uint8_t buf[256];

	wire_begin(&w, buf, sizeof buf, WIRE_UNGRANT, 1, 0, 0);
	wire_put_string(&w, TAG_NAME, name);
	wire_put_string(&w, TAG_DOOR, "web");
	cr_assert_eq(raw_ask(sock, &w, -1, &reply), 0);
	close(sock);
}

static int connect_path(const char *door, const char *file)
{
	char path[PATH_BYTES + 72];

	snprintf(path, sizeof path, "%s/%s", door, file);
	return unix_connect(path, SOCK_STREAM);
}

static void web_start(struct broker *b, char door[static PATH_BYTES])
{
	broker_start(b, NULL);
	cr_assert_eq(broker_add_door(b, "web"), 0);
	broker_door(b, "web", door);
}

/* ---- uses ---- */

/* So many as were granted, whoever asks how many at once and by which way. */
TEST(closed_door, uses_by_pair)
{
	enum { CLIENTS = 8, EACH = 4, USES = 5 };
	int clients[CLIENTS], introduced = 0, refused = 0, serving;
	char web[PATH_BYTES];
	struct broker b;
	pid_t room;

	web_start(&b, web);
	room = broker_switch_pid(&b, 0);
	serving = raw_open(b.host);
	cr_assert_eq(raw_serve(serving, 1, 1, "db", WAY_PAIR), 0);
	grant_narrow(&b, "db", 0, USES);
	for (int i = 0; i < CLIENTS; i++) {
		clients[i] = raw_open(web);
		for (uint32_t serial = 1; serial <= EACH; serial++)
			raw_ask_connect(clients[i], serial, "db", 0);
	}
	for (int i = 0; i < CLIENTS; i++) {
		for (int j = 0; j < EACH; j++) {
			_cleanup_raw_ struct raw reply = { .nfds = 0 };

			cr_assert_gt(raw_recv(clients[i], &reply), 0);
			if (wire_i32(&reply.m, TAG_ERROR, 0) == 0)
				introduced += (int)reply.nfds;
			else if (wire_i32(&reply.m, TAG_ERROR, 0) == -EDQUOT)
				refused++;
		}
	}
	cr_assert_eq(introduced, USES);
	cr_assert_eq(refused, CLIENTS * EACH - USES);
	for (int i = 0; i < USES; i++) {
		_cleanup_raw_ struct raw incoming = { .nfds = 0 };

		cr_assert_gt(raw_recv(serving, &incoming), 0);
		cr_assert_eq(incoming.m.head.type, WIRE_INCOMING);
	}
	/* and no more: this is the next packet */
	cr_assert_eq(raw_find(serving, 2, 2, "db"), 0);
	for (int i = 0; i < CLIENTS; i++)
		close(clients[i]);
	close(serving);
	cr_assert_eq(broker_switch_pid(&b, 0), room);
	broker_stop(&b);
}

/* Clients stand before the path before anybody serves; the last use closes it to the rest. */
TEST(closed_door, uses_by_path)
{
	enum { CLIENTS = 5, USES = 2 };
	int clients[CLIENTS], serving, ended = 0, greeted = 0;
	char web[PATH_BYTES];
	struct broker b;

	web_start(&b, web);
	grant_narrow(&b, "db", 0, USES);
	for (int i = 0; i < CLIENTS; i++)
		cr_assert_geq(clients[i] = connect_path(web, "db"), 0);
	serving = raw_open(b.host);
	cr_assert_eq(raw_serve(serving, 1, 1, "db", WAY_PAIR), 0);
	for (int i = 0; i < USES; i++) {
		_cleanup_raw_ struct raw incoming = { .nfds = 0 };

		cr_assert_gt(raw_recv(serving, &incoming), 0);
		cr_assert_eq(wire_u32(&incoming.m, TAG_WAY, 0), WAY_LISTEN);
		MUST(send(incoming.fds[0], "!", 1, MSG_NOSIGNAL));
	}
	for (int i = 0; i < CLIENTS; i++) {
		char byte;

		cr_assert(wait_fd(clients[i], POLLIN | POLLHUP), "client %d hangs", i);
		if (read(clients[i], &byte, 1) == 1)
			greeted++;
		else
			ended++;
		close(clients[i]);
	}
	cr_assert_eq(greeted, USES);
	cr_assert_eq(ended, CLIENTS - USES);
	cr_assert_eq(connect_path(web, "db"), -ENOENT);
	cr_assert_eq(raw_find(serving, 2, 2, "db"), 0);
	close(serving);
	broker_stop(&b);
}

/* Both were asked for while there was one use; the agent opens two sockets, one is given. */
TEST(closed_door, uses_by_fetch)
{
	int agent, clients[2], given = 0, refused = 0;
	uint32_t serials[2];
	char web[PATH_BYTES];
	struct wire_writer w;
	struct broker b;
	uint8_t buf[64];

	web_start(&b, web);
	agent = raw_open(b.host);
	raw_allow(agent);
	cr_assert_eq(raw_serve(agent, 1, 1, "db", WAY_FETCH), 0);
	grant_narrow(&b, "db", 0, 1);
	for (int i = 0; i < 2; i++) {
		clients[i] = raw_open(web);
		raw_ask_connect(clients[i], 1, "db", 0);
	}
	for (int i = 0; i < 2; i++) {
		_cleanup_raw_ struct raw fetch = { .nfds = 0 };

		cr_assert_gt(raw_recv(agent, &fetch), 0);
		cr_assert_eq(fetch.m.head.type, WIRE_FETCH);
		serials[i] = fetch.m.head.serial;
	}
	for (int i = 0; i < 2; i++) {
		int pair[2];

		MUST(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair));
		wire_begin(&w, buf, sizeof buf, WIRE_FETCHED, serials[i], 0, 1);
		raw_send(agent, &w, pair[0]);
		close(pair[0]);
		close(pair[1]);
	}
	for (int i = 0; i < 2; i++) {
		_cleanup_raw_ struct raw reply = { .nfds = 0 };
		int error = raw_reply(clients[i], 1, &reply);

		given += error == 0;
		refused += error == -EDQUOT;
		close(clients[i]);
	}
	cr_assert_eq(given, 1);
	cr_assert_eq(refused, 1);
	close(agent);
	broker_stop(&b);
}

/* ---- lifetime ---- */

/* When it has passed, whoever holds the reference is told, once; then the name is absent. */
TEST(closed_door, lifetime)
{
	int sock, held_on, by_path;
	struct raw packet = { .nfds = 0 };
	char web[PATH_BYTES];
	struct broker b;
	pid_t db;

	web_start(&b, web);
	db = greeter(b.host, "db");
	grant_narrow(&b, "db", 300000, 0);
	sock = raw_open(web);
	/* This may come too late on a slow machine: then there is nothing to hold. */
	if (raw_find(sock, 1, 5, "db") == 0) {
		cr_assert_gt(raw_recv(sock, &packet), 0);
		cr_assert_eq(packet.m.head.type, WIRE_BROKEN);
		cr_assert_eq(packet.m.head.ref, 5);
		cr_assert_eq(wire_i32(&packet.m, TAG_ERROR, 0), -EKEYEXPIRED);
	}
	cr_assert_eq(raw_introduce(sock, 2, "db", SOCK_STREAM, 0, NULL), -ENOENT);
	by_path = connect_path(web, "db");
	cr_assert(by_path == -ENOENT || by_path == -ECONNREFUSED, "%d", by_path);
	cr_assert_eq(raw_find(sock, 3, 5, "db"), -ENOENT);

	/* A session outlives the grant that it came by; the grant can be made anew. */
	grant_narrow(&b, "db", MINUTE_US, 0);
	cr_assert_eq(raw_introduce(sock, 4, "db", SOCK_STREAM, 0, &packet), 0);
	held_on = raw_take_fd(&packet);
	ungrant(&b, "db");
	cr_assert(wait_fd(held_on, POLLIN));
	cr_assert_eq(read(held_on, &(char){ 0 }, 1), 1);
	cr_assert_eq(raw_introduce(sock, 5, "db", SOCK_STREAM, 0, NULL), -ENOENT);
	close(held_on);
	close(sock);
	child_kill(db);
	broker_stop(&b);
}

/* ---- what is not granted ---- */

/* Everything that can be asked with a name. */
static const struct question {
	enum wire_type type;
	uint64_t wait_us;
	bool descriptor, cancelled;
	int error;
} questions[] = {
	{ WIRE_FIND, .error = -ENOENT },
	{ WIRE_CONNECT, .error = -ENOENT },
	{ WIRE_CONNECT, .wait_us = 1, .error = -ETIMEDOUT },
	{ WIRE_CONNECT, .wait_us = 100000, .error = -ETIMEDOUT },
	{ WIRE_CONNECT, .wait_us = MINUTE_US, .cancelled = true, .error = -ECANCELED },
	{ WIRE_SERVE, .error = -ENOENT },
	{ WIRE_TAKE, .error = -ENOENT },
	{ WIRE_HOLD, .descriptor = true, .error = -ENOENT },
	{ WIRE_PLACE, .descriptor = true, .error = -ENOENT },
};

/* All bytes that come back to one question about one name, up to the answer to a FIND of
 * nothing behind it. */
static size_t ask(int sock, const struct question *q, const char *name, uint8_t *out, size_t size)
{
	int fd = q->descriptor ? MUST(open("/", O_PATH | O_DIRECTORY | O_CLOEXEC)) : -1;
	uint8_t buf[256];
	struct wire_writer w;
	struct raw packet;
	size_t used = 0;

	wire_begin(&w, buf, sizeof buf, q->type, 7, q->type == WIRE_CONNECT ? 0 : 9, fd >= 0);
	wire_put_string(&w, TAG_NAME, name);
	if (q->wait_us)
		wire_put_u64(&w, TAG_WAIT, q->wait_us);
	if (q->type == WIRE_PLACE)
		wire_put_string(&w, TAG_FILE, "file");
	raw_send(sock, &w, fd);
	if (fd >= 0)
		close(fd);
	if (q->cancelled) {
		wire_begin(&w, buf, sizeof buf, WIRE_CANCEL, 7, 0, 0);
		raw_send(sock, &w, -1);
	}
	/* First its own answer, however long it waits. */
	if (raw_recv(sock, &packet) <= 0)
		harness_fail("no answer about %s", name);
	for (bool last = false;; last = packet.m.head.serial == 8) {
		cr_assert_lt(used + packet.len, size);
		memcpy(out + used, packet.buf, packet.len);
		used += packet.len;
		cr_assert_eq(packet.nfds, 0);
		if (last)
			return used;
		wire_begin(&w, buf, sizeof buf, WIRE_FIND, 8, 0, 0);
		wire_put_string(&w, TAG_NAME, "0");
		raw_send(sock, &w, -1);
		if (raw_recv(sock, &packet) <= 0)
			harness_fail("no answer");
	}
}

struct gone {
	const char *door, *name;
};

static bool is_gone(void *arg)
{
	const struct gone *g = arg;
	int sock = raw_open(g->door), r = raw_find(sock, 1, 1, g->name);

	close(sock);
	return r == -ENOENT;
}

/* Names that differ in all but what this door says of them. */
TEST(closed_door, absent_and_not_granted)
{
	static const char *const names[] = {
		"absent-1", "served-1", "agent-1", "held-1", "waited-1", "other-1", "gone-1",
		"spent-1",
	};
	int sock, elsewhere, waiting, fd, other_wait;
	char web[PATH_BYTES];
	unsigned int files;
	struct broker b;
	pid_t room;

	web_start(&b, web);
	room = broker_switch_pid(&b, 0);
	files = dir_entries(web);
	elsewhere = raw_open(b.host);
	raw_allow(elsewhere);
	cr_assert_eq(raw_serve(elsewhere, 1, 1, "served-1", WAY_PAIR), 0);
	cr_assert_eq(raw_serve(elsewhere, 2, 2, "agent-1", WAY_FETCH), 0);
	fd = MUST(memfd_create("held", MFD_CLOEXEC));
	cr_assert_eq(raw_hold(elsewhere, 3, "held-1", fd), 0);
	close(fd);
	waiting = raw_open(b.host);
	raw_ask_connect(waiting, 1, "waited-1", MINUTE_US);
	cr_assert_eq(broker_add_door(&b, "neighbour"), 0);
	cr_assert_eq(broker_grant(&b, "neighbour", "other-1", RIGHTS_ALL), 0);
	grant_narrow(&b, "gone-1", 0, 0);
	ungrant(&b, "gone-1");
	grant_narrow(&b, "spent-1", 1, 0);
	cr_assert(wait_until(is_gone, &(struct gone){ web, "spent-1" }));

	sock = raw_open(web);
	raw_allow(sock);
	for (size_t i = 0; i < sizeof questions / sizeof questions[0]; i++) {
		uint8_t first[256], next[256];
		size_t len = ask(sock, &questions[i], names[0], first, sizeof first), n;
		struct wire_message m;

		cr_assert_eq(wire_parse(first, len / 2, &m), 0);
		cr_assert_eq(wire_i32(&m, TAG_ERROR, 0), questions[i].error, "question %zu", i);
		for (size_t j = 1; j < sizeof names / sizeof names[0]; j++) {
			n = ask(sock, &questions[i], names[j], next, sizeof next);
			cr_assert(n == len && memcmp(first, next, n) == 0,
				  "question %zu: %s does not look absent", i, names[j]);
		}
	}
	cr_assert_eq(dir_entries(web), files);
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
		cr_assert_eq(connect_path(web, names[i]), -ENOENT);

	/* One who waits is not woken by what is not for it, and is by what is. */
	other_wait = raw_open(web);
	raw_ask_connect(other_wait, 1, "waited-1", MINUTE_US);
	raw_ask_connect(other_wait, 2, "absent-1", MINUTE_US);
	usage_await(&b, "web", 0, TAG_WAITS, 2);
	cr_assert_eq(raw_serve(elsewhere, 4, 4, "waited-1", WAY_PAIR), 0);
	for (bool met = false; !met;) {
		_cleanup_raw_ struct raw reply = { .nfds = 0 };

		cr_assert_eq(raw_reply(waiting, 1, &reply), 0);
		met = reply.nfds == 1;
	}
	cr_assert_eq(usage_of(&b, "web", 0, TAG_WAITS), 2);
	cr_assert_eq(poll(&(struct pollfd){ .fd = other_wait, .events = POLLIN }, 1, 0), 0);
	cr_assert_eq(broker_grant(&b, "web", "waited-1", RIGHT_CONNECT), 0);
	{
		_cleanup_raw_ struct raw reply = { .nfds = 0 };

		cr_assert_eq(raw_reply(other_wait, 1, &reply), 0);
		cr_assert_eq(reply.nfds, 1);
	}
	cr_assert_eq(usage_of(&b, "web", 0, TAG_WAITS), 1);
	close(other_wait);
	close(sock);
	close(waiting);
	close(elsewhere);
	cr_assert_eq(broker_switch_pid(&b, 0), room);
	broker_stop(&b);
}
