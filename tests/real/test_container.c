/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Containers, by bubblewrap: a server in one, clients in others, each with a network
 * namespace of its own and nothing in common but the doors, mounted read-only, and the
 * server's export directory.
 */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "real.h"

#define PORT "6390"
#define REDIS "redis-server", "--save", "", "--appendonly", "no", "--loglevel", "warning", \
	      "--port", PORT, "--bind", "127.0.0.1", "--unixsocket", "/run/export/r.sock"
#define FIXTURES SOURCE_DIR "/tests/real/fixtures"

/* What is seen inside: the machine's programs, a door in /run/intro, and no other trace of
 * the broker. */
struct sandbox {
	const struct broker *b;
	const char *door;	/* its name */
	bool export;		/* its export directory, in /run/export */
	uid_t uid;		/* 0: of a user namespace's root, else root becomes it */
	struct spawn how;	/* without argv */
};

#define sandbox_start(box, ...) \
	sandbox_spawn(box, (const char *const[]){ __VA_ARGS__, NULL })
static pid_t sandbox_spawn(const struct sandbox *box, const char *const *program)
{
	char door[PATH_BYTES], exports[PATH_BYTES], uid[16];
	struct spawn how = box->how;
	const char *argv[64];
	size_t n = 0;

	broker_door(box->b, box->door, door);
	base_path(box->b, exports, "exports/%s", box->door);
	snprintf(uid, sizeof uid, "%u", box->uid);
#define ADD(...)                                                                         \
	do {                                                                             \
		const char *const words[] = { __VA_ARGS__ };                             \
		memcpy(argv + n, words, sizeof words);                                   \
		n += sizeof words / sizeof *words;                                       \
	} while (0)
	ADD("bwrap", "--die-with-parent", "--new-session", "--unshare-net", "--unshare-pid",
	    "--unshare-ipc", "--unshare-uts", "--ro-bind", "/", "/", "--dev", "/dev", "--proc",
	    "/proc", "--tmpfs", "/run", "--tmpfs", box->b->dir, "--ro-bind", door, "/run/intro",
	    "--setenv", "INTRO_DOOR", "/run/intro", "--chdir", "/");
	if (box->export)
		ADD("--bind", exports, "/run/export");
	if (box->uid)
		ADD("--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID", "setpriv", "--reuid",
		    uid, "--regid", uid, "--clear-groups");
	else
		ADD("--unshare-user");
#undef ADD
	while (*program)
		argv[n++] = *program++;
	argv[n] = NULL;
	how.argv = argv;
	return spawn(&how);
}

/* ---- a shell that lives in a sandbox ---- */

/* In it $1 is intro. It runs each line that it is told, and then says "." alone. */
struct inside {
	pid_t pid;
	int in, out;
	char said[4096];
};

static void inside_begin(struct inside *i, struct sandbox box)
{
	char intro[PATH_BYTES];
	int in[2], out[2];

	program_path("intro", intro);
	MUST(pipe2(in, O_CLOEXEC));
	MUST(pipe2(out, O_CLOEXEC));
	box.how.in = in[0];
	box.how.out = out[1];
	i->pid = sandbox_start(&box, "sh", "-c",
			       "while read -r line; do eval \"$line\" 2>&1; echo .; done", "sh",
			       intro);
	close(in[0]);
	close(out[1]);
	i->in = in[1];
	i->out = out[0];
}

static void inside_end(struct inside *i)
{
	close(i->in);
	cr_assert_eq(child_wait(i->pid), 0);
	close(i->out);
}

static bool is_whole(const char *said, size_t len)
{
	return len >= 2 && strcmp(said + len - 2, ".\n") == 0 && (len == 2 || said[len - 3] == '\n');
}

static const char *tell(struct inside *i, const char *line)
{
	size_t len = 0;

	dprintf(i->in, "%s\n", line);
	do {
		ssize_t n = len < sizeof i->said - 1 && wait_fd(i->out, POLLIN) ?
			read(i->out, i->said + len, sizeof i->said - 1 - len) : 0;

		if (n <= 0)
			harness_fail("%s: no end; so far: %.*s", line, (int)len, i->said);
		len += (size_t)n;
		i->said[len] = '\0';
	} while (!is_whole(i->said, len));
	i->said[len - 2] = '\0';
	return i->said;
}

