/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bad luck: a full descriptor table, full backlogs, listeners that block or are shut down, a
 * thousand idle clients, terms that end, and what a closed door says of what it does not grant.
 * The others go on meanwhile, nothing leaks, and what stopped goes on by itself.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "usage.h"

#define MINUTE_US UINT64_C(60000000)

struct place {
	struct broker b;
	char bad[PATH_BYTES], good[PATH_BYTES];
	pid_t db, room;
	int fds, parent_fds;
};

/* Two doors, a service that greets and is granted in both. */
static void place_start(struct place *p)
{
	broker_start(&p->b, &(struct broker_options){ .countable = true });
	broker_door(&p->b, "bad", p->bad);
	broker_door(&p->b, "good", p->good);
	cr_assert_eq(broker_add_door(&p->b, "bad"), 0);
	cr_assert_eq(broker_add_door(&p->b, "good"), 0);
	cr_assert_eq(broker_grant(&p->b, "bad", "db", RIGHT_CONNECT), 0);
	cr_assert_eq(broker_grant(&p->b, "good", "db", RIGHT_CONNECT), 0);
	p->db = greeter(p->b.host, "db");
	p->room = broker_switch_pid(&p->b, 0);
	p->fds = broker_fds_at_rest(&p->b);
	p->parent_fds = parent_fds_at_rest(&p->b);
	be_greeted(p->bad, "db");
	be_greeted(p->good, "db");
}

static void place_end(struct place *p)
{
	be_greeted(p->bad, "db");
	be_greeted(p->good, "db");
	cr_assert_eq(broker_switch_pid(&p->b, 0), p->room);
	cr_assert(broker_fds_settle(&p->b, p->fds), "%d descriptors in the switch, not %d",
		  broker_fd_count(&p->b), p->fds);
	cr_assert(parent_fds_settle(&p->b, p->parent_fds), "%d descriptors in the parent, not %d",
		  parent_fds_at_rest(&p->b), p->parent_fds);
	child_kill(p->db);
	broker_stop(&p->b);
}

static bool quiet(int fd)
{
	return poll(&(struct pollfd){ .fd = fd, .events = POLLIN }, 1, 0) == 0;
}

/* Whoever comes by a path is greeted, too; sock is consumed. */
static void be_greeted_on(int sock)
{
	char byte = 0;

	cr_assert_geq(sock, 0, "%s", strerror(-sock));
	cr_assert(wait_fd(sock, POLLIN));
	cr_assert_eq(read(sock, &byte, 1), 1);
	cr_assert_eq(byte, '!');
	close(sock);
}

static int connect_path(const char *door, const char *file)
{
	char path[PATH_BYTES + 72];

	snprintf(path, sizeof path, "%s/%s", door, file);
	return unix_connect(path, SOCK_STREAM);
}

static void need_descriptors(unsigned int n)
{
	struct rlimit limit;

	MUST(getrlimit(RLIMIT_NOFILE, &limit));
	NEED(limit.rlim_max >= n, "%u descriptors are not allowed", n);
	limit.rlim_cur = limit.rlim_max;
	MUST(setrlimit(RLIMIT_NOFILE, &limit));
}

/* ---- the switch's descriptor table is full ---- */

static void limit_switch(const struct place *p, rlim_t soft, struct rlimit *old)
{
	struct rlimit now;

	MUST(prlimit(p->room, RLIMIT_NOFILE, NULL, old));
	now = (struct rlimit){ soft, old->rlim_max };
	MUST(prlimit(p->room, RLIMIT_NOFILE, &now, NULL));
}

struct path_opens {
	const char *door, *file;
	int sock;
};

static bool path_opens(void *arg)
{
	struct path_opens *o = arg;

	o->sock = connect_path(o->door, o->file);
	return o->sock >= 0;
}

/* Who is there goes on, introductions included; who comes waits, and is let in when there is
 * room, without anything having to happen first. */
