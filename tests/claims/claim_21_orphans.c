/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Claim 21: a switch that is killed leaves nothing in the doors that nobody owns: no socket
 * file that stands for nothing, and no listener that nobody accepts on.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "doomed.h"

static struct scene s;

static void path_of(const char *door, const char *file, char ret[static PATH_BYTES])
{
	char dir[PATH_BYTES];

	broker_door(&s.b, door, dir);
	cr_assert_lt((size_t)snprintf(ret, PATH_BYTES, "%s/%s", dir, file), (size_t)PATH_BYTES);
}

/* A socket file that nobody listens behind. */
static void litter(const char *door, const char *file)
{
	char path[PATH_BYTES];

	path_of(door, file, path);
	close(unix_listen(path, SOCK_STREAM, 1));
}

static bool has_file(const char *door, const char *file)
{
	char path[PATH_BYTES];
	struct stat st;

	path_of(door, file, path);
	return stat(path, &st) == 0;
}

static void box(bool add)
{
	if (!add)
		cr_assert_eq(broker_remove_door(&s.b, "box"), 0);
	else
		cr_assert_eq(broker_add_door(&s.b, "box"), 0);
}

TEST(claim_21, files_of_no_grant_are_gone)
{
	struct message m;
	char path[PATH_BYTES];

	scene_start(&s, NULL);
	box(true);
	cr_assert_eq(broker_grant(&s.b, "box", "db", RIGHT_CONNECT), 0);
	message(&m, WIRE_GRANT, 1, 0, 0);
	wire_put_string(&m.w, TAG_NAME, "sql");
	wire_put_string(&m.w, TAG_DOOR, "box");
	wire_put_string(&m.w, TAG_FILE, ".s.PGSQL.5432");
	cr_assert_eq(broker_administer(&s.b, &m.w), 0);
	scene_settled(&s);
	path_of("box", "note", path);
	fclose(fopen(path, "w"));

	/* as a switch does that dies between binding and telling */
	litter("box", "stale");
	litter("box", ".intro.new.stale");
	litter("host", "stale");
	broker_switch_kill(&s.b);
	strangers_meet(&s);	/* it is ready */
	cr_expect(!has_file("box", "stale"));
	cr_expect(!has_file("box", ".intro.new.stale"));
	cr_expect(!has_file("host", "stale"));
	cr_expect(has_file("box", "db"));
	cr_expect(has_file("box", ".s.PGSQL.5432"));
	cr_expect(has_file("box", "intro.sock"));
	cr_expect(has_file("box", "note"), "it is no socket");
	scene_check_restarted(&s);
	scene_end(&s);
}

/* The directories of doors stay when those are removed. */
TEST(claim_21, a_door_begins_empty)
{
	scene_start(&s, NULL);
	box(true);
	box(false);
	litter("box", "stale");
	box(true);
	cr_expect(!has_file("box", "stale"));
	cr_expect(has_file("box", "intro.sock"));
	box(false);
	scene_end(&s);
}

static void take_listeners(int serving)
{
	struct message m;

	raw_send(serving, message(&m, WIRE_LISTENERS, 2, 1, 0), -1);
	for (bool done = false; !done;) {
		_cleanup_raw_ struct raw packet = { .nfds = 0 };

		if (raw_recv(serving, &packet) <= 0)
			_exit(1);
		done = packet.m.head.type == WIRE_REPLY;
	}
}

/* A service with the door's own listener. */
static void serve_by_listener(void)
{
	take_listeners(serve(&s, "host", "own", WAY_PAIR));
}

static bool accepted_by_us(void *service)
{
	char path[PATH_BYTES];
	struct pollfd p = { .events = POLLIN };
	int client, got = -1;

	path_of("host", "own", path);
	client = unix_connect(path, SOCK_STREAM);
	if (client >= 0) {
		struct raw packet = { .nfds = 0 };

		p.fd = *(int *)service;
		if (poll(&p, 1, 100) > 0 && raw_recv(p.fd, &packet) > 0)
			got = raw_take_fd(&packet);
		close(client);
	}
	if (got >= 0)
		close(got);
	return got >= 0;
}

/* Whoever had it has died with the switch. */
TEST(claim_21, a_given_listener_is_taken_back, .timeout = 40)
{
	char path[PATH_BYTES];
	struct stat given, now;
	pid_t service;
	int next;

	scene_start(&s, NULL);
	cr_assert_eq(broker_grant(&s.b, "host", "own", RIGHTS_ALL), 0);
	scene_settled(&s);
	service = doomed(serve_by_listener);
	path_of("host", "own", path);
	MUST(stat(path, &given));
	stop_it(s.room);
	child_kill(service);
	broker_switch_kill(&s.b);
	do
		MUST(stat(path, &now));
	while (now.st_ino == given.st_ino && poll(NULL, 0, 10) == 0);
	next = serve(&s, "host", "own", WAY_PAIR);
	cr_expect(wait_until(accepted_by_us, &next));
	close(next);
	scene_check_restarted(&s);
	scene_end(&s);
}