struct telling {
	struct inside *inside;
	const char *line, *wanted;
};

static bool says(void *arg)
{
	const struct telling *t = arg;

	return strcmp(tell(t->inside, t->line), t->wanted) == 0;
}

/* Told again and again, until a server that is being started is there. */
static void cr_says(struct inside *i, const char *line, const char *wanted)
{
	if (!wait_until(says, &(struct telling){ i, line, wanted }))
		harness_fail("%s: wanted %s, found %s", line, wanted, i->said);
}

#define cr_says_at_once(i, line, wanted) cr_assert_str_eq(tell(i, line), wanted)

/* ---- Redis and its agent, in a sandbox ---- */

static pid_t start_server(const struct broker *b)
{
	char intro[PATH_BYTES], log[PATH_BYTES], number[12], byte;
	int ready[2], err;
	bool served;
	pid_t pid;

	program_path("intro", intro);
	MUST(pipe2(ready, O_CLOEXEC));
	snprintf(number, sizeof number, "%d", ready[1]);
	dir_path(b, log, "agents.log");
	err = MUST(open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600));
	pid = sandbox_start((&(struct sandbox){ .b = b, .door = "cache", .export = true,
		.how = { .keep = (const int[]){ ready[1], -1 }, .err = err } }), intro, "serve", "redis",
		"--ready-fd", number, "--to", "tcp:127.0.0.1:" PORT, "--place",
		"/run/export/r.sock", "--wait", "10s", "--", REDIS);
	close(ready[1]);
	close(err);
	served = wait_fd(ready[0], POLLIN) && read(ready[0], &byte, 1) == 1;
	close(ready[0]);
	if (!served)
		harness_fail("the agent in the sandbox does not serve");
	return pid;
}

static const char doors[] =
	"door \"web\" { grant \"redis\" { } }\n"
	"door \"cache\" { export = true  grant \"redis\" { rights = { \"serve\" } } }\n";

static const char ping[] = "redis-cli -s /run/intro/redis PING";
static const char ping_by_name[] = "printf 'PING\\r\\n' | \"$1\" connect --wait 10s redis";

/* Whether the file in the door is the server's own, which its container exports. */
static bool is_placed(void *arg)
{
	const struct broker *b = arg;
	struct stat in_door, exported;
	char path[PATH_BYTES];

	base_path(b, path, "doors/web/redis");
	if (lstat(path, &in_door) < 0)
		return false;
	base_path(b, path, "exports/cache/r.sock");
	return lstat(path, &exported) == 0 && in_door.st_ino == exported.st_ino;
}

TEST(container, meets_another_at_its_door_alone)
{
	struct inside client;
	pid_t server;
	struct real r;

	NEED_SANDBOX;
	real_begin(&r, &(struct broker_options){ .countable = true, .config = doors });
	server = start_server(&r.b);
	inside_begin(&client, (struct sandbox){ .b = &r.b, .door = "web" });

	cr_assert(wait_until(is_placed, &r.b));
	cr_says(&client, ping, "PONG\n");
	cr_says_at_once(&client, ping_by_name, "+PONG\r\n");
	cr_assert(audit_says(&r.b, "introduced", "door=web", "name=redis", "way=fetch",
			     "path=local"));
	/* nobody copies: neither the broker nor the agent saw a connection to the socket file */
	cr_assert_eq(audit_count(&r.b, 0, "introduced", "path=spliced"), 0);

	/* there is no other way */
	cr_says_at_once(&client, "ls -A /run /run/intro",
			"/run:\nintro\n\n/run/intro:\nintro.sock\nredis\n");
	cr_says_at_once(&client, "redis-cli -h 127.0.0.1 -p " PORT " PING >/dev/null 2>&1; echo $?",
			"1\n");
	cr_says_at_once(&client, "grep -c : /proc/net/dev", "1\n");
	cr_says_at_once(&client, "rm -f /run/intro/redis 2>/dev/null; "
			"touch /run/intro/x 2>/dev/null; ls /run/intro", "intro.sock\nredis\n");
	cr_says_at_once(&client, "\"$1\" serve redis -- true 2>/dev/null; echo $?", "1\n");
	cr_says_at_once(&client, "\"$1\" connect other </dev/null 2>/dev/null; echo $?", "1\n");
	cr_says_at_once(&client, "\"$1\" list >/dev/null 2>&1; echo $?", "111\n");

	inside_end(&client);
	child_kill(server);
	real_end(&r);
}

