/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Claim 17: a client that never reads, or floods, exhausts only its own quota. Whoever comes
 * through another door, or through the same one with another uid, uses every resource
 * meanwhile. The limits are the same for all, as they are by default.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "usage.h"

#define FLOODER_UID 61001
#define VICTIM_UID 61002

/* Everybody's limits. */
#define MAX_CONNECTIONS 24u
#define MAX_NAMES 48u
#define MAX_HELD 8u
#define MAX_FLIGHT 12u
#define MAX_WAITS 16u

/* ---- the floods: each leaves its resource exhausted, with one more refused ---- */

static void expect(int error, int wanted, const char *what)
{
	if (error != wanted)
		harness_fail("%s: %s, not %s", what, strerror(-error), strerror(-wanted));
}

static void flood_connections(const char *door)
{
	for (unsigned int i = 0; i < MAX_CONNECTIONS + 8; i++)
		raw_open(door);
}

static void flood_names(const char *door)
{
	uint32_t ref = 1;
	int sock = raw_open(door), error;

	do
		error = raw_find(sock, ref, ref, "db");
	while (error == 0 && ++ref <= 2 * MAX_NAMES);
	expect(error, -EDQUOT, "one name more");
}

static void flood_held(const char *door)
{
	int sock = raw_open(door), fd = MUST(memfd_create("held", MFD_CLOEXEC));
	char name[16];

	raw_allow(sock);
	for (uint32_t i = 0; i <= MAX_HELD; i++) {
		snprintf(name, sizeof name, "held-%u", i);
		expect(raw_hold(sock, i + 1, name, fd), i < MAX_HELD ? 0 : -EDQUOT, name);
	}
}

/* Clients that ask and never read. */
static void flood_flight(const char *door)
{
	for (uint32_t i = 0; i < MAX_FLIGHT / 2; i++) {
		int sock = raw_open(door);

		for (uint32_t j = 1; j <= 4; j++)
			raw_ask_connect(sock, j, "db", MINUTE_US);
	}
}

static void flood_waits(const char *door)
{
	int sock = raw_open(door);
	struct raw reply;

	for (uint32_t i = 1; i <= MAX_WAITS + 1; i++)
		raw_ask_connect(sock, i, "never", MINUTE_US);
	expect(raw_reply(sock, MAX_WAITS + 1, &reply), -EDQUOT, "one wait more");
}

static const struct flood {
	void (*run)(const char *door);
	enum wire_tag used, max;
	uint32_t limit;
} floods[] = {
	{ flood_connections, TAG_CONNECTIONS, TAG_MAX_CONNECTIONS, MAX_CONNECTIONS },
	{ flood_names, TAG_NAMES, TAG_MAX_NAMES, MAX_NAMES },
	{ flood_held, TAG_HELD, TAG_MAX_HELD, MAX_HELD },
	{ flood_flight, TAG_FLIGHT, TAG_MAX_FLIGHT, MAX_FLIGHT },
	{ flood_waits, TAG_WAITS, TAG_MAX_WAITS, MAX_WAITS },
};

/* ---- the others ---- */

/* All five resources, used in earnest. */
static void use_everything(const char *door)
{
	int sock = raw_open(door), server = raw_open(door);
	int fd = MUST(memfd_create("mine", MFD_CLOEXEC)), ends[2];
	struct raw packet;

	be_greeted(door, "db");
	expect(raw_find(sock, 1, 1, "db"), 0, "FIND");
	raw_allow(sock);
	expect(raw_hold(sock, 2, "mine", fd), 0, "HOLD");
	close(fd);
	fd = raw_take(sock, 3, "mine");
	expect(fd < 0 ? fd : 0, 0, "TAKE");
	close(fd);

	raw_ask_connect(sock, 4, "later", MINUTE_US);
	/* The wait is there before its service is: this answer comes after it was parked. */
	expect(raw_find(sock, 5, 5, "db"), 0, "FIND");
	expect(raw_serve(server, 1, 1, "later", WAY_PAIR), 0, "SERVE");
	expect(raw_reply(sock, 4, &packet), 0, "the wait's end");
	ends[0] = raw_take_fd(&packet);
	if (raw_recv(server, &packet) <= 0 || packet.m.head.type != WIRE_INCOMING)
		harness_fail("the service did not learn of its client");
	ends[1] = raw_take_fd(&packet);
	if (!linked(ends[0], ends[1]))
		harness_fail("the introduced are not linked");
	close(ends[0]);
	close(ends[1]);
	close(server);
	close(sock);
}

