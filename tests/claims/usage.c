/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Limits, uses and greeters of usage.h.
 */
#include "usage.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

int broker_fds_at_rest(const struct broker *b)
{
	uint8_t buf[128];
	struct wire_writer w;
	struct raw row;
	int sock = raw_open_control(b), count;

	/* Twice: the first answer may be given in the round in which the end was noticed. */
	for (uint32_t serial = 1; serial <= 2; serial++) {
		wire_begin(&w, buf, sizeof buf, WIRE_LIST, serial, 0, 0);
		wire_put_u32(&w, TAG_WHAT, WHAT_STATUS);
		raw_send(sock, &w, -1);
		do
			if (raw_recv(sock, &row) <= 0)
				harness_fail("the listing broke off");
		while (row.m.head.type == WIRE_ROW);
	}
	count = fd_count_at_rest(broker_switch_pid(b, 0)) - 1;
	close(sock);
	return count;
}

int parent_fds_at_rest(const struct broker *b)
{
	return fd_count_at_rest(broker_pid(b));
}

struct parent_settle {
	pid_t pid;
	int count;
};

static bool parent_settled(void *arg)
{
	const struct parent_settle *s = arg;

	return fd_count_of(s->pid) == s->count;
}

bool parent_fds_settle(const struct broker *b, int count)
{
	return wait_until(parent_settled, &(struct parent_settle){ broker_pid(b), count });
}

struct awaited {
	const struct broker *b;
	const char *door;
	uid_t uid;
	enum wire_tag what;
	uint32_t wanted;
};

static bool is_used(void *arg)
{
	const struct awaited *a = arg;

	return broker_usage(a->b, a->door, a->uid, a->what) == a->wanted;
}

void usage_await(const struct broker *b, const char *door, uid_t uid, enum wire_tag what,
		 uint32_t wanted)
{
	struct awaited a = { b, door, uid, what, wanted };

	if (!wait_until(is_used, &a))
		harness_fail("%s of %s %u: %ju where %u was to be", wire_tag_name(what),
			     door ? door : "uid", uid, (uintmax_t)broker_usage(b, door, uid, what),
			     wanted);
}

struct place_to_greet {
	const char *door, *name;
};

static void greet(const void *arg, int ready)
{
	const struct place_to_greet *at = arg;
	int sock = raw_open(at->door), error = raw_serve(sock, 1, 1, at->name, WAY_PAIR);
	struct raw incoming;

	if (error < 0)
		harness_fail("%s cannot be served: %s", at->name, strerror(-error));
	MUST(write(ready, "", 1));
	/* A greeter has nothing to do until somebody comes: no limit of time here. */
	for (;;) {
		ssize_t n = raw_recv(sock, &incoming);

		if (n == -ETIMEDOUT)
			continue;
		if (n <= 0)
			_exit(0);
		for (size_t i = 0; i < incoming.nfds; i++)
			send(incoming.fds[i], "!", 1, MSG_NOSIGNAL);
		raw_close(&incoming);
	}
}

pid_t greeter(const char *door, const char *name)
{
	return child_start(greet, &(struct place_to_greet){ door, name });
}

void be_greeted(const char *door, const char *name)
{
	int sock = raw_open(door), fd, error;
	struct raw reply;

	error = raw_introduce(sock, 1, name, SOCK_STREAM, 0, &reply);
	fd = error < 0 ? -1 : raw_take_fd(&reply);
	if (fd < 0)
		harness_fail("no introduction to %s through %s: %s", name, door,
			     strerror(-error));
	be_greeted_on(fd);
	close(sock);
}

void be_greeted_on(int sock)
{
	char byte = 0;

	if (sock < 0)
		harness_fail("no way to a greeter: %s", strerror(-sock));
	if (!wait_fd(sock, POLLIN) || read(sock, &byte, 1) != 1 || byte != '!')
		harness_fail("nobody greets");
	close(sock);
}

bool is_silent(int fd)
{
	return poll(&(struct pollfd){ .fd = fd, .events = POLLIN }, 1, 0) == 0;
}

int raw_hold(int sock, uint32_t serial, const char *name, int fd)
{
	uint8_t buf[128];
	struct wire_writer w;
	struct raw reply;

	wire_begin(&w, buf, sizeof buf, WIRE_HOLD, serial, 0, 1);
	wire_put_string(&w, TAG_NAME, name);
	return raw_ask(sock, &w, fd, &reply);
}

int raw_take(int sock, uint32_t serial, const char *name)
{
	uint8_t buf[128];
	struct wire_writer w;
	struct raw reply;
	int error;

	wire_begin(&w, buf, sizeof buf, WIRE_TAKE, serial, 0, 0);
	wire_put_string(&w, TAG_NAME, name);
	error = raw_ask(sock, &w, -1, &reply);
	return error < 0 ? error : raw_take_fd(&reply);
}

void raw_allow(int sock)
{
	uint8_t buf[64];
	struct wire_writer w;
	struct raw reply;
	int error;

	wire_begin(&w, buf, sizeof buf, WIRE_ALLOW, UINT32_MAX, 0, 0);
	error = raw_ask(sock, &w, -1, &reply);
	if (error < 0)
		harness_fail("ALLOW: %s", strerror(-error));
}

int raw_find(int sock, uint32_t serial, uint32_t ref, const char *name)
{
	uint8_t buf[128];
	struct wire_writer w;
	struct raw reply;

	wire_begin(&w, buf, sizeof buf, WIRE_FIND, serial, ref, 0);
	wire_put_string(&w, TAG_NAME, name);
	return raw_ask(sock, &w, -1, &reply);
}

void raw_ask_connect(int sock, uint32_t serial, const char *name, uint64_t wait_us)
{
	uint8_t buf[128];
	struct wire_writer w;

	wire_begin(&w, buf, sizeof buf, WIRE_CONNECT, serial, 0, 0);
	wire_put_string(&w, TAG_NAME, name);
	if (wait_us)
		wire_put_u64(&w, TAG_WAIT, wait_us);
	raw_send(sock, &w, -1);
}
