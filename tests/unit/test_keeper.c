/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the parent believes of a switch (broker/parent/keeper.h): the test is the switch, and a
 * child of the test is the process that the parent would kill.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "broker/channel.h"
#include "broker/parent/keeper.h"
#include "broker/parent/log.h"
#include "harness.h"

struct stand {
	struct keeper keeper;
	int sock;		/* the switch's end */
	char dir[DIR_BYTES];
	uint8_t packet[WIRE_PACKET_MAX];
	struct wire_writer w;
};

static void stand_begin(struct stand *s)
{
	int pair[2], null = MUST(open("/dev/null", O_WRONLY | O_CLOEXEC));

	/* what the parent says of it is not what is tested */
	MUST(dup2(null, STDERR_FILENO));
	close(null);
	log_open(true);
	*s = (struct stand){ .keeper = { .store.fds_max = 16, .trail = { AUDIT_NONE, -1 } } };
	dir_make(s->dir);
	MUST(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair));
	s->keeper.sock = pair[0];
	s->sock = pair[1];
	s->keeper.room.pid = child_fork();
	if (s->keeper.room.pid == 0) {
		pause();
		_exit(0);
	}
	s->keeper.room.pidfd = MUST(syscall(SYS_pidfd_open, s->keeper.room.pid, 0));
}

static void stand_end(struct stand *s)
{
	room_kill(&s->keeper.room);
	keeper_hang_up(&s->keeper);
	store_clear(&s->keeper.store);
	close(s->sock);
	dir_remove(s->dir);
}

static struct wire_writer *begin(struct stand *s, unsigned int type)
{
	wire_begin(&s->w, s->packet, sizeof s->packet, (uint16_t)type, 0, 0, 0);
	return &s->w;
}

static void say(struct stand *s, int fd)
{
	cr_assert_eq(channel_send(s->sock, s->packet, (size_t)wire_finish(&s->w), fd), 0);
	keeper_receive(&s->keeper);
}

static void say_keep(struct stand *s, uint64_t id, const char *text, int fd)
{
	begin(s, CHANNEL_KEEP);
	if (text)
		wire_put_bytes(&s->w, TAG_MESSAGES, text, strlen(text));
	wire_put_u64(&s->w, TAG_ENTRY, id);
	say(s, fd);
}

static int some_listener(struct stand *s)
{
	char path[DIR_BYTES + 8];

	snprintf(path, sizeof path, "%s/l", s->dir);
	unlink(path);
	return unix_listen(path, SOCK_SEQPACKET, 1);
}

static bool trusted(const struct stand *s)
{
	return s->keeper.sock >= 0;
}

/* It was killed, and is heard no more. */
static void distrusted(struct stand *s)
{
	int code, status;

	cr_assert_not(trusted(s));
	cr_assert(wait_fd(s->keeper.room.pidfd, POLLIN));
	cr_assert_eq(room_reap(&s->keeper.room, &code, &status), 0);
	cr_assert_eq(code, CLD_KILLED);
	cr_assert_eq(status, SIGKILL);
}

TEST(keeper, keeps_and_forgets)
{
	struct stand s;
	int listener;

	stand_begin(&s);
	listener = some_listener(&s);
	say_keep(&s, 16, "bytes", listener);
	say_keep(&s, 17, NULL, -1);
	close(listener);
	cr_assert(trusted(&s));
	cr_assert_eq(s.keeper.store.n, 2);
	cr_assert_geq(store_find(&s.keeper.store, 16)->fd, 0);
	wire_put_u64(begin(&s, CHANNEL_FORGET), TAG_ENTRY, 16);
	say(&s, -1);
	cr_assert_eq(s.keeper.store.n, 1);
	wire_put_u64(begin(&s, CHANNEL_FORGET), TAG_ENTRY, 99);
	say(&s, -1);
	cr_assert(trusted(&s), "an entry that was never kept, for want of room");
	stand_end(&s);
}

TEST(keeper, gives_back_what_it_was_given)
{
	struct stand s;
	uint8_t buf[WIRE_PACKET_MAX];
	struct wire_message m;
	int listener, fd = -1;

	stand_begin(&s);
	listener = some_listener(&s);
	say_keep(&s, 20, "later", -1);
	say_keep(&s, 16, "bytes", listener);
	close(listener);
	cr_assert_eq(keeper_send_store(&s.keeper), 0);
	cr_assert_eq(wire_parse(buf, (size_t)channel_recv(s.sock, buf, 0, &fd), &m), 0);
	cr_assert_eq(m.head.type, CHANNEL_ENTRY);
	cr_assert_eq(wire_u64(&m, TAG_ENTRY, 0), 16);
	cr_assert_eq(m.length[TAG_MESSAGES], 5);
	cr_assert_eq(memcmp(m.value[TAG_MESSAGES], "bytes", 5), 0);
	cr_assert_geq(fd, 0);
	close(fd);
	cr_assert_eq(wire_parse(buf, (size_t)channel_recv(s.sock, buf, 0, &fd), &m), 0);
	cr_assert_eq(wire_u64(&m, TAG_ENTRY, 0), 20);
	cr_assert_eq(fd, -1);
	stand_end(&s);
}