static void grant_all(const struct broker *b, const char *door)
{
	char name[16];

	cr_assert_eq(broker_grant(b, door, "db", RIGHTS_ALL), 0);
	cr_assert_eq(broker_grant(b, door, "mine", RIGHTS_ALL), 0);
	cr_assert_eq(broker_grant(b, door, "later", RIGHTS_ALL), 0);
	for (unsigned int i = 0; i <= MAX_HELD; i++) {
		snprintf(name, sizeof name, "held-%u", i);
		cr_assert_eq(broker_grant(b, door, name, RIGHTS_ALL), 0);
	}
}

static void limit_all(const struct broker *b)
{
	for (size_t i = 0; i < sizeof floods / sizeof floods[0]; i++)
		cr_assert_eq(broker_limit(b, NULL, floods[i].max, floods[i].limit), 0);
}

struct party {
	uid_t uid;	/* 0: as it is */
	const char *door;
	void (*run)(const char *door);
};

static int use(void *arg)
{
	const struct party *p = arg;

	if (p->uid)
		child_become(p->uid);
	p->run(p->door);
	return 0;
}

/* Do it, and keep it up. */
static void flood_on(const void *arg, int ready)
{
	use((void *)arg);
	child_stay(ready);
}

/* The flood comes through door (by uid, where the account is a uid's), the others through the
 * others; when it is over, everybody goes through the flooder's door. */
static void withstand(const struct broker *b, const struct flood *flood, const char *name,
		      const struct party *flooder, const struct party *others)
{
	const char *account = flooder->uid ? NULL : name;
	uint32_t before = broker_usage(b, account, flooder->uid, flood->used);
	pid_t room = broker_switch_pid(b, 0), pid;
	int fds;

	fds = broker_fds_at_rest(b);
	be_greeted(others->door, "db");
	pid = child_start(flood_on, flooder);
	usage_await(b, account, flooder->uid, flood->used, flood->limit);
	for (const struct party *p = others; p->door; p++)
		cr_assert_eq(child_call(use, (void *)p), 0, "%s: another one suffers",
			     wire_tag_name(flood->used));
	cr_assert_eq(broker_usage(b, account, flooder->uid, flood->used), flood->limit);
	child_kill(pid);

	/* What is held outlives its holder. */
	if (flood->used == TAG_HELD) {
		int sock = raw_open(flooder->door);

		for (uint32_t i = 0; i < MAX_HELD; i++) {
			char held[16];

			snprintf(held, sizeof held, "held-%u", i);
			close(MUST(raw_take(sock, i + 1, held)));
		}
		close(sock);
	}
	usage_await(b, account, flooder->uid, flood->used, before);
	use_everything(flooder->door);
	cr_assert(broker_fds_settle(b, fds), "%d descriptors in the switch, not %d",
		  broker_fd_count(b), fds);
	cr_assert_eq(broker_switch_pid(b, 0), room);
}

static void through_another_door(const struct flood *flood)
{
	char bad[PATH_BYTES], good[PATH_BYTES];
	struct broker b;
	int parent;
	pid_t db;

	broker_start(&b, &(struct broker_options){ .countable = true });
	broker_door(&b, "bad", bad);
	broker_door(&b, "good", good);
	cr_assert_eq(broker_add_door(&b, "bad"), 0);
	cr_assert_eq(broker_add_door(&b, "good"), 0);
	grant_all(&b, "bad");
	grant_all(&b, "good");
	limit_all(&b);
	parent = parent_fds_at_rest(&b);
	db = greeter(b.host, "db");
	withstand(&b, flood, "bad", &(struct party){ 0, bad, flood->run },
		  (const struct party[]){ { 0, good, use_everything },
					  { 0, b.host, use_everything },
					  { 0 } });
	cr_assert(parent_fds_settle(&b, parent));
	child_kill(db);
	broker_stop(&b);
}

static void with_another_uid(const struct flood *flood)
{
	struct broker b;
	pid_t db;

	NEED(geteuid() == 0, "only root can be several uids");
	broker_start(&b, &(struct broker_options){ .system = true });
	grant_all(&b, "host");
	limit_all(&b);
	db = greeter(b.host, "db");
	withstand(&b, flood, "host", &(struct party){ FLOODER_UID, b.host, flood->run },
		  (const struct party[]){ { VICTIM_UID, b.host, use_everything },
					  { 0, b.host, use_everything },
					  { 0 } });
	child_kill(db);
	broker_stop(&b);
}

