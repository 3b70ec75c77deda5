/* SPDX-License-Identifier: Apache-2.0 */
/*
 * PostgreSQL behind a door: `peer` authentication asks the kernel who connected. Placed, the
 * server sees the true client. Through a socket that somebody opens for the client (fetch), it
 * sees the opener: whoever runs an agent with a uid that the server trusts lends that trust to
 * all of the door.
 */
#include <fcntl.h>
#include <glob.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../../libintro/intro.h"
#include "real.h"

#define SOCKET_FILE ".s.PGSQL.5432"

struct database {
	struct real r;
	uid_t uid;			/* the server's and its broker's: PostgreSQL is no root */
	char owner[64];			/* and this uid's name */
	char bin[PATH_BYTES];
	char data[PATH_BYTES];
	char sockets[PATH_BYTES];	/* an export directory, where the server puts its own */
	char door[PATH_BYTES];
	pid_t server, agent;
	int keep[2];			/* what psql inherits: the door, opened */
};

static void find_programs(struct database *d)
{
	glob_t found;

	if (glob("/usr/lib/postgresql/*/bin/initdb", 0, NULL, &found) != 0)
		harness_fail("no initdb in /usr/lib/postgresql: is PostgreSQL installed?");
	snprintf(d->bin, sizeof d->bin, "%.*s",
		 (int)(strlen(found.gl_pathv[0]) - strlen("/initdb")), found.gl_pathv[0]);
	globfree(&found);
}

static void choose_owner(struct database *d)
{
	const struct passwd *pw = geteuid() == 0 ? getpwnam("postgres") : getpwuid(geteuid());

	cr_assert_not_null(pw, "this uid has no name, or PostgreSQL is not installed");
	d->uid = pw->pw_uid;
	snprintf(d->owner, sizeof d->owner, "%s", pw->pw_name);
}

static pid_t start_as_owner(struct database *d, const char *const *argv)
{
	return spawn(&(struct spawn){
		.argv = argv,
		.before = geteuid() == 0 ? become_uid : NULL,
		.before_arg = &d->uid,
		.env = (const char *const[]){ "LC_ALL=C", NULL },
	});
}

static bool server_ready(void *arg)
{
	const struct database *d = arg;
	_cleanup_run_ struct run r = { 0 };
	char program[PATH_BYTES + 16];

	snprintf(program, sizeof program, "%s/pg_isready", d->bin);
	run(&r, &(struct spawn){
		.argv = (const char *const[]){ program, "-q", "-h", d->sockets, NULL } });
	return r.status == 0;
}

static void server_start(struct database *d)
{
	char program[PATH_BYTES + 16];

	snprintf(program, sizeof program, "%s/postgres", d->bin);
	d->server = start_as_owner(d, (const char *const[]){
		program, "-D", d->data, "-k", d->sockets, "-c", "listen_addresses=", "-c",
		"fsync=off", "-c", "shared_buffers=1MB", "-c", "max_connections=20", "-c",
		"dynamic_shared_memory_type=mmap", "-c", "logging_collector=off", "-c",
		"log_min_messages=panic", NULL });
	if (!wait_until(server_ready, d))
		harness_fail("PostgreSQL did not start");
}

/* psql, as uid (0: as we are), in this role, through the door or a directory. */
static void psql(const struct database *d, const char *host, uid_t uid, const char *role,
		 const char *sql, struct run *ret)
{
	char program[PATH_BYTES + 16];

	snprintf(program, sizeof program, "%s/psql", d->bin);
	run(ret, &(struct spawn){
		.argv = (const char *const[]){ program, "-X", "-At", "-h", host, "-U", role, "-d",
					       "postgres", "-c", sql, NULL },
		.env = (const char *const[]){ "HOME=/nonexistent", "LC_ALL=C", NULL },
		.keep = d->keep,
		.before = uid ? become_uid : NULL,
		.before_arg = &uid,
	});
}

static void sql_ok(const struct database *d, const char *sql)
{
	_cleanup_run_ struct run r = { 0 };

	psql(d, d->sockets, geteuid() == 0 ? d->uid : 0, d->owner, sql, &r);
	cr_assert_eq(r.status, 0, "%s: %s", sql, r.err);
}

