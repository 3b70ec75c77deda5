/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The system's broker, started by root: what its switch is left with, grants that come from
 * the configuration, and programs of other uids at the host door.
 */
#include <dirent.h>
#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../../libintro/intro.h"
#include "system.h"

#define FIXTURES SOURCE_DIR "/tests/real/fixtures"

/* ---- what the switch has ---- */

/* The value of a line of /proc/PID/status. */
static const char *status_of(pid_t pid, const char *field, char ret[static 256])
{
	char path[64], *text, *line;

	snprintf(path, sizeof path, "/proc/%d/status", pid);
	text = file_read(path);
	cr_assert_not_null(text);
	line = strstr(text, field);
	cr_assert_not_null(line, "%s has no %s", path, field);
	snprintf(ret, 256, "%.*s", (int)strcspn(line + strlen(field), "\n"),
		 line + strlen(field));
	free(text);
	return ret;
}

#define cr_status(pid, field, wanted)                                                     \
	do {                                                                              \
		char value_[256];                                                         \
		cr_assert_str_eq(status_of(pid, "\n" field ":\t", value_), wanted,        \
				 "%s: %s", field, value_);                                \
	} while (0)

/* Nothing but sockets, kernel objects without a name, and the broker's own directories. */
static void cr_descriptors_are_harmless(const struct broker *b, pid_t pid)
{
	char path[64], target[PATH_MAX];
	DIR *dir;

	snprintf(path, sizeof path, "/proc/%d/fd", pid);
	dir = opendir(path);
	cr_assert_not_null(dir);
	for (const struct dirent *e; (e = readdir(dir));) {
		ssize_t n = readlinkat(dirfd(dir), e->d_name, target, sizeof target - 1);

		if (n < 0)
			continue;
		target[n] = '\0';
		if (strncmp(target, "socket:", 7) == 0 || strncmp(target, "pipe:", 5) == 0 ||
		    strncmp(target, "anon_inode:", 11) == 0 || strcmp(target, "/dev/null") == 0 ||
		    strncmp(target, b->dir, strlen(b->dir)) == 0)
			continue;
		cr_assert_fail("the switch has descriptor %s of %s", e->d_name, target);
	}
	closedir(dir);
}

TEST(system, switch_is_left_with_nothing)
{
	const struct passwd *nobody = getpwnam("nobody");
	char ids[128], path[64], value[256];
	struct stat st;
	struct real r;
	pid_t room;

	NEED_ROOT;
	system_begin(&r);
	room = broker_switch_pid(&r.b, 0);
	snprintf(ids, sizeof ids, "%u\t%u\t%u\t%u", nobody->pw_uid, nobody->pw_uid,
		 nobody->pw_uid, nobody->pw_uid);
	cr_status(room, "Uid", ids);
	snprintf(ids, sizeof ids, "%u\t%u\t%u\t%u", nobody->pw_gid, nobody->pw_gid,
		 nobody->pw_gid, nobody->pw_gid);
	cr_status(room, "Gid", ids);
	cr_status(room, "Groups", " ");
	cr_status(room, "CapInh", "0000000000000000");
	cr_status(room, "CapPrm", "0000000000000000");
	cr_status(room, "CapEff", "0000000000000000");
	cr_status(room, "CapBnd", "0000000000000000");
	cr_status(room, "CapAmb", "0000000000000000");
	cr_status(room, "NoNewPrivs", "1");
	/* a sanitizer's calls are not on the list */
#if !defined(__SANITIZE_ADDRESS__)
	cr_status(room, "Seccomp", "2");
#endif
	/* undumpable: its own uid may not look into it */
	snprintf(path, sizeof path, "/proc/%d/mem", room);
	MUST(stat(path, &st));
	cr_assert_eq(st.st_uid, 0);
	cr_descriptors_are_harmless(&r.b, room);

	/* the parent: SETUID, SETGID, SETPCAP and KILL, to start and end rooms */
	status_of(r.b.pid, "\nCapEff:\t", value);
	cr_assert_eq(strtoull(value, NULL, 16) & ~0x1e0ull, 0, "CapEff: %s", value);
	status_of(r.b.pid, "\nCapBnd:\t", value);
	cr_assert_eq(strtoull(value, NULL, 16) & ~0x1e0ull, 0, "CapBnd: %s", value);
	real_end(&r);
}

/* ---- programs of other uids ---- */

static void as_client(struct run *ret, const char *const *argv)
{
	static const uid_t uid = CLIENT_UID;

	run(ret, &(struct spawn){ .argv = argv, .before = become_uid, .before_arg = &uid });
}

#define client(ret, ...) as_client(ret, (const char *const[]){ __VA_ARGS__, NULL })