TEST(container, restarted_is_found_again_through_the_same_mount)
{
	struct inside client;
	pid_t server;
	struct real r;

	NEED_SANDBOX;
	real_begin(&r, &(struct broker_options){ .countable = true, .config = doors });
	server = start_server(&r.b);
	inside_begin(&client, (struct sandbox){ .b = &r.b, .door = "web" });
	cr_says(&client, ping, "PONG\n");
	for (int i = 0; i < 3; i++) {
		/* the whole container dies, and another one comes */
		child_kill(server);
		server = start_server(&r.b);
		cr_says(&client, ping, "PONG\n");
		cr_says_at_once(&client, ping_by_name, "+PONG\r\n");
	}
	inside_end(&client);
	child_kill(server);
	real_end(&r);
}

TEST(container, outlives_the_broker)
{
	const struct broker_options options = { .countable = true, .config = doors };
	struct inside client;
	pid_t server;
	struct real r;

	NEED_SANDBOX;
	real_begin(&r, &options);
	server = start_server(&r.b);
	inside_begin(&client, (struct sandbox){ .b = &r.b, .door = "web" });
	cr_says(&client, ping, "PONG\n");
	for (int i = 0; i < 4; i++) {
		if (i % 2)
			child_kill(r.b.pid);
		else
			broker_end(&r.b);
		broker_start_again(&r.b, &options);
		/* the agent in the server's container offers it again, by itself */
		cr_says(&client, ping, "PONG\n");
		cr_says(&client, ping_by_name, "+PONG\r\n");
	}
	inside_end(&client);
	child_kill(server);
	real_end(&r);
}

/* The same program of two uids behind two doors: who it is, the door says, and the uid is
 * the kernel's word. */
TEST(container, is_known_by_its_door_and_uid)
{
	static const char curl[] = "curl -sS --max-time 10 --unix-socket /run/intro/site "
				   "http://x.invalid/";
	struct inside a, b;
	struct real r;
	pid_t agent;

	NEED_SANDBOX;
	NEED(geteuid() == 0, "two uids need root");
	real_begin(&r, NULL);
	for (int i = 0; i < 2; i++) {
		const char *door = i ? "b" : "a";

		cli_ok(&r.b, "door", "add", door);
		cli_ok(&r.b, "grant", door, "site", "--label", i ? "second" : "first");
	}
	cli_ok(&r.b, "grant", "a", "private", "--as", "site");
	agent = agent_start(&r.b, NULL, "site", "--", "sh", FIXTURES "/hello.sh");
	inside_begin(&a, (struct sandbox){ .b = &r.b, .door = "a", .uid = 61001 });
	inside_begin(&b, (struct sandbox){ .b = &r.b, .door = "b", .uid = 61002 });
	cr_says_at_once(&a, "id -u", "61001\n");
	cr_says_at_once(&a, curl, "door=a uid=61001 label=first\n");
	cr_says_at_once(&b, curl, "door=b uid=61002 label=second\n");
	cr_says_at_once(&a, "ls /run/intro", "intro.sock\nprivate\nsite\n");
	cr_says_at_once(&b, "ls /run/intro", "intro.sock\nsite\n");
	cr_says_at_once(&b, "\"$1\" connect private </dev/null 2>/dev/null; echo $?", "1\n");
	cr_assert(audit_says(&r.b, "introduced", "door=a", "uid=61001", "label=\"first\""));
	cr_assert(audit_says(&r.b, "introduced", "door=b", "uid=61002", "label=\"second\""));

	/* taken away while it is mounted */
	cli_ok(&r.b, "grant", "--remove", "b", "site");
	cr_says_at_once(&b, "ls /run/intro", "intro.sock\n");
	cr_says_at_once(&a, curl, "door=a uid=61001 label=first\n");
	inside_end(&a);
	inside_end(&b);
	cr_assert(childless(agent));
	cr_assert_eq(agent_stop(agent), 0);
	cli_ok(&r.b, "door", "remove", "a");
	cli_ok(&r.b, "door", "remove", "b");
	real_end(&r);
}