TEST(bad_luck, full_descriptor_table)
{
	enum { COMERS = 80 };
	int comers[COMERS], by_path, there, control, waiting = 0;
	struct raw reply = { .nfds = 0 };
	struct rlimit old, now;
	struct path_opens late;
	struct wire_writer w;
	uint8_t buf[256];
	struct place p;
	pid_t other;

	place_start(&p);
	other = greeter(p.b.host, "quiet");
	there = raw_open(p.good);
	control = raw_open_control(&p.b);
	cr_assert_eq(raw_find(there, 1, 1, "db"), 0);
	cr_assert_eq(raw_find(control, 1, 1, "db"), 0);
	limit_switch(&p, (rlim_t)broker_fd_count(&p.b), &old);

	for (int i = 0; i < COMERS; i++) {
		comers[i] = raw_open(p.bad);
		raw_ask_connect(comers[i], 1, "db", 0);
	}
	by_path = connect_path(p.bad, "db");
	cr_assert_geq(by_path, 0);
	for (uint32_t i = 0; i < 30; i++) {
		cr_assert_eq(raw_introduce(there, 2 + i, "db", SOCK_STREAM, 0, &reply), 0);
		be_greeted_on(raw_take_fd(&reply));
	}
	for (int i = 0; i < COMERS; i++)
		waiting += quiet(comers[i]);
	cr_assert_gt(waiting, 0, "the table was not full");
	/* What cannot be made is said, and half of it does not stay. Not even a place that is
	 * free for a moment is below this. */
	limit_switch(&p, 3, &now);
	wire_begin(&w, buf, sizeof buf, WIRE_DOOR_ADD, 2, 0, 0);
	wire_put_string(&w, TAG_DOOR, "late");
	cr_assert_eq(raw_ask(control, &w, -1, &reply), -EMFILE);
	/* A name's socket file is made as soon as it can be. */
	wire_begin(&w, buf, sizeof buf, WIRE_GRANT, 3, 0, 0);
	wire_put_string(&w, TAG_NAME, "alias");
	wire_put_string(&w, TAG_DOOR, "good");
	wire_put_string(&w, TAG_SERVICE, "quiet");
	cr_assert_eq(raw_ask(control, &w, -1, &reply), 0);
	cr_assert_eq(connect_path(p.good, "alias"), -ENOENT);

	MUST(prlimit(p.room, RLIMIT_NOFILE, &old, NULL));
	for (int i = 0; i < COMERS; i++) {
		cr_assert_eq(raw_reply(comers[i], 1, &reply), 0);
		be_greeted_on(raw_take_fd(&reply));
		close(comers[i]);
	}
	be_greeted_on(by_path);
	late = (struct path_opens){ p.good, "alias", -1 };
	cr_assert(wait_until(path_opens, &late), "the name has no socket");
	be_greeted_on(late.sock);
	cr_assert_eq(broker_add_door(&p.b, "late"), 0);
	close(control);
	close(there);
	child_kill(other);
	p.fds += 3;		/* the alias's listener, the new door's and its directory */
	p.parent_fds += 2;
	place_end(&p);
}

/* A broker with so few descriptors that one door's connections could use them up. */
static void small_broker(struct broker *b, pid_t *db)
{
	char name[16];

	broker_start(b, &(struct broker_options){ .nofile = 400 });
	*db = greeter(b->host, "db");
	for (int i = 0; i < 3; i++) {
		snprintf(name, sizeof name, "door%d", i);
		cr_assert_eq(broker_add_door(b, name), 0);
		cr_assert_eq(broker_grant(b, name, "db", RIGHT_CONNECT), 0);
	}
}

/* The limits that nobody set suit the table. */
TEST(bad_luck, small_table)
{
	enum { FLOOD = 300 };
	char door[PATH_BYTES];
	int fds[FLOOD];
	struct broker b;
	pid_t db;

	small_broker(&b, &db);
	broker_door(&b, "door0", door);
	for (int i = 0; i < FLOOD; i++) {
		fds[i] = raw_open(door);
		raw_ask_connect(fds[i], 1, "absent", MINUTE_US);
	}
	broker_door(&b, "door1", door);
	be_greeted(door, "db");
	be_greeted(b.host, "db");
	for (int i = 0; i < FLOOD; i++)
		close(fds[i]);
	usage_await(&b, "door0", 0, TAG_CONNECTIONS, 0);
	child_kill(db);
	broker_stop(&b);
}

/* Who is shut out by what all doors together have comes in when any of that ends; the
 * administrator is not shut out. */