TEST(system, serves_other_uids_what_the_configuration_grants)
{
	_cleanup_run_ struct run site = { 0 }, mirror = { 0 }, other = { 0 }, serve = { 0 },
				 list = { 0 };
	char intro[PATH_BYTES], socket[PATH_BYTES], alias[PATH_BYTES], *script;
	struct real r;
	pid_t agent, room;

	NEED_ROOT;
	system_begin(&r);
	room = broker_switch_pid(&r.b, 0);
	/* its text: the tree may be where no other user can read it */
	script = file_read(FIXTURES "/hello.sh");
	cr_assert_not_null(script);
	program_path("intro", intro);
	host_path(&r.b, socket, "site");
	host_path(&r.b, alias, "mirror.sock");
	agent = serve_as_other(&r.b, "--", "sh", "-c", script);
	free(script);

	client(&site, "curl", "-sS", "--max-time", "10", "--unix-socket", socket,
	       "http://x.invalid/");
	cr_assert_str_eq(site.out, "door=host uid=61002 label=everybody\n", "%s", site.err);
	client(&mirror, "curl", "-sS", "--max-time", "10", "--unix-socket", alias,
	       "http://x.invalid/");
	cr_assert_str_eq(mirror.out, "door=host uid=61002 label=\n", "%s", mirror.err);
	cr_assert(audit_says(&r.b, "introduced", "door=host", "uid=61002", "name=site",
			     "label=\"everybody\"", "way=listen", "path=local"));

	/* what was not granted is not there, and nobody but root asks the broker about itself */
	client(&other, intro, "connect", "other");
	cr_assert_eq(other.status, 1);
	client(&serve, intro, "serve", "mirror", "--", "true");
	cr_assert_eq(serve.status, 1);
	client(&list, intro, "list", "--base", r.b.base);
	cr_assert_neq(list.status, 0);
	cr_assert(audit_says(&r.b, "refused", "door=host", "uid=61002", "name=other"));

	cr_assert(childless(agent));
	cr_assert_eq(agent_stop(agent), 0);
	cr_assert_eq(broker_switch_pid(&r.b, 0), room, "no filter killed it");
	real_end(&r);
}

/* Redis of another uid, its socket where the switch may not link it: fetched. */
TEST(system, fetches_from_a_server_of_another_uid)
{
	char dir[DIR_BYTES], socket[PATH_BYTES], to[PATH_BYTES];
	struct real r;
	pid_t agent;
	int fd;

	NEED_ROOT;
	dir_make(dir);
	MUST(chown(dir, SERVER_UID, SERVER_UID));
	system_begin(&r);
	snprintf(socket, sizeof socket, "%s/r.sock", dir);
	snprintf(to, sizeof to, "unix:%s/r.sock", dir);
	agent = serve_as_other(&r.b, "--to", to, "--", "redis-server", "--save", "", "--dir", dir,
			       "--loglevel", "warning", "--port", "0", "--unixsocket", socket);
	fd = intro_dial("site", SOCK_STREAM, HANG_MS);
	cr_assert_geq(fd, 0, "%s", intro_strerror(fd));
	cr_assert(speaks(fd, "PING\r\n", "+PONG\r\n"));
	close(fd);
	cr_assert(audit_says(&r.b, "introduced", "name=site", "way=fetch", "path=local"));
	cr_assert_eq(agent_stop(agent), 0);
	real_end(&r);
	dir_remove(dir);
}

static bool log_says_why(void *arg)
{
	const struct broker *b = arg;
	char *log = file_read(b->log);
	bool found = log && strstr(log, "into the door host: ") &&
		     strstr(log, "belongs to the switch's user");

	free(log);
	return found;
}

/* Linux links nobody's socket but one's own, and the switch has no capability to: where that
 * is asked for, the log says what is wrong. */
TEST(system, says_why_a_socket_of_another_uid_is_not_placed)
{
	char dir[DIR_BYTES], socket[PATH_BYTES], *protected;
	struct real r;
	pid_t agent;

	NEED_ROOT;
	protected = file_read("/proc/sys/fs/protected_hardlinks");
	NEED(protected && atoi(protected) == 1, "this system links everybody's sockets");
	free(protected);
	dir_make(dir);
	MUST(chown(dir, SERVER_UID, SERVER_UID));
	MUST(chmod(dir, 0755));
	system_begin(&r);
	snprintf(socket, sizeof socket, "%s/r.sock", dir);
	agent = serve_as_other(&r.b, "--place", socket, "--", "redis-server", "--save", "",
			       "--dir", dir, "--loglevel", "warning", "--port", "0",
			       "--unixsocket", socket);
	cr_assert(wait_until(log_says_why, &r.b));
	cr_assert_eq(agent_stop(agent), 0);
	real_end(&r);
	dir_remove(dir);
}
