/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The parent room: a switch that dies is replaced without anybody being turned away, a
 * configuration is read again, a directory that could be somebody else's is refused.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "harness.h"

static int ask_nothing(const char *door)
{
	int sock = raw_open(door), r;

	r = raw_introduce(sock, 1, "nosuchname", SOCK_STREAM, 0, NULL);
	close(sock);
	return r;
}

TEST(parent, replaces_a_switch_without_turning_clients_away)
{
	char door[PATH_BYTES];
	struct broker b;
	struct stat before, after;
	pid_t old = 0;

	broker_start(&b, NULL);
	cr_assert_eq(broker_add_door(&b, "web"), 0);
	cr_assert_eq(broker_grant(&b, "web", "db", RIGHTS_ALL), 0);
	broker_door(&b, "web", door);
	MUST(stat(door, &before));
	for (int i = 0; i < 5; i++) {
		int sock, waiting = raw_open(door);

		old = broker_switch_pid(&b, old);
		MUST(kill(old, SIGKILL));
		/* connecting never fails: the parent has the listener, too */
		sock = raw_open(door);
		cr_assert_geq(sock, 0);
		cr_assert_eq(raw_introduce(sock, 1, "db", SOCK_STREAM, 0, NULL), -ECONNREFUSED,
			     "granted, and nobody serves it");
		cr_assert_eq(raw_introduce(sock, 2, "nosuch", SOCK_STREAM, 0, NULL), -ENOENT);
		close(sock);
		close(waiting);
	}
	MUST(stat(door, &after));
	cr_assert_eq(before.st_ino, after.st_ino, "the door's directory is the same one");
	broker_stop(&b);
}

static void config_write(const struct broker *b, const char *text)
{
	char path[PATH_BYTES];

	snprintf(path, sizeof path, "%s/introd.conf", b->dir);
	file_write(path, text);
}

static bool log_has(const struct broker *b, const char *text)
{
	char *log = file_read(b->log);
	bool has = log && strstr(log, text);

	free(log);
	return has;
}

struct look {
	const struct broker *b;
	const char *text;
	const char *door;
	int wanted;
};

static bool log_has_it(void *arg)
{
	const struct look *look = arg;

	return log_has(look->b, look->text);
}

static bool door_answers(void *arg)
{
	const struct look *look = arg;
	int sock = raw_open(look->door), r;

	r = raw_introduce(sock, 1, look->text, SOCK_STREAM, 0, NULL);
	close(sock);
	return r == look->wanted;
}

TEST(parent, reloads_without_dropping_a_client)
{
	struct broker b;
	char door[PATH_BYTES];
	struct look granted = { &b, "db", door, -ECONNREFUSED }, gone = { &b, "db", door, -ENOENT };
	struct look refused = { &b, "introd.conf:2:1: wanted an option", NULL, 0 };
	int sock;

	broker_start(&b, &(struct broker_options){ .config = "door web { }\n" });
	broker_door(&b, "web", door);
	sock = raw_open(door);
	cr_assert_eq(raw_introduce(sock, 1, "db", SOCK_STREAM, 0, NULL), -ENOENT);

	config_write(&b, "door web {\ngrant db { } }\n");
	kill(b.pid, SIGHUP);
	cr_assert(wait_until(door_answers, &granted));
	cr_assert_eq(raw_introduce(sock, 2, "db", SOCK_STREAM, 0, NULL), -ECONNREFUSED,
		     "the same connection");

	config_write(&b, "door web { }\ndor web { }\n");
	kill(b.pid, SIGHUP);
	cr_assert(wait_until(log_has_it, &refused));
	cr_assert_eq(raw_introduce(sock, 3, "db", SOCK_STREAM, 0, NULL), -ECONNREFUSED,
		     "it stays as it was");

	config_write(&b, "door web { }\n");
	kill(b.pid, SIGHUP);
	cr_assert(wait_until(door_answers, &gone));
	cr_assert_eq(raw_introduce(sock, 4, "db", SOCK_STREAM, 0, NULL), -ENOENT);
	close(sock);
	broker_stop(&b);
}

TEST(parent, leaves_out_a_server_whose_directory_is_missing)
{
	struct broker b;

	broker_start(&b, &(struct broker_options){
		.config = "service db { place = /nosuchdirectory/db.sock }\ndoor web { }\n" });
	cr_assert(log_has(&b, "the configuration names the directory /nosuchdirectory: No such"));
	broker_stop(&b);
}

/* Run introd on what cannot work: its status; its error is compared. */
static int refused(const char *says, const char *const *args)
{
	_cleanup_run_ struct run r;
	char program[PATH_BYTES];
	const char *argv[16] = { program };
	int n = 1;

	program_path("introd", program);
	for (; args[n - 1]; n++)
		argv[n] = args[n - 1];
	run(&r, &(struct spawn){ .argv = argv });
	cr_assert_not_null(strstr(r.err, says), "wanted %s, found %s", says, r.err);
	return r.status;
}