TEST(bad_luck, as_many_connections_as_can_be)
{
	enum { MOST = 400 };
	int fds[MOST], n = 0, good, control, late;
	char door[PATH_BYTES], other[PATH_BYTES];
	struct raw reply;
	struct broker b;
	pid_t db;

	small_broker(&b, &db);
	limit_set(&b, NULL, TAG_MAX_CONNECTIONS, 1000);
	broker_door(&b, "door0", door);
	broker_door(&b, "door1", other);
	control = raw_open_control(&b);
	/* One more here, until one at another door finds no room. */
	for (;; n++) {
		cr_assert_lt(n, MOST, "there is no end");
		good = raw_open(other);
		raw_ask_connect(good, 1, "db", 0);
		for (uint32_t ask = 1; ask <= 4; ask++)
			cr_assert_eq(raw_find(control, ask, 4u * (uint32_t)n + ask, "db"), 0);
		if (quiet(good))
			break;
		cr_assert_eq(raw_reply(good, 1, &reply), 0);
		be_greeted_on(raw_take_fd(&reply));
		close(good);
		fds[n] = raw_open(door);
		cr_assert_eq(raw_find(fds[n], 1, 1, "db"), 0);
	}
	late = raw_open_control(&b);
	cr_assert_eq(raw_find(late, 1, 1, "db"), 0);
	cr_assert(quiet(good));
	close(late);
	close(fds[--n]);
	cr_assert_eq(raw_reply(good, 1, &reply), 0);
	be_greeted_on(raw_take_fd(&reply));
	close(good);
	close(control);
	while (n > 0)
		close(fds[--n]);
	child_kill(db);
	broker_stop(&b);
}

/* A door at its limit: a higher limit lets in who waits before it. */
TEST(bad_luck, raised_limit)
{
	struct raw reply;
	struct place p;
	int sock;

	place_start(&p);
	limit_set(&p.b, "bad", TAG_MAX_CONNECTIONS, 0);
	sock = raw_open(p.bad);
	raw_ask_connect(sock, 1, "db", 0);
	be_greeted(p.good, "db");
	be_greeted(p.good, "db");
	cr_assert(quiet(sock));
	limit_set(&p.b, "bad", TAG_MAX_CONNECTIONS, 8);
	cr_assert_eq(raw_reply(sock, 1, &reply), 0);
	be_greeted_on(raw_take_fd(&reply));
	close(sock);
	place_end(&p);
}

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
	cr_assert_eq(broker_grant(&p.b, "bad", "own", RIGHTS_ALL), 0);
	p.fds++;		/* the name's listener */
	p.parent_fds++;
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
		int client = connect_path(p.bad, "own");

		cr_assert_geq(client, 0);
		be_greeted(p.good, "db");
		cr_assert(wait_fd(listener, POLLIN), "somebody else has accepted");
		close(MUST(accept(listener, NULL, NULL)));
		close(client);
	}
	MUST(shutdown(listener, SHUT_RDWR));
	cr_assert_eq(connect_path(p.bad, "own"), -ECONNREFUSED);
	be_greeted(p.good, "db");
	close(listener);
	close(serving);
	usage_await(&p.b, "bad", 0, TAG_CONNECTIONS, 0);
	own = greeter(p.bad, "own");
	be_greeted_on(connect_path(p.bad, "own"));
	be_greeted(p.bad, "own");
	child_kill(own);
	usage_await(&p.b, "bad", 0, TAG_CONNECTIONS, 0);
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

/* ---- the idle ---- */

TEST(bad_luck, thousand_idle_clients)
{
	enum { IDLE = 1000 };
	static int idle[IDLE];
	struct place p;

	need_descriptors(IDLE + 256);
	place_start(&p);
	for (int i = 0; i < IDLE; i++)
		idle[i] = raw_open(p.bad);
	usage_await(&p.b, "bad", 0, TAG_CONNECTIONS, IDLE);
	cr_assert(broker_fds_settle(&p.b, p.fds + IDLE));
	be_greeted(p.good, "db");
	be_greeted(p.bad, "db");
	for (int i = 0; i < IDLE; i++) {
		cr_assert_eq(raw_find(idle[i], 1, 1, "db"), 0);
		close(idle[i]);
	}
	usage_await(&p.b, "bad", 0, TAG_CONNECTIONS, 0);
	place_end(&p);
}

/* An agent that never answers is full; those whom it should have answered go away, with many
 * more behind them: the one who waits last has its turn. */
TEST(bad_luck, places_at_an_agent)
{
	struct wire_writer w;
	uint8_t buf[128];
	struct raw packet;
	struct place p;
	uint32_t serial;
	int agent, many, last, got, pair[2];

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
	cr_assert(quiet(agent));
	close(many);
	cr_assert_gt(raw_recv(agent, &packet), 0, "the last one is never fetched for");
	cr_assert_eq(packet.m.head.type, WIRE_FETCH);
	serial = packet.m.head.serial;
	raw_allow(agent);
	MUST(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair));
	wire_begin(&w, buf, sizeof buf, WIRE_FETCHED, serial, 0, 1);
	raw_send(agent, &w, pair[0]);
	close(pair[0]);
	cr_assert_eq(raw_reply(last, 77, &packet), 0);
	got = raw_take_fd(&packet);
	cr_assert(linked(pair[1], got));
	close(got);
	close(pair[1]);
	close(last);
	close(agent);
	place_end(&p);
}
