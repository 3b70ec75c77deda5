/* SPDX-License-Identifier: Apache-2.0 */
/*
 * INTRO_DOOR=fd:N: one connection that a whole process tree has. Each process opens its own by
 * JOIN; no reply travels on N, and whoever misuses it disturbs nobody who has joined.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "scene.h"

#define PROCESSES 8
#define ROUNDS 40
#define ROUNDS_OF_ONE 10	/* then a process joins anew */

static struct scene s;

/* A connection to be shared, through a door. */
static int share(const char *door)
{
	struct raw reply = { .nfds = 0 };
	struct message m;
	int sock = enter(&s, door), r;

	r = raw_ask(sock, message(&m, WIRE_SHARE, 1, 0, 0), -1, &reply);
	if (r < 0)
		harness_fail("SHARE: %s", strerror(-r));
	return sock;
}

/* Deposit something (borrowed) on a shared connection. */
static void deposit(int shared, int fd)
{
	struct message m;

	raw_send(shared, message(&m, WIRE_JOIN, 0, 0, 1), fd);
}

/* A connection of one's own. */
static int join(int shared)
{
	int pair[2];

	MUST(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair));
	deposit(shared, pair[1]);
	close(pair[1]);
	return pair[0];
}

/* A joined connection works: it is introduced to "echo". */
static void expect_joined(int sock, int service)
{
	int end = dial(sock, "echo"), other;

	cr_assert_geq(end, 0, "%s", strerror(-end));
	other = expect(service, WIRE_INCOMING, NULL);
	cr_expect(linked(end, other));
	cr_expect(linked(other, end));
	close(end);
	close(other);
}

static void expect_nothing(int shared)
{
	char byte;

	cr_expect_eq(recv(shared, &byte, 1, MSG_DONTWAIT), -1);
	cr_expect_eq(errno, EAGAIN, "something travelled on the shared connection");
}

/* ---- many at once ---- */

/* Questions of several kinds, with serials that nobody else uses; each answer must be the
 * next one's. */
_Noreturn static void be_one_of_many(int shared, int start, int32_t number)
{
	uint32_t serial = (uint32_t)number * 100000;
	int sock = -1;

	/* all begin at once */
	if (!wait_fd(start, POLLHUP))
		_exit(3);
	for (int i = 0; i < ROUNDS; i++) {
		int32_t heard = -1;
		int end;

		if (i % ROUNDS_OF_ONE == 0)
			sock = join(shared);
		ask(sock, ++serial, "absent", SOCK_STREAM, 0);
		ask(sock, ++serial, "echo", SOCK_DGRAM, 0);
		ask(sock, ++serial, "echo", SOCK_STREAM, 0);
		if (answer(sock, serial - 2) != -ENOENT ||
		    answer(sock, serial - 1) != -EPROTOTYPE)
			_exit(1);
		end = answer(sock, serial);
		if (end < 0 || write(end, &number, sizeof number) != sizeof number ||
		    !wait_fd(end, POLLIN) ||
		    read(end, &heard, sizeof heard) != sizeof heard || heard != number)
			_exit(2);
		close(end);
	}
	_exit(0);
}

/* It reads what it can, which must be nothing. */
_Noreturn static void eavesdrop(int shared)
{
	char byte;

	_exit(recv(shared, &byte, 1, 0) >= 0);
}

