/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Claim 18: the broker's own descriptors in flight never cause ETOOMANYREFS; another process's
 * of the same uid are retried and reported. unix(7): the kernel counts what a uid has sent and
 * nobody has received, whoever closed what meanwhile, against the sender's RLIMIT_NOFILE.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "usage.h"

#define BROKER_UID 61010	/* root is let off the kernel's limit */
#define SMALL 256u		/* RLIMIT_NOFILE of a broker; half of it may be in flight */

static const struct broker_options *small(void)
{
	static struct broker_options options;

	options = (struct broker_options){
		.nofile = SMALL,
		.uid = geteuid() == 0 ? BROKER_UID : 0,
	};
	return &options;
}

/* Times that the broker's log says it. */
static unsigned int logged(const struct broker *b, const char *word)
{
	char *log = file_read(b->log), *at = log;
	unsigned int n = 0;

	for (; at && (at = strstr(at, word)); at += strlen(word))
		n++;
	free(log);
	return n;
}

/* Read all that a client was sent, to the end if it has one: the descriptors in it. */
static unsigned int drain(int sock)
{
	unsigned int n = 0;

	while (poll(&(struct pollfd){ .fd = sock, .events = POLLIN }, 1, 0) > 0) {
		_cleanup_raw_ struct raw packet = { .nfds = 0 };

		if (raw_recv(sock, &packet) <= 0)
			break;
		n += (unsigned int)packet.nfds;
	}
	return n;
}

static bool hung_up(int sock)
{
	return wait_fd(sock, POLLHUP);
}

/* A connection ends with descriptors unread: they stay in its client's queue, and in the
 * account. */
TEST(claim_18, what_a_closed_connection_did_not_read)
{
	enum { CLIENTS = 60, LIMIT = 20 };
	int clients[CLIENTS], fds;
	char bad[PATH_BYTES];
	unsigned int in_flight = 0, charged;
	struct broker b;
	pid_t db, room;

	broker_start(&b, &(struct broker_options){ .countable = true });
	broker_door(&b, "bad", bad);
	cr_assert_eq(broker_add_door(&b, "bad"), 0);
	cr_assert_eq(broker_grant(&b, "bad", "db", RIGHT_CONNECT), 0);
	cr_assert_eq(broker_limit(&b, "bad", TAG_MAX_FLIGHT, LIMIT), 0);
	db = greeter(b.host, "db");
	fds = broker_fds_at_rest(&b);
	be_greeted(bad, "db");
	room = broker_switch_pid(&b, 0);

	for (int i = 0; i < CLIENTS; i++) {
		clients[i] = raw_open(bad);
		for (uint32_t serial = 1; serial <= 3; serial++)
			raw_ask_connect(clients[i], serial, "db", MINUTE_US);
		/* malformed: the broker hangs up, its client does not */
		MUST(send(clients[i], "?", 1, 0));
		cr_assert(hung_up(clients[i]));
	}
	charged = broker_usage(&b, "bad", 0, TAG_FLIGHT);
	for (int i = 0; i < CLIENTS; i++)
		in_flight += drain(clients[i]);
	cr_assert_gt(in_flight, 0);
	cr_assert_leq(in_flight, LIMIT, "%u descriptors in flight, %d allowed", in_flight, LIMIT);
	cr_assert_geq(charged, in_flight, "%u charged, %u in flight", charged, in_flight);

	/* Read, they are nobody's charge; so are the connections, which their clients keep. */
	usage_await(&b, "bad", 0, TAG_FLIGHT, 0);
	usage_await(&b, "bad", 0, TAG_CONNECTIONS, 0);
	be_greeted(bad, "db");
	for (int i = 0; i < CLIENTS; i++)
		close(clients[i]);
	cr_assert(broker_fds_settle(&b, fds));
	cr_assert_eq(broker_switch_pid(&b, 0), room);
	child_kill(db);
	broker_stop(&b);
}

static int leave_unread(void *arg)
{
	int sock = raw_open(arg);

	for (uint32_t serial = 1; serial <= 3; serial++)
		raw_ask_connect(sock, serial, "db", MINUTE_US);
	MUST(send(sock, "?", 1, 0));
	return hung_up(sock) ? 0 : CHILD_FAILED;
}

