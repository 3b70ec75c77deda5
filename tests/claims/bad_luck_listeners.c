/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bad luck: full backlogs, listeners that block or are shut down, an agent that is full. The
 * others go on meanwhile, nothing leaks, and what stopped goes on by itself.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "place.h"

/* ---- full backlogs ---- */

static int try_connect(const char *path, int type)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	int fd = MUST(socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));

	cr_assert_lt(strlen(path), sizeof sa.sun_path);
	memcpy(sa.sun_path, path, strlen(path) + 1);
	if (connect(fd, (const struct sockaddr *)&sa, sizeof sa) == 0)
		return fd;
	close(fd);
	return -errno;
}

/* The switch does not accept; a backlog is filled to its end. Who connects then waits, blocking
 * as connect(2) does, and is served in the end; so is everybody else. */
static void fill_backlog(const char *file, int type)
{
	enum { MOST = 8192 };
	static int fds[MOST];
	char path[PATH_BYTES + 16];
	struct place p;
	int n = 0;
	pid_t late;

	need_descriptors(MOST + 256);
	place_start(&p);
	snprintf(path, sizeof path, "%s/%s", p.bad, file);
	MUST(kill(p.room, SIGSTOP));
	for (; n < MOST; n++) {
		fds[n] = try_connect(path, type);
		if (fds[n] < 0)
			break;
	}
	cr_assert_lt(n, MOST, "the backlog has no end");
	cr_assert_eq(fds[n], -EAGAIN);
	late = child_fork();
	if (late == 0) {
		MUST(close_range(3, ~0u, 0));
		be_greeted(p.bad, "db");
		_exit(0);
	}
	MUST(kill(p.room, SIGCONT));
	be_greeted(p.good, "db");
	be_greeted(p.b.host, "db");
	while (n > 0)
		close(fds[--n]);
	cr_assert_eq(child_wait(late), 0);
	place_end(&p);
}

TEST(bad_luck, full_backlog_of_a_door)
{
	fill_backlog("intro.sock", SOCK_SEQPACKET);
}

TEST(bad_luck, full_backlog_of_a_name)
{
	fill_backlog("db", SOCK_STREAM);
}

/* ---- listeners of others ---- */

/* A service that has the door's own listener makes it blocking, shuts it down and dies: the
 * switch never touches it, and the next service gets a new one. */
TEST(bad_luck, given_listener_is_spoilt)
{
	int serving, listener = -1;
	struct wire_writer w;
	uint8_t buf[64];
	struct place p;
	pid_t own;

	place_start(&p);
	serving = raw_open(p.bad);
	cr_assert_eq(raw_serve(serving, 1, 1, "own", WAY_PAIR), 0);
	wire_begin(&w, buf, sizeof buf, WIRE_LISTENERS, 2, 1, 0);
	raw_send(serving, &w, -1);
	for (bool done = false; !done;) {
		_cleanup_raw_ struct raw packet = { .nfds = 0 };

		cr_assert_gt(raw_recv(serving, &packet), 0);
		if (packet.m.head.type == WIRE_LISTENER)
			listener = raw_take_fd(&packet);
		done = packet.m.head.type == WIRE_REPLY;
	}
	cr_assert_geq(listener, 0);
	MUST(fcntl(listener, F_SETFL, 0));
	for (int i = 0; i < 3; i++) {
		int client = path_connect(p.bad, "own");

		cr_assert_geq(client, 0);
		be_greeted(p.good, "db");
		cr_assert(wait_fd(listener, POLLIN), "somebody else has accepted");
		close(MUST(accept(listener, NULL, NULL)));
		close(client);
	}
	MUST(shutdown(listener, SHUT_RDWR));
	cr_assert_eq(path_connect(p.bad, "own"), -ECONNREFUSED);
	be_greeted(p.good, "db");
	close(listener);
	close(serving);
	usage_await(&p.b, "bad", 0, TAG_CONNECTIONS, 1);	/* the neighbour's */
	own = greeter(p.bad, "own");
	be_greeted_on(path_connect(p.bad, "own"));
	be_greeted(p.bad, "own");
	child_kill(own);
	usage_await(&p.b, "bad", 0, TAG_CONNECTIONS, 1);
	place_end(&p);
}

/* Listeners are kept and handed out like anything else. */
TEST(bad_luck, held_listeners)
{
	int sock, listener, got, client;
	char path[PATH_BYTES];
	struct raw reply;
	struct place p;

	place_start(&p);
	snprintf(path, sizeof path, "%s/listener", p.b.dir);
	listener = unix_listen(path, SOCK_STREAM, 4);
	sock = raw_open(p.b.host);
	raw_allow(sock);
	cr_assert_eq(raw_hold(sock, 1, "kept", listener), 0);
	client = unix_connect(path, SOCK_STREAM);
	be_greeted(p.good, "db");
	cr_assert_eq(raw_introduce(sock, 2, "kept", SOCK_STREAM, 0, &reply), 0);
	got = raw_take_fd(&reply);
	cr_assert(wait_fd(got, POLLIN));
	close(MUST(accept(got, NULL, NULL)));
	close(client);
	MUST(shutdown(got, SHUT_RDWR));
	be_greeted(p.good, "db");
	close(got);
	close(listener);
	got = raw_take(sock, 3, "kept");
	cr_assert_geq(got, 0);
	close(got);
	cr_assert_eq(raw_take(sock, 4, "kept"), -ENOENT);
	close(sock);
	place_end(&p);
}

/* ---- a full agent ---- */

/* An agent that never answers is full; those whom it should have answered go away, with many
 * more behind them: the one who waits last has its turn. */
TEST(bad_luck, places_at_an_agent)
{
	int agent, many, last, got, end;
	struct raw packet;
	struct place p;

	place_start(&p);
	agent = raw_open(p.b.host);
	cr_assert_eq(raw_serve(agent, 1, 1, "slow", WAY_FETCH), 0);
	many = raw_open(p.b.host);
	for (uint32_t i = 1; i <= 40; i++)
		raw_ask_connect(many, i, "slow", MINUTE_US);
	/* all are asked for before the last one is */
	cr_assert_eq(raw_find(many, 100, 1, "slow"), 0);
	last = raw_open(p.b.host);
	raw_ask_connect(last, 77, "slow", MINUTE_US);
	cr_assert_eq(raw_find(last, 78, 1, "slow"), 0);
	for (int asked = 0; asked < 16; asked++) {
		_cleanup_raw_ struct raw fetch = { .nfds = 0 };

		cr_assert_gt(raw_recv(agent, &fetch), 0);
		cr_assert_eq(fetch.m.head.type, WIRE_FETCH);
	}
	cr_assert(is_silent(agent));
	close(many);
	cr_assert_gt(raw_recv(agent, &packet), 0, "the last one is never fetched for");
	cr_assert_eq(packet.m.head.type, WIRE_FETCH);
	raw_allow(agent);
	end = raw_fetched(agent, packet.m.head.serial);
	cr_assert_eq(raw_reply(last, 77, &packet), 0);
	got = raw_take_fd(&packet);
	cr_assert(linked(end, got));
	close(got);
	close(end);
	close(last);
	close(agent);
	place_end(&p);
}