TEST(parent, refuses_a_second_broker_in_the_same_place)
{
	char base[PATH_BYTES];
	struct broker b;

	broker_start(&b, NULL);
	snprintf(base, sizeof base, "--base=%s", b.base);
	cr_assert_eq(refused("another broker, pid ", (const char *[]){ "--user", base, NULL }),
		     111);
	cr_assert_eq(ask_nothing(b.host), -ENOENT, "the first one serves on");
	broker_stop(&b);
}

TEST(parent, refuses_directories_that_others_could_have_filled)
{
	char dir[DIR_BYTES], base[DIR_BYTES + 32], path[DIR_BYTES + 16], target[DIR_BYTES + 32];

	dir_make(dir);
	snprintf(path, sizeof path, "%s/base", dir);
	snprintf(target, sizeof target, "%s/target", dir);
	snprintf(base, sizeof base, "--base=%s", path);
	MUST(mkdir(target, 0700));
	MUST(symlink(target, path));
	cr_assert_eq(refused("no symbolic link", (const char *[]){ "--user", base, NULL }), 111);
	MUST(unlink(path));
	MUST(mkdir(path, 0700));
	MUST(chmod(path, 0770));
	cr_assert_eq(refused("has mode 0770", (const char *[]){ "--user", base, NULL }), 111);
	MUST(chmod(path, 0700));
	snprintf(target, sizeof target, "%s/doors", path);
	MUST(symlink(dir, target));
	cr_assert_eq(refused("/doors: ", (const char *[]){ "--user", base, NULL }), 111);
	MUST(unlink(target));
	if (geteuid() == 0) {
		MUST(chown(path, 65534, 65534));
		cr_assert_eq(refused("belongs to uid 65534",
				     (const char *[]){ "--user", base, NULL }), 111);
	}
	dir_remove(dir);
}

TEST(parent, refuses_what_it_does_not_understand)
{
	cr_assert_eq(refused("--idle-exit cannot be \"soon\"",
			     (const char *[]){ "--user", "--idle-exit=soon", NULL }), 100);
	cr_assert_eq(refused("no argument is wanted; found \"x\"",
			     (const char *[]){ "--user", "x", NULL }), 100);
	cr_assert_eq(refused("exclude each other",
			     (const char *[]){ "--user", "--system", NULL }), 100);
	cr_assert_eq(refused("cannot read the configuration /nosuch",
			     (const char *[]){ "--user", "--config=/nosuch", NULL }), 1);
	cr_assert_eq(refused("the directory above it",
			     (const char *[]){ "--user", "--base=/nosuch/dir", NULL }), 111);
}

TEST(parent, takes_its_switch_along_when_it_is_killed)
{
	struct broker b;
	int pidfd;

	broker_start(&b, NULL);
	pidfd = MUST(syscall(SYS_pidfd_open, broker_switch_pid(&b, 0), 0));
	MUST(kill(b.pid, SIGKILL));
	cr_assert(wait_fd(pidfd, POLLIN));
	close(pidfd);
	broker_kill(&b);
}

TEST(parent, exits_when_idle)
{
	char path[PATH_BYTES];
	struct broker b;

	broker_start(&b, &(struct broker_options){
		.args = (const char *[]){ "--idle-exit=1", NULL } });
	cr_assert_eq(child_wait(b.pid), 0);
	snprintf(path, sizeof path, "%s/intro.sock", b.host);
	cr_assert_eq(unix_connect(path, SOCK_SEQPACKET), -ENOENT, "its socket is gone");
	dir_remove(b.dir);
}

TEST(parent, drops_privileges_in_system_mode)
{
	struct broker b;
	struct look granted = { &b, "db", b.host, -ECONNREFUSED };
	char path[64], *status;
	struct stat st;

	NEED(geteuid() == 0, "needs root");
	/* read by a process without privileges, and again at SIGHUP by a parent without most */
	broker_start(&b, &(struct broker_options){ .system = true,
						   .config = "door web { }\n" });
	snprintf(path, sizeof path, "/proc/%d/status", broker_switch_pid(&b, 0));
	status = file_read(path);
	cr_assert_not_null(strstr(status, "CapPrm:\t0000000000000000"), "%s", status);
	cr_assert_not_null(strstr(status, "CapBnd:\t0000000000000000"));
	cr_assert_not_null(strstr(status, "NoNewPrivs:\t1"));
	cr_assert_null(strstr(status, "Uid:\t0"));
	cr_assert_null(strstr(status, "Gid:\t0"));
	cr_assert_not_null(strstr(status, "Groups:\t \n"));
	free(status);
	MUST(stat(b.base, &st));
	cr_assert_eq(st.st_mode & 07777, 0700);
	cr_assert_neq(st.st_uid, 0);
	MUST(stat(b.host, &st));
	cr_assert_eq(st.st_mode & 07777, 0755);
	cr_assert_eq(ask_nothing(b.host), -ENOENT);

	config_write(&b, "door web { }\ndoor host { grant db { } }\n");
	kill(b.pid, SIGHUP);
	cr_assert(wait_until(door_answers, &granted));
	broker_stop(&b);
}