/* Whoever dies has thrown it away; and a door that is removed waits for nobody. */
TEST(claim_18, what_nobody_will_read)
{
	char bad[PATH_BYTES];
	uint8_t buf[128];
	struct wire_writer w;
	struct raw reply;
	struct broker b;
	int sock, control, fds;
	pid_t db, room;

	broker_start(&b, &(struct broker_options){ .countable = true });
	broker_door(&b, "bad", bad);
	db = greeter(b.host, "db");
	fds = broker_fds_at_rest(&b);
	room = broker_switch_pid(&b, 0);
	cr_assert_eq(broker_add_door(&b, "bad"), 0);
	cr_assert_eq(broker_grant(&b, "bad", "db", RIGHT_CONNECT), 0);

	cr_assert_eq(child_call(leave_unread, bad), 0);
	usage_await(&b, "bad", 0, TAG_FLIGHT, 0);
	usage_await(&b, "bad", 0, TAG_CONNECTIONS, 0);

	sock = raw_open(bad);
	for (uint32_t serial = 1; serial <= 3; serial++)
		raw_ask_connect(sock, serial, "db", MINUTE_US);
	MUST(send(sock, "?", 1, 0));
	cr_assert(hung_up(sock));
	cr_assert_eq(broker_usage(&b, "bad", 0, TAG_FLIGHT), 3);
	control = raw_open_control(&b);
	wire_begin(&w, buf, sizeof buf, WIRE_DOOR_REMOVE, 1, 0, 0);
	wire_put_string(&w, TAG_DOOR, "bad");
	cr_assert_eq(raw_ask(control, &w, -1, &reply), 0);
	close(control);
	cr_assert(broker_fds_settle(&b, fds));
	cr_assert_eq(drain(sock), 3);
	close(sock);
	be_greeted(b.host, "db");
	cr_assert_eq(broker_switch_pid(&b, 0), room);
	child_kill(db);
	broker_stop(&b);
}

/* Many who never read, in many doors, each within its quota: together they get half of the
 * kernel's limit, which is never met. */
static void all_together(void)
{
	enum { DOORS = 6, CLIENTS = 8, EACH = 4, ALL = DOORS * CLIENTS * EACH };
	int clients[DOORS * CLIENTS];
	char name[16], door[PATH_BYTES];
	uint32_t flight, waits;
	unsigned int got = 0;
	int64_t end = now_ms() + HANG_MS;
	struct broker b;
	pid_t db, room;

	broker_start(&b, small());
	room = broker_switch_pid(&b, 0);
	db = greeter(b.host, "db");
	for (int i = 0; i < DOORS; i++) {
		snprintf(name, sizeof name, "bad%d", i);
		cr_assert_eq(broker_add_door(&b, name), 0);
		cr_assert_eq(broker_grant(&b, name, "db", RIGHT_CONNECT), 0);
		broker_door(&b, name, door);
		for (int j = 0; j < CLIENTS; j++) {
			clients[i * CLIENTS + j] = raw_open(door);
			for (uint32_t serial = 1; serial <= EACH; serial++)
				raw_ask_connect(clients[i * CLIENTS + j], serial, "db", MINUTE_US);
		}
	}
	do {
		flight = waits = 0;
		for (int i = 0; i < DOORS; i++) {
			snprintf(name, sizeof name, "bad%d", i);
			flight += broker_usage(&b, name, 0, TAG_FLIGHT);
			waits += broker_usage(&b, name, 0, TAG_WAITS);
		}
		cr_assert_lt(now_ms(), end, "%u in flight, %u wait", flight, waits);
	} while (flight + waits < ALL || flight < SMALL / 2 - 1);
	cr_assert_leq(flight, SMALL / 2 + 1);

	/* They read, and all are introduced in the end. */
	while (got < ALL) {
		for (int i = 0; i < DOORS * CLIENTS; i++)
			got += drain(clients[i]);
		cr_assert_lt(now_ms(), end, "%u of %u were introduced", got, ALL);
	}
	cr_assert_eq(logged(&b, "ETOOMANYREFS"), 0);
	for (int i = 0; i < DOORS * CLIENTS; i++)
		close(clients[i]);
	be_greeted(b.host, "db");
	cr_assert_eq(broker_switch_pid(&b, 0), room);
	child_kill(db);
	broker_stop(&b);
}

/* Have more in flight than the broker may, of the broker's uid, until the end. */
static void hog(const void *arg, int ready)
{
	int pair[2], fds[WIRE_BATCH_MAX];

	(void)arg;
	if (geteuid() == 0)
		child_become(BROKER_UID);
	for (unsigned int i = 0; i < WIRE_BATCH_MAX; i++)
		fds[i] = STDERR_FILENO;
	MUST(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair));
	for (unsigned int sent = 0; sent <= SMALL + 64; sent += WIRE_BATCH_MAX)
		if (packet_send(pair[0], "", 1, fds, WIRE_BATCH_MAX) < 0)
			_exit(CHILD_FAILED);
	child_stay(ready);
}

static bool reported(void *arg)
{
	return logged(arg, "ETOOMANYREFS") > 0;
}

/* The next introduction that the service learns of is this session, and it is alive. */
static void learn(int serving, uint64_t session, int client)
{
	_cleanup_raw_ struct raw incoming = { .nfds = 0 };

	cr_assert_gt(raw_recv(serving, &incoming), 0);
	cr_assert_eq(incoming.m.head.type, WIRE_INCOMING);
	if (session)
		cr_assert_eq(wire_u64(&incoming.m, TAG_SESSION, 0), session,
			     "an introduction that came to nothing was handed over");
	cr_assert(linked(client, incoming.fds[0]));
}

