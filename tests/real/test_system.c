/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The system's broker, started by root: what its switch is left with, grants that come from
 * the configuration, programs of other uids at the host door, reloading, and what clients see
 * of a switch that is killed.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../../libintro/intro.h"
#include "real.h"

#define FIXTURES SOURCE_DIR "/tests/real/fixtures"
#define SERVER_UID 61001u
#define CLIENT_UID 61002u

#define NEED_ROOT NEED(geteuid() == 0, "the system's broker is started by root")

/* The directory of the broker is known only once it runs: the audit goes there from the
 * first reload on. */
static void configure(const struct broker *b, const char *doors)
{
	char path[PATH_BYTES], next[PATH_BYTES], text[4096];

	snprintf(text, sizeof text, "user = \"nobody\"\naudit = \"%s/audit.log\"\n%s", b->dir,
		 doors);
	/* never half written: it may be being read for an earlier reload */
	dir_path(b, path, "introd.conf");
	dir_path(b, next, "introd.conf.next");
	file_write(next, text);
	MUST(rename(next, path));
}

struct look {
	const struct broker *b;
	const char *name;
	int wanted;
};

static bool door_says(void *arg)
{
	const struct look *look = arg;
	int sock = raw_open(look->b->host), r;

	r = raw_introduce(sock, 1, look->name, SOCK_STREAM, 0, NULL);
	close(sock);
	return r == look->wanted;
}

static bool log_complains(void *arg)
{
	const struct broker *b = arg;
	char *log = file_read(b->log);
	bool found = log && strstr(log, "introd.conf:");

	free(log);
	return found;
}

/* Reload, and wait until the host door says this of a name. */
static void reload(const struct broker *b, const char *doors, const char *name, int wanted)
{
	configure(b, doors);
	MUST(kill(b->pid, SIGHUP));
	if (!wait_until(door_says, &(struct look){ b, name, wanted }))
		harness_fail("after SIGHUP \"%s\" is not %d", name, wanted);
}

static const char doors[] =
	"door \"host\" {\n"
	"	grant \"site\" { rights = { \"serve\", \"connect\" }  label = \"everybody\" }\n"
	"	grant \"mirror\" { service = \"site\"  file = \"mirror.sock\" }\n"
	"}\n";

static void system_begin(struct real *r)
{
	real_begin(r, &(struct broker_options){
		.system = true,
		.config = "user = \"nobody\"\n",
		.args = (const char *const[]){ "--log-stderr", NULL },
	});
	reload(&r->b, doors, "mirror", -ECONNREFUSED);
	/* a listener for each grant */
	r->fds += 2;
	cr_assert(broker_fds_settle(&r->b, r->fds));
	MUST(setenv("INTRO_DOOR", r->b.host, 1));
}

static pid_t agent_of_another_uid(const struct broker *b, const char *const *argv)
{
	static const uid_t uid = SERVER_UID;

	return agent_run_ready(b, &(struct spawn){ .before = become_uid, .before_arg = &uid },
			       argv);
}

#define serve_as_other(b, ...)                                                            \
	agent_of_another_uid(b, (const char *const[]){ "intro", "serve", "site",          \
						       "--ready-fd", "", __VA_ARGS__, NULL })

static void host_path(const struct broker *b, char ret[static PATH_BYTES], const char *file)
{
	snprintf(ret, PATH_BYTES, "%s/%s", b->host, file);
}

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

/* ---- reloading ---- */