/* A database of its own, its server in an export directory, placed in the door "app". */
static void database_begin(struct database *d)
{
	char program[PATH_BYTES + 16], socket[PATH_BYTES + 16];

	*d = (struct database){ .keep = { -1, -1 } };
	find_programs(d);
	choose_owner(d);
	real_begin(&d->r, &(struct broker_options){
		.uid = geteuid() == 0 ? d->uid : 0, .countable = geteuid() != 0 });
	snprintf(d->data, sizeof d->data, "%s/data", d->r.b.dir);
	snprintf(program, sizeof program, "%s/initdb", d->bin);
	cr_assert_eq(child_wait(start_as_owner(d, (const char *const[]){
		program, "-N", "--auth=peer", "--no-locale", "-E", "UTF8", "-D", d->data, NULL })),
		0, "initdb failed");

	cli_ok(&d->r.b, "door", "add", "dbs", "--export");
	cli_ok(&d->r.b, "door", "add", "app");
	cli_ok(&d->r.b, "grant", "app", "db", "--as", "postgres", "--file", SOCKET_FILE);
	base_path(&d->r.b, d->sockets, "exports/dbs");
	broker_door(&d->r.b, "app", d->door);
	snprintf(socket, sizeof socket, "%s/" SOCKET_FILE, d->sockets);
	d->agent = agent_start(&d->r.b, NULL, "postgres", "--place", socket);
	server_start(d);
}

static void database_end(struct database *d)
{
	MUST(kill(d->server, SIGINT));	/* pg_ctl stop -m fast */
	cr_assert_eq(child_wait(d->server), 0);
	if (d->agent)
		cr_assert_eq(agent_stop(d->agent), 0);
	cli_ok(&d->r.b, "door", "remove", "app");
	cli_ok(&d->r.b, "door", "remove", "dbs");
	real_end(&d->r);
}

static bool psql_works(void *arg)
{
	const struct database *d = arg;
	_cleanup_run_ struct run r = { 0 };

	psql(d, d->door, geteuid() == 0 ? d->uid : 0, d->owner, "SELECT current_user", &r);
	return r.status == 0 && strncmp(r.out, d->owner, strlen(d->owner)) == 0;
}

/* Whether the door has a file, or no longer. */
static bool in_door(void *arg)
{
	const struct database *d = arg;
	char path[PATH_BYTES + 16];
	struct stat st;

	snprintf(path, sizeof path, "%s/" SOCKET_FILE, d->door);
	return lstat(path, &st) == 0;
}

TEST(postgres, is_found_by_its_own_file_name_also_after_a_crash)
{
	struct database d;

	database_begin(&d);
	cr_assert(wait_until(in_door, &d));
	cr_assert(wait_until(psql_works, &d));
	MUST(kill(d.server, SIGQUIT));	/* what a crash leaves: recovery at the next start */
	child_wait(d.server);
	cr_assert_not(psql_works(&d));
	server_start(&d);
	cr_assert(wait_until(psql_works, &d));
	database_end(&d);
}

/* ---- two uids, which needs root ---- */

static uid_t uid_of(const char *name)
{
	const struct passwd *pw = getpwnam(name);

	cr_assert_not_null(pw, "there is no user %s", name);
	return pw->pw_uid;
}

/* A container's mount of the door, for a uid that could not go to its real place. */
static void open_door_for_others(struct database *d, char ret[static 64])
{
	d->keep[0] = MUST(open(d->door, O_PATH | O_DIRECTORY | O_CLOEXEC));
	snprintf(ret, 64, "/proc/self/fd/%d", d->keep[0]);
}

TEST(postgres, placed_sees_the_true_client)
{
	_cleanup_run_ struct run a = { 0 }, b = { 0 }, b_as_itself = { 0 };
	char door[64];
	struct database d;
	uid_t web, games;

	NEED(geteuid() == 0, "two uids need root");
	web = uid_of("www-data");
	games = uid_of("games");
	database_begin(&d);
	sql_ok(&d, "CREATE ROLE \"www-data\" LOGIN");
	cr_assert(wait_until(psql_works, &d));
	open_door_for_others(&d, door);

	/* peer: the kernel's word on who connected, and nobody else's */
	psql(&d, door, web, "www-data", "SELECT current_user", &a);
	cr_assert_str_eq(a.out, "www-data\n", "%s", a.err);
	psql(&d, door, games, "www-data", "SELECT current_user", &b);
	cr_assert_eq(b.status, 2);
	cr_assert_not_null(strstr(b.err, "Peer authentication failed"), "%s", b.err);
	psql(&d, door, games, "games", "SELECT current_user", &b_as_itself);
	cr_assert_eq(b_as_itself.status, 2, "it has no role of its own");
	close(d.keep[0]);
	database_end(&d);
}

static bool read_all(int fd, void *buf, size_t size)
{
	for (size_t got = 0; got < size;) {
		ssize_t n = wait_fd(fd, POLLIN) ? read(fd, (char *)buf + got, size - got) : 0;

		if (n <= 0)
			return false;
		got += (size_t)n;
	}
	return true;
}