TEST(shared_door, answers_do_not_mix)
{
	uint64_t known[PROCESSES] = { 0 };
	int shared, service, start[2];
	pid_t pids[PROCESSES], spy;

	scene_start(&s, NULL);
	service = serve(&s, "host", "echo", WAY_PAIR);
	shared = share("host");
	spy = child_fork();
	if (spy == 0)
		eavesdrop(shared);
	MUST(pipe2(start, O_CLOEXEC));
	for (int i = 0; i < PROCESSES; i++) {
		pids[i] = child_fork();
		if (pids[i] == 0) {
			close(start[1]);
			be_one_of_many(shared, start[0], i);
		}
	}
	close(start[0]);
	close(start[1]);
	for (int i = 0; i < PROCESSES * ROUNDS; i++) {
		int32_t number = -1;
		uint64_t inode;
		struct raw in;
		int end = expect(service, WIRE_INCOMING, &in);

		cr_assert(wait_fd(end, POLLIN));
		cr_assert_eq(read(end, &number, sizeof number), (ssize_t)sizeof number);
		cr_assert(number >= 0 && number < PROCESSES);
		/* the service knows each by the same number, and no two */
		inode = wire_u64(&in.m, TAG_PIDFD_INODE, 0);
		cr_expect_neq(inode, 0);
		for (int j = 0; j < PROCESSES; j++)
			if (j == number ? known[j] != 0 : known[j] == inode)
				cr_expect(j == number && known[j] == inode, "%d is %d", number, j);
		known[number] = inode;
		cr_assert_eq(write(end, &number, sizeof number), (ssize_t)sizeof number);
		close(end);
	}
	for (int i = 0; i < PROCESSES; i++)
		cr_expect_eq(child_wait(pids[i]), 0, "process %d", i);
	expect_nothing(shared);
	MUST(kill(spy, SIGKILL));
	cr_expect_eq(child_wait(spy), 128 + SIGKILL, "somebody heard something");
	close(shared);
	close(service);
	scene_end(&s);
}

/* ---- hostile ones ---- */

/* N takes JOIN and nothing else; who has joined goes on, whatever becomes of N. */
TEST(shared_door, other_messages_are_refused)
{
	int service, plain = MUST(open("/dev/null", O_RDONLY | O_CLOEXEC));

	scene_start(&s, NULL);
	service = serve(&s, "host", "echo", WAY_PAIR);
	for (int type = 0; type < 256; type++) {
		int shared, joined, fd;
		struct message m;

		if (type == WIRE_JOIN)
			continue;
		shared = share("host");
		joined = join(shared);
		expect_joined(joined, service);
		fd = type == WIRE_HOLD || type == WIRE_PLACE ? plain : -1;
		wire_put_string(message(&m, (enum wire_type)type, 1, 1, fd >= 0), TAG_NAME,
				"echo");
		raw_send(shared, &m.w, fd);
		expect_end(shared);
		expect_joined(joined, service);
		close(joined);
	}
	close(plain);
	close(service);
	scene_end(&s);
}