/* Both have more to say than a socket holds: neither waits for the other for ever. */
TEST(keeper, listens_while_it_speaks)
{
	static char text[3000];
	struct stand s;
	pid_t child;

	stand_begin(&s);
	memset(text, 'x', sizeof text - 1);
	for (uint64_t id = 16; id < 16 + 1000; id++)
		say_keep(&s, id, text, -1);
	child = child_fork();
	if (child == 0) {
		uint8_t buf[WIRE_PACKET_MAX];
		int fd = -1, n = 0;

		/* first says all it has, then reads what there is */
		for (uint64_t id = 2000; id < 3000; id++) {
			begin(&s, CHANNEL_KEEP);
			wire_put_bytes(&s.w, TAG_MESSAGES, text, sizeof text - 1);
			wire_put_u64(&s.w, TAG_ENTRY, id);
			if (channel_send(s.sock, s.packet, (size_t)wire_finish(&s.w), -1) < 0)
				_exit(1);
		}
		while (channel_recv(s.sock, buf, 0, &fd) > 0)
			n++;
		/* what arrived meanwhile was sent back, too */
		_exit(n >= 1000 && n <= 2000 ? 0 : 2);
	}
	cr_assert_eq(keeper_send_store(&s.keeper), 0);
	while (s.keeper.store.n < 2000 && wait_fd(s.keeper.sock, POLLIN))
		keeper_receive(&s.keeper);
	cr_assert_eq(s.keeper.store.n, 2000);
	MUST(shutdown(s.keeper.sock, SHUT_WR));
	cr_assert_eq(child_wait(child), 0);
	stand_end(&s);
}

TEST(keeper, distrusts_other_messages)
{
	static const unsigned int types[] = { 0, WIRE_CONNECT, WIRE_DOOR_ADD, CHANNEL_ENTRY,
					      CHANNEL_START, CHANNEL_STOP, CHANNEL_STORE,
					      CHANNEL_WANT_STORE + 1,
					      UINT16_MAX };

	for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
		struct stand s;

		stand_begin(&s);
		begin(&s, types[i]);
		say(&s, -1);
		distrusted(&s);
		stand_end(&s);
	}
}

TEST(keeper, distrusts_what_is_incomplete)
{
	static const unsigned int types[] = { CHANNEL_KEEP, CHANNEL_FORGET, CHANNEL_LOG };

	for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
		struct stand s;

		stand_begin(&s);
		begin(&s, types[i]);
		say(&s, -1);
		distrusted(&s);
		stand_end(&s);
	}
}

TEST(keeper, distrusts_bytes_that_are_no_message)
{
	struct stand s;

	stand_begin(&s);
	cr_assert_eq(channel_send(s.sock, "hello, parent", 13, -1), 0);
	keeper_receive(&s.keeper);
	distrusted(&s);
	stand_end(&s);
}

/* Closing a descriptor of a stranger's kind could hold the parent up. */
TEST(keeper, keeps_nothing_but_listeners)
{
	int null = MUST(open("/dev/null", O_RDONLY | O_CLOEXEC)), pair[2];
	int inet = MUST(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));

	MUST(listen(inet, 1));
	MUST(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair));
	for (int i = 0; i < 3; i++) {
		struct stand s;

		stand_begin(&s);
		say_keep(&s, 16, "x", (int[]){ null, pair[0], inet }[i]);
		cr_assert_eq(s.keeper.store.n, 0);
		distrusted(&s);
		stand_end(&s);
	}
	close(null);
	close(inet);
	close(pair[0]);
	close(pair[1]);
}

TEST(keeper, takes_descriptors_with_entries_only)
{
	struct stand s;
	int listener;

	stand_begin(&s);
	listener = some_listener(&s);
	begin(&s, CHANNEL_READY);
	say(&s, listener);
	close(listener);
	cr_assert_not(s.keeper.ready);
	distrusted(&s);
	stand_end(&s);
}

TEST(keeper, believes_in_idleness_only_where_it_was_asked_for)
{
	struct stand s;

	stand_begin(&s);
	s.keeper.idle_exit_sec = 5;
	begin(&s, CHANNEL_IDLE);
	say(&s, -1);
	cr_assert(trusted(&s) && s.keeper.idle);
	stand_end(&s);

	stand_begin(&s);
	begin(&s, CHANNEL_IDLE);
	say(&s, -1);
	distrusted(&s);
	cr_assert_not(s.keeper.idle, "or the broker would end");
	stand_end(&s);
}

TEST(keeper, waits_longer_from_death_to_death)
{
	struct room_backoff b = { .started_us = 1000000 };
	uint64_t now = 1000000, last = 0;

	for (int i = 0; i < 12; i++) {
		uint64_t then = room_backoff(&b, now + 5);

		cr_assert_gt(then, now + 5, "it lived for 5 us");
		cr_assert_geq(then - now - 5, last);
		cr_assert_leq(then - now - 5, 1000000);
		last = then - now - 5;
		b.started_us = now = then;
	}
	cr_assert_eq(last, 1000000);
	cr_assert_eq(room_backoff(&b, now + 1000000), now + 1000000, "at once");
	b.started_us = now + 1000000;
	cr_assert_eq(room_backoff(&b, now + 1000001), now + 1010001, "anew from 10 ms");
}