/* The beginning of a conversation with PostgreSQL (its manual, "Message Formats"): true when
 * it lets the one who connected be that role, and is ready for a query. */
static bool lets_in(int fd, const char *role)
{
	unsigned char packet[512], head[5];
	size_t len = 8;

	memcpy(packet + 4, "\0\3\0\0", 4);	/* StartupMessage, version 3.0 */
	len += (size_t)snprintf((char *)packet + len, sizeof packet - len,
				"user%c%s%cdatabase%cpostgres%c", 0, role, 0, 0, 0);
	packet[len++] = '\0';
	memcpy(packet, (unsigned char[]){ 0, 0, 0, (unsigned char)len }, 4);
	if (write(fd, packet, len) != (ssize_t)len)
		return false;
	/* a type, then the length of itself and what follows */
	while (read_all(fd, head, sizeof head)) {
		len = (size_t)head[3] << 8 | head[4];
		if (head[0] == 'Z')
			return true;
		if (head[0] == 'E' || head[1] || head[2] || len < 4 || len - 4 > sizeof packet ||
		    !read_all(fd, packet, len - 4))
			return false;
	}
	return false;
}

struct stranger {
	const char *door, *name, *role;
	uid_t uid;
};

enum { LET_IN = 1, REFUSED, NOT_INTRODUCED };

/* In a child: dial by name as that uid, and try to be that role. */
static int try_role(void *arg)
{
	const struct stranger *s = arg;
	int fd;

	child_become(s->uid);
	fd = intro_dial(s->name, SOCK_STREAM, HANG_MS);
	if (fd < 0)
		return NOT_INTRODUCED;
	return lets_in(fd, s->role) ? LET_IN : REFUSED;
}

static int outcome(const struct stranger *s)
{
	MUST(setenv("INTRO_DOOR", s->door, 1));
	return child_call(try_role, (void *)s);
}

/* An agent of this uid, with nothing but a door and the server's directory in its hands. */
static pid_t agent_of(struct database *d, uid_t uid)
{
	int sockets = MUST(open(d->sockets, O_PATH | O_DIRECTORY | O_CLOEXEC));
	char to[64], door[64];
	pid_t pid;

	snprintf(to, sizeof to, "unix:/proc/self/fd/%d/" SOCKET_FILE, sockets);
	snprintf(door, sizeof door, "INTRO_DOOR=/proc/self/fd/%d", d->keep[0]);
	pid = agent_start(&d->r.b, (&(struct spawn){
		.keep = (const int[]){ d->keep[0], sockets, -1 },
		.env = (const char *const[]){ door, NULL },
		.before = become_uid,
		.before_arg = &uid,
	}), "fetched", "--to", to);
	close(sockets);
	return pid;
}

/* Why a fetch is to be made by an agent that the server does not trust (as the agent in a
 * container is, with the container's own uid), and not by a root beside it. */
TEST(postgres, fetched_by_root_would_be_the_confused_deputy)
{
	char to[PATH_BYTES + 32], door[64], word[32];
	struct database d;
	struct stranger s;
	pid_t agent;

	NEED(geteuid() == 0, "two uids need root");
	database_begin(&d);
	sql_ok(&d, "CREATE ROLE root LOGIN SUPERUSER");
	cr_assert(wait_until(psql_works, &d));
	cli_ok(&d.r.b, "grant", "app", "fetched", "--connect", "--serve");
	snprintf(to, sizeof to, "unix:%s/" SOCKET_FILE, d.sockets);
	open_door_for_others(&d, door);
	s = (struct stranger){ .door = door, .role = "root", .uid = uid_of("games") };

	/* by libintro, too, placed means that the server sees the client */
	s.name = "db";
	cr_assert_eq(outcome(&s), REFUSED);

	/* what must not be done: the same client is now taken for the agent, a superuser */
	s.name = "fetched";
	agent = agent_start(&d.r.b, NULL, "fetched", "--to", to);
	cr_assert_eq(outcome(&s), LET_IN);
	cr_assert_eq(agent_stop(agent), 0);

	/* an agent without a role lends nothing to anybody */
	agent = agent_of(&d, uid_of("nobody"));
	s.role = "nobody";
	cr_assert_eq(outcome(&s), REFUSED);
	s.role = "root";
	cr_assert_eq(outcome(&s), REFUSED);
	cr_assert_eq(agent_stop(agent), 0);

	/* the broker is not taken in: it says who asked */
	snprintf(word, sizeof word, "uid=%u", s.uid);
	cr_assert(audit_says(&d.r.b, "introduced", word, "name=fetched", "way=fetch"));
	close(d.keep[0]);
	database_end(&d);
}