/* What is no connection of the sender's own is not taken, and hurts nobody. */
TEST(shared_door, nonsense_is_not_joined)
{
	enum { KINDS = 8 };
	char path[PATH_BYTES];
	int shared, joined, service, pair[2], things[KINDS];

	scene_start(&s, NULL);
	service = serve(&s, "host", "echo", WAY_PAIR);
	shared = share("host");
	joined = join(shared);
	snprintf(path, sizeof path, "%s/listener", s.b.dir);
	things[0] = MUST(open("/dev/null", O_RDWR | O_CLOEXEC));
	things[1] = unix_listen(path, SOCK_SEQPACKET, 1);
	things[2] = MUST(socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
	things[3] = MUST(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
	things[4] = MUST(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
	MUST(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair));
	close(pair[0]);
	things[5] = pair[1];
	/* the broker's own: it must not hold both ends of what it would wait for the end of */
	things[6] = MUST(fcntl(shared, F_DUPFD_CLOEXEC, 0));
	things[7] = enter(&s, "host");
	for (int i = 0; i < KINDS; i++) {
		int newcomer;

		deposit(shared, things[i]);
		close(things[i]);
		newcomer = join(shared);
		expect_joined(newcomer, service);
		expect_joined(joined, service);
		close(newcomer);
	}
	expect_nothing(shared);
	close(shared);
	close(joined);
	close(service);
	scene_end(&s);
}

/* No room for one more: it is told so on its own connection, and the others go on. */
TEST(shared_door, flood_is_stopped_by_the_door)
{
	enum { ROOM = 8 };
	int service, shared, joined[ROOM], refused;
	struct raw reply = { .nfds = 0 };

	scene_start(&s, NULL);
	cr_assert_eq(broker_add_door(&s.b, "box"), 0);
	cr_assert_eq(broker_grant(&s.b, "box", "echo", RIGHT_CONNECT), 0);
	cr_assert_eq(broker_limit(&s.b, "box", TAG_MAX_CONNECTIONS, ROOM), 0);
	scene_settled(&s);
	service = serve(&s, "host", "echo", WAY_PAIR);
	shared = share("box");
	for (int i = 0; i < ROOM - 1; i++) {
		joined[i] = join(shared);
		expect_joined(joined[i], service);
	}
	for (int i = 0; i < 3; i++) {
		refused = join(shared);
		cr_expect_eq(raw_reply(refused, 0, &reply), -EDQUOT);
		expect_end(refused);
	}
	for (int i = 0; i < ROOM - 1; i++)
		expect_joined(joined[i], service);
	expect_nothing(shared);
	for (int i = 0; i < ROOM - 1; i++)
		close(joined[i]);
	close(shared);
	close(service);
	scene_end(&s);
}

/* Fill the shared connection's queue with deposits whose owners are gone. */
static int fill(void *arg)
{
	uint8_t packet[WIRE_HEADER_BYTES];
	struct wire_writer w;
	int pair[2], r;

	MUST(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair));
	close(pair[0]);
	wire_begin(&w, packet, sizeof packet, WIRE_JOIN, 0, 0, 1);
	do
		r = packet_send(*(int *)arg, packet, sizeof packet, &pair[1], 1);
	while (r == 0);
	return r == -EAGAIN || r == -ETOOMANYREFS ? 0 : 1;
}

static int use(void *arg)
{
	int sock = join(*(int *)arg), end = dial(sock, "echo");

	return end >= 0 ? 0 : 1;
}

TEST(shared_door, full_queue_is_a_pause)
{
	int service, shared;
	pid_t users[PROCESSES];

	scene_start(&s, NULL);
	service = serve(&s, "host", "echo", WAY_PAIR);
	shared = share("host");
	MUST(kill(s.room, SIGSTOP));
	cr_assert_eq(child_call(fill, &shared), 0);
	for (int i = 0; i < PROCESSES; i++) {
		users[i] = child_fork();
		if (users[i] == 0)
			_exit(use(&shared));
	}
	MUST(kill(s.room, SIGCONT));
	for (int i = 0; i < PROCESSES; i++)
		close(expect(service, WIRE_INCOMING, NULL));
	for (int i = 0; i < PROCESSES; i++)
		cr_expect_eq(child_wait(users[i]), 0);
	close(shared);
	close(service);
	scene_end(&s);
}

/* ---- the end ---- */

static int join_and_wait(void *arg)
{
	int sock = join(*(int *)arg);

	ask(sock, 1, "never", SOCK_STREAM, UINT64_MAX);
	if (!quiet(sock) || raw_serve(sock, 2, 2, "mine", WAY_PAIR) < 0)
		return 1;
	raise(SIGKILL);
	return 2;
}

static bool is_free(void *arg)
{
	return raw_serve(*(int *)arg, 1, 1, "mine", WAY_PAIR) == 0;
}

/* Who joined and died leaves nothing, while the others still have N. */
TEST(shared_door, the_dead_are_gone)
{
	int shared, service;

	scene_start(&s, NULL);
	shared = share("host");
	for (int i = 0; i < PROCESSES; i++) {
		cr_assert_eq(child_call(join_and_wait, &shared), 128 + SIGKILL);
		service = join(shared);
		cr_expect(wait_until(is_free, &service));
		close(service);
	}
	close(shared);
	scene_end(&s);
}