TEST(system, reloads_without_dropping_anybody)
{
	struct real r;
	pid_t agent, room;
	int session, conn;

	NEED_ROOT;
	system_begin(&r);
	room = broker_switch_pid(&r.b, 0);
	agent = serve_as_other(&r.b, "--", "cat");
	session = intro_dial("site", SOCK_STREAM, HANG_MS);
	cr_assert_geq(session, 0, "%s", intro_strerror(session));
	cr_assert(speaks(session, "one\n", "one\n"));
	conn = raw_open(r.b.host);
	cr_assert_eq(raw_introduce(conn, 1, "added", SOCK_STREAM, 0, NULL), -ENOENT);

	/* the alias goes, another one comes; what is broken changes nothing */
	reload(&r.b, "door host { grant site { rights = { serve, connect }  label = everybody }\n"
		     "	grant added { service = site } }\n", "mirror", -ENOENT);
	cr_assert_eq(raw_introduce(conn, 2, "added", SOCK_STREAM, 0, NULL), 0);
	configure(&r.b, "door host { grant site {\n");
	MUST(kill(r.b.pid, SIGHUP));
	cr_assert(wait_until(log_complains, &r.b));
	cr_assert_eq(raw_introduce(conn, 3, "added", SOCK_STREAM, 0, NULL), 0);
	reload(&r.b, doors, "added", -ENOENT);

	cr_assert_eq(raw_introduce(conn, 4, "added", SOCK_STREAM, 0, NULL), -ENOENT);
	cr_assert_eq(raw_introduce(conn, 5, "mirror", SOCK_STREAM, 0, NULL), 0);
	cr_assert(speaks(session, "two\n", "two\n"));
	cr_assert_eq(broker_switch_pid(&r.b, 0), room);
	close(conn);
	close(session);
	cr_assert(childless(agent));
	cr_assert_eq(agent_stop(agent), 0);
	real_end(&r);
}

/* ---- a switch that is killed ---- */

#define CLIENTS 4
#define KILLS 8

/* Shared with the clients. */
struct traffic {
	atomic_int stop, served[CLIENTS], lost;
	char socket[PATH_BYTES];
};

/* One conversation: whether the service's greeting came. */
static bool greeted(int fd)
{
	char got[8] = "";
	size_t n = 0;

	while (n < 6) {
		ssize_t more = wait_fd(fd, POLLIN) ? read(fd, got + n, 6 - n) : 0;

		if (more <= 0)
			return false;
		n += (size_t)more;
	}
	return memcmp(got, "hello\n", 6) == 0;
}

/* Half of the clients come by the socket file, half by name. */
static _Noreturn void client_loop(struct traffic *t, int n)
{
	while (!t->stop) {
		int fd = n % 2 ? intro_dial("site", SOCK_STREAM, HANG_MS) :
				 unix_connect(t->socket, SOCK_STREAM);

		if (fd < 0) {
			dprintf(STDERR_FILENO, "client %d: refused: %s\n", n, strerror(-fd));
			_exit(1);
		}
		if (greeted(fd))
			t->served[n]++;
		else
			t->lost++;
		close(fd);
	}
	_exit(0);
}

struct progress {
	struct traffic *t;
	int least[CLIENTS];
};

static bool all_served(void *arg)
{
	const struct progress *p = arg;

	for (int i = 0; i < CLIENTS; i++)
		if (p->t->served[i] < p->least[i])
			return false;
	return true;
}

/* Every client is served again. */
static void wait_for_progress(struct traffic *t)
{
	struct progress p = { .t = t };

	for (int i = 0; i < CLIENTS; i++)
		p.least[i] = t->served[i] + 3;
	if (!wait_until(all_served, &p))
		harness_fail("a client is not served any more");
}

TEST(system, killed_switch_refuses_nobody)
{
	struct traffic *t = mmap(NULL, sizeof *t, PROT_READ | PROT_WRITE,
				 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pid_t clients[CLIENTS], room = 0, agent;
	struct real r;

	NEED_ROOT;
	system_begin(&r);
	host_path(&r.b, t->socket, "site");
	agent = serve_as_other(&r.b, "--", "echo", "hello");
	for (int i = 0; i < CLIENTS; i++) {
		clients[i] = child_fork();
		if (clients[i] == 0)
			client_loop(t, i);
	}
	for (int i = 0; i < KILLS; i++) {
		wait_for_progress(t);
		room = broker_switch_pid(&r.b, room);
		MUST(kill(room, SIGKILL));
	}
	wait_for_progress(t);
	t->stop = 1;
	for (int i = 0; i < CLIENTS; i++)
		cr_assert_eq(child_wait(clients[i]), 0);
	/* accepted, and not yet handed to the agent: one at most for each switch */
	cr_assert_leq(t->lost, KILLS);
	cr_assert(childless(agent));
	cr_assert_eq(agent_stop(agent), 0);
	munmap(t, sizeof *t);
	real_end(&r);
}