#define WITHSTANDS(resource, number)                \
	TEST(claim_17, door_##resource)             \
	{                                           \
		through_another_door(&floods[number]); \
	}                                           \
	TEST(claim_17, uid_##resource)              \
	{                                           \
		with_another_uid(&floods[number]);  \
	}

WITHSTANDS(connections, 0)
WITHSTANDS(names, 1)
WITHSTANDS(held, 2)
WITHSTANDS(flight, 3)
WITHSTANDS(waits, 4)

/* ---- those who never read ---- */

/* Whoever asks without end and reads no answer is not read any more: a packet that finds no
 * room finds none after fifty introductions of others either. */
TEST(claim_17, answers_that_nobody_reads)
{
	static const uint8_t find[] = { 1, 0, WIRE_FIND, 0, 1, 0, 0, 0, 1, 0, 0, 0,
					TAG_NAME, 0, 1, 0, 'x' };
	char bad[PATH_BYTES];
	struct broker b;
	int sock, full = 0, asked = 0, fds;
	pid_t db, room;

	broker_start(&b, &(struct broker_options){ .countable = true });
	broker_door(&b, "bad", bad);
	cr_assert_eq(broker_add_door(&b, "bad"), 0);
	db = greeter(b.host, "db");
	room = broker_switch_pid(&b, 0);
	fds = broker_fds_at_rest(&b);
	sock = raw_open(bad);
	while (full < 50) {
		if (packet_send(sock, find, sizeof find, NULL, 0) == 0) {
			full = 0;
			cr_assert_lt(++asked, 100000, "its questions are read without end");
			continue;
		}
		be_greeted(b.host, "db");
		full++;
	}
	cr_assert_gt(asked, 0);
	cr_assert_eq(broker_usage(&b, "bad", 0, TAG_CONNECTIONS), 1);
	close(sock);
	usage_await(&b, "bad", 0, TAG_CONNECTIONS, 0);
	cr_assert(broker_fds_settle(&b, fds));
	cr_assert_eq(broker_switch_pid(&b, 0), room);
	child_kill(db);
	broker_stop(&b);
}

/* A service that takes nothing keeps its own clients waiting, and nobody else's. */
TEST(claim_17, deaf_service)
{
	char bad[PATH_BYTES], good[PATH_BYTES];
	struct broker b;
	int deaf, clients[64], fds;
	pid_t db;

	broker_start(&b, &(struct broker_options){ .countable = true });
	broker_door(&b, "bad", bad);
	broker_door(&b, "good", good);
	cr_assert_eq(broker_add_door(&b, "bad"), 0);
	cr_assert_eq(broker_add_door(&b, "good"), 0);
	cr_assert_eq(broker_grant(&b, "bad", "deaf", RIGHTS_ALL), 0);
	cr_assert_eq(broker_grant(&b, "good", "deaf", RIGHTS_ALL), 0);
	cr_assert_eq(broker_grant(&b, "good", "db", RIGHTS_ALL), 0);
	db = greeter(b.host, "db");
	fds = broker_fds_at_rest(&b);

	deaf = raw_open(bad);
	cr_assert_eq(raw_serve(deaf, 1, 1, "deaf", WAY_PAIR), 0);
	for (size_t i = 0; i < 64; i++) {
		clients[i] = raw_open(good);
		raw_ask_connect(clients[i], 1, "deaf", MINUTE_US);
	}
	/* Some were let in, as many as a service may leave unread; the others wait. */
	usage_await(&b, "bad", 0, TAG_FLIGHT, 16);
	usage_await(&b, "good", 0, TAG_WAITS, 64 - 16);
	for (int i = 0; i < 50; i++)
		be_greeted(good, "db");
	cr_assert_eq(broker_usage(&b, "bad", 0, TAG_FLIGHT), 16);

	/* It takes one; when it has worked off its window, all are let in in the end. */
	for (int taken = 0; taken < 64; taken++) {
		_cleanup_raw_ struct raw incoming = { .nfds = 0 };

		cr_assert_gt(raw_recv(deaf, &incoming), 0);
		cr_assert_eq(incoming.m.head.type, WIRE_INCOMING);
	}
	for (size_t i = 0; i < 64; i++) {
		_cleanup_raw_ struct raw reply = { .nfds = 0 };

		cr_assert_eq(raw_reply(clients[i], 1, &reply), 0);
		raw_close(&reply);
		close(clients[i]);
	}
	close(deaf);
	cr_assert(broker_fds_settle(&b, fds));
	child_kill(db);
	broker_stop(&b);
}