/* Another process of the uid: clients wait, the operator is told once, the service learns of
 * nobody in vain, and when there is room again, all is made good. */
static void another_process(void)
{
	struct raw reply = { .nfds = 0 };
	char web[PATH_BYTES], path[PATH_BYTES + 8];
	struct broker b;
	int serving, client, fd, by_path;
	pid_t pid, room;

	broker_start(&b, small());
	room = broker_switch_pid(&b, 0);
	broker_door(&b, "web", web);
	cr_assert_eq(broker_add_door(&b, "web"), 0);
	cr_assert_eq(broker_grant(&b, "web", "db", RIGHT_CONNECT), 0);
	serving = raw_open(b.host);
	cr_assert_eq(raw_serve(serving, 1, 1, "db", WAY_PAIR), 0);
	client = raw_open(web);
	cr_assert_eq(raw_introduce(client, 1, "db", SOCK_STREAM, 0, &reply), 0);
	learn(serving, wire_u64(&reply.m, TAG_SESSION, 0), reply.fds[0]);
	raw_close(&reply);

	pid = child_start(hog, NULL);
	raw_ask_connect(client, 2, "db", MINUTE_US);
	cr_assert(wait_until(reported, &b), "nobody was told");
	snprintf(path, sizeof path, "%s/db", web);
	by_path = unix_connect(path, SOCK_STREAM);
	cr_assert_geq(by_path, 0);
	/* What needs no descriptor goes on, many rounds and tries long. */
	for (uint32_t serial = 10; serial < 60; serial++)
		cr_assert_eq(raw_find(serving, serial, serial, "db"), 0);
	cr_assert_eq(broker_add_door(&b, "made-meanwhile"), 0);
	usage_await(&b, "web", 0, TAG_WAITS, 1);
	cr_assert_eq(poll(&(struct pollfd){ .fd = client, .events = POLLIN }, 1, 0), 0);
	cr_assert_eq(poll(&(struct pollfd){ .fd = serving, .events = POLLIN }, 1, 0), 0);
	child_kill(pid);

	cr_assert_eq(raw_reply(client, 2, &reply), 0);
	fd = raw_take_fd(&reply);
	/* in whichever order */
	for (int i = 0; i < 2; i++) {
		_cleanup_raw_ struct raw incoming = { .nfds = 0 };
		bool path_client;

		cr_assert_gt(raw_recv(serving, &incoming), 0);
		path_client = wire_u32(&incoming.m, TAG_WAY, 0) == WAY_LISTEN;
		cr_assert(path_client || wire_u64(&incoming.m, TAG_SESSION, 0) ==
						 wire_u64(&reply.m, TAG_SESSION, 1));
		cr_assert(linked(path_client ? by_path : fd, incoming.fds[0]));
	}
	close(fd);
	close(by_path);
	cr_assert_eq(raw_introduce(client, 3, "db", SOCK_STREAM, 0, &reply), 0);
	learn(serving, wire_u64(&reply.m, TAG_SESSION, 0), reply.fds[0]);
	raw_close(&reply);
	cr_assert_leq(logged(&b, "ETOOMANYREFS"), 2);
	cr_assert_eq(broker_switch_pid(&b, 0), room);
	close(client);
	close(serving);
	broker_stop(&b);
}

/* One after the other: the kernel counts for the uid. */
TEST(claim_18, limit_of_the_uid)
{
	struct rlimit limit;

	MUST(getrlimit(RLIMIT_NOFILE, &limit));
	NEED(limit.rlim_cur > 2 * SMALL, "the limit of descriptors is too low");
	all_together();
	another_process();
}

/* What a closed connection did not read is uncounted when its client goes, whatever the processors
 * do at that moment: the kernel wakes the switch before it has counted down the last of it. */
TEST(claim_18, what_the_dead_have_not_read)
{
	struct broker b;
	int sock, null;

	broker_start(&b, NULL);
	null = MUST(open("/dev/null", O_RDONLY | O_CLOEXEC));
	sock = raw_open(b.host);
	raw_allow(sock);
	cr_assert_eq(raw_hold(sock, 1, "null", null), 0);
	close(null);
	for (int i = 0; i < 40000; i++) {
		int dying = raw_open(b.host);

		for (uint32_t ask = 1; ask <= 1 + (uint32_t)i % 3; ask++)
			raw_ask_connect(dying, ask, "null", 0);
		MUST(send(dying, "?", 1, MSG_NOSIGNAL));
		cr_assert(hung_up(dying));
		close(dying);
	}
	usage_await(&b, "host", 0, TAG_CONNECTIONS, 1);
	cr_assert_eq(broker_usage(&b, "host", 0, TAG_FLIGHT), 0);
	close(sock);
	broker_stop(&b);
}
