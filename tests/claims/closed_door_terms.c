/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a door lets out: introductions up to a grant's uses and lifetime.
 */
#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "web.h"

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
	web_grant(&b, "db", 0, USES);
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
	web_grant(&b, "db", 0, USES);
	for (int i = 0; i < CLIENTS; i++)
		cr_assert_geq(clients[i] = path_connect(web, "db"), 0);
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
	cr_assert_eq(path_connect(web, "db"), -ENOENT);
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
	struct broker b;

	web_start(&b, web);
	agent = raw_open(b.host);
	raw_allow(agent);
	cr_assert_eq(raw_serve(agent, 1, 1, "db", WAY_FETCH), 0);
	web_grant(&b, "db", 0, 1);
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
	for (int i = 0; i < 2; i++)
		close(raw_fetched(agent, serials[i]));
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
	web_grant(&b, "db", 300000, 0);
	sock = raw_open(web);
	/* This may come too late on a slow machine: then there is nothing to hold. */
	if (raw_find(sock, 1, 5, "db") == 0) {
		cr_assert_gt(raw_recv(sock, &packet), 0);
		cr_assert_eq(packet.m.head.type, WIRE_BROKEN);
		cr_assert_eq(packet.m.head.ref, 5);
		cr_assert_eq(wire_i32(&packet.m, TAG_ERROR, 0), -EKEYEXPIRED);
	}
	cr_assert_eq(raw_introduce(sock, 2, "db", SOCK_STREAM, 0, NULL), -ENOENT);
	by_path = path_connect(web, "db");
	cr_assert(by_path == -ENOENT || by_path == -ECONNREFUSED, "%d", by_path);
	cr_assert_eq(raw_find(sock, 3, 5, "db"), -ENOENT);

	/* A session outlives the grant that it came by; the grant can be made anew. */
	web_grant(&b, "db", MINUTE_US, 0);
	cr_assert_eq(raw_introduce(sock, 4, "db", SOCK_STREAM, 0, &packet), 0);
	held_on = raw_take_fd(&packet);
	cr_assert_eq(broker_ungrant(&b, "web", "db"), 0);
	cr_assert(wait_fd(held_on, POLLIN));
	cr_assert_eq(read(held_on, &(char){ 0 }, 1), 1);
	cr_assert_eq(raw_introduce(sock, 5, "db", SOCK_STREAM, 0, NULL), -ENOENT);
	close(held_on);
	close(sock);
	child_kill(db);
	broker_stop(&b);
}
