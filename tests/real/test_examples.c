/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The examples, in C, Python and Go, against a real broker and each other; and the
 * demonstration, from beginning to end.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../../libintro/intro.h"
#include "harness.h"

#if defined(__SANITIZE_ADDRESS__)
#define SANITIZED 1
#else
#define SANITIZED 0
#endif

#define EXAMPLES SOURCE_DIR "/examples/"
#define LONG_SECONDS 50		/* for a compiler, and for all of the demonstration */

/* Programs that are none of ours, told the way to a broker. */
struct way {
	char runtime[DIR_BYTES + 24];
	const char *env[5];
};

static void way_to(struct way *w, const struct broker *b, const char *door)
{
	snprintf(w->runtime, sizeof w->runtime, "XDG_RUNTIME_DIR=%s", b->dir);
	w->env[0] = w->runtime;
	w->env[1] = "PYTHONDONTWRITEBYTECODE=1";
	w->env[2] = door ? door : "INTRO_DOOR";
	w->env[3] = NULL;
}

static bool have(const char *program)
{
	_cleanup_run_ struct run r = { 0 };

	run(&r, &(struct spawn){
		.argv = (const char *const[]){ "sh", "-c", "command -v \"$0\"", program, NULL },
	});
	return r.status == 0;
}

/* child_wait() with more patience. */
static int long_wait(pid_t pid)
{
	int fd = MUST(syscall(SYS_pidfd_open, pid, 0)), status;
	int64_t end = now_ms() + LONG_SECONDS * 1000;

	while (now_ms() < end && poll(&(struct pollfd){ .fd = fd, .events = POLLIN }, 1, 100) <= 0)
		;
	close(fd);
	if (waitpid(pid, &status, WNOHANG) != pid) {
		child_kill(pid);
		harness_fail("process %d still ran after %d s", pid, LONG_SECONDS);
	}
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static void greeting(char out[static 64])
{
	snprintf(out, 64, "hello, uid %u of door host\n", (unsigned int)geteuid());
}

static pid_t start_python(const struct way *w, const char *script, const char *name)
{
	return spawn(&(struct spawn){
		.argv = (const char *const[]){ "python3", script, name, NULL },
		.env = w->env,
	});
}

/* What client.py gets from a service. */
static void python_gets(const struct way *w, const char *name, const char *wanted)
{
	_cleanup_run_ struct run r = { 0 };

	run(&r, &(struct spawn){
		.argv = (const char *const[]){ "python3", EXAMPLES "client.py", name, "cat", NULL },
		.env = w->env,
	});
	cr_expect_eq(r.status, 0, "client.py %s: status %d: %s", name, r.status, r.err);
	cr_expect_str_eq(r.out, wanted);
}

/* What dial, of ten lines, gets from it. */
static void dial_gets(const struct broker *b, const char *name, const char *wanted)
{
	_cleanup_run_ struct run r = { 0 };

	broker_cli(b, &r, (const char *const[]){ "examples/dial", name, NULL }, 0);
	cr_expect_eq(r.status, 0, "dial %s: status %d: %s", name, r.status, r.err);
	cr_expect_str_eq(r.out, wanted);
}

TEST(examples, c_and_python_understand_each_other)
{
	struct broker b;
	struct way w;
	char hello[64];
	pid_t c, python;

	greeting(hello);
	broker_start(&b, NULL);
	way_to(&w, &b, NULL);
	c = broker_cli_spawn(&b, &(struct spawn){ .in = 0 },
			     (const char *const[]){ "examples/service", "c", NULL });
	python = start_python(&w, EXAMPLES "service.py", "python");

	/* both clients wait for a name that is not served yet */
	dial_gets(&b, "c", hello);
	dial_gets(&b, "python", hello);
	python_gets(&w, "c", hello);
	python_gets(&w, "python", hello);

	child_kill(c);
	child_kill(python);
	broker_stop(&b);
}

TEST(examples, say_what_is_wrong)
{
	_cleanup_run_ struct run c = { 0 }, python = { 0 }, service = { 0 }, again = { 0 };
	struct broker b;
	struct way w;
	char hello[64];
	pid_t pid;

	greeting(hello);
	broker_start(&b, NULL);
	broker_cli(&b, &c, (const char *const[]){ "examples/dial", "not a name", NULL }, 0);
	cr_expect_eq(c.status, 1);
	cr_expect_eq(strncmp(c.err, "dial: ", 6), 0, "%s", c.err);
	way_to(&w, &b, "INTRO_DOOR=fd:99");
	run(&python, &(struct spawn){
		.argv = (const char *const[]){ "python3", EXAMPLES "client.py", "any", "cat", NULL },
		.env = w.env,
	});
	cr_expect_eq(python.status, 1);
	cr_expect_str_eq(python.err, "client.py: any: Bad file descriptor\n");
	way_to(&w, &b, NULL);

	/* a name has one service at a time */
	pid = broker_cli_spawn(&b, &(struct spawn){ .in = 0 },
			       (const char *const[]){ "examples/service", "mine", NULL });
	dial_gets(&b, "mine", hello);
	broker_cli(&b, &again, (const char *const[]){ "examples/service", "mine", NULL }, 0);
	cr_expect_eq(again.status, 1);
	cr_expect_eq(strncmp(again.err, "service: ", 9), 0, "%s", again.err);
	run(&service, &(struct spawn){
		.argv = (const char *const[]){ "python3", EXAMPLES "service.py", "mine", NULL },
		.env = w.env,
	});
	cr_expect_eq(service.status, 1);
	cr_expect_str_eq(service.err, "service.py: mine: Device or resource busy\n");
	child_kill(pid);
	broker_stop(&b);
}

TEST(examples, python_outlives_the_switch)
{
	struct broker b;
	struct way w;
	char hello[64];
	pid_t service, old;

	greeting(hello);
	broker_start(&b, NULL);
	way_to(&w, &b, NULL);
	service = start_python(&w, EXAMPLES "service.py", "python");
	python_gets(&w, "python", hello);

	old = broker_switch_pid(&b, 0);
	MUST(kill(old, SIGKILL));
	python_gets(&w, "python", hello);
	cr_expect_neq(broker_switch_pid(&b, old), old);

	child_kill(service);
	broker_stop(&b);
}

/* What a client started with this gets from a server that we are, placed under a name. */
static void placed_gets(const struct broker *b, const struct spawn *client)
{
	static const char answer[] = "from the server itself\n";
	char path[PATH_BYTES], out[sizeof answer] = "";
	struct spawn with = *client;
	int listener, conn, pair[2];
	pid_t agent, pid;

	snprintf(path, sizeof path, "%s/server", b->dir);
	listener = unix_listen(path, SOCK_STREAM, 8);
	agent = spawn_cli(b, &(struct spawn){ .in = 0 }, "serve", "placed", "--place", path);
	MUST(pipe2(pair, O_CLOEXEC));
	with.out = pair[1];
	pid = spawn(&with);
	close(pair[1]);

	cr_assert(wait_fd(listener, POLLIN));
	conn = MUST(accept4(listener, NULL, NULL, SOCK_CLOEXEC));
	MUST(write(conn, answer, sizeof answer - 1));
	cr_expect(wait_fd(pair[0], POLLIN));
	MUST(read(pair[0], out, sizeof out - 1));
	cr_expect_str_eq(out, answer);
	close(conn);
	cr_expect_eq(long_wait(pid), 0);

	close(pair[0]);
	close(listener);
	child_kill(agent);
}

TEST(examples, python_connects_to_a_placed_socket_itself)
{
	struct broker b;
	struct way w;

	broker_start(&b, NULL);
	way_to(&w, &b, NULL);
	placed_gets(&b, &(struct spawn){
		.argv = (const char *const[]){ "python3", EXAMPLES "client.py", "placed", "head",
					       "-n", "1", NULL },
		.env = w.env,
	});
	broker_stop(&b);
}

/* A descriptor for INTRO_DOOR=fd:N, and N in words. */
static int share(const struct broker *b, char door[static 32])
{
	struct intro *in;
	int fd;

	cr_assert_eq(intro_open(&in, b->host), 0);
	cr_assert_eq(intro_share(in, &fd), 0);
	intro_close(in);
	snprintf(door, 32, "INTRO_DOOR=fd:%d", fd);
	return fd;
}

TEST(examples, python_joins_by_a_shared_descriptor)
{
	_cleanup_run_ struct run r = { 0 };
	char hello[64], door[32];
	struct broker b;
	struct way w;
	pid_t service;
	int fd;

	greeting(hello);
	broker_start(&b, NULL);
	service = broker_cli_spawn(&b, &(struct spawn){ .in = 0 },
				   (const char *const[]){ "examples/service", "c", NULL });
	fd = share(&b, door);
	way_to(&w, &b, door);
	run(&r, &(struct spawn){
		.argv = (const char *const[]){ "python3", EXAMPLES "client.py", "c", "cat", NULL },
		.env = w.env,
		.keep = (const int[]){ fd, -1 },
	});
	cr_expect_eq(r.status, 0, "%s", r.err);
	cr_expect_str_eq(r.out, hello);
	close(fd);
	child_kill(service);
	broker_stop(&b);
}

/* Compile client.go into this directory, whatever there is of a cache. */
static void go_build(const char *dir, char program[static PATH_BYTES])
{
	char cache[PATH_BYTES];
	pid_t pid;

	snprintf(program, PATH_BYTES, "%s/client", dir);
	snprintf(cache, sizeof cache, "GOCACHE=%s/cache", dir);
	pid = spawn(&(struct spawn){
		.argv = (const char *const[]){ "go", "build", "-o", program, EXAMPLES "client.go",
					       NULL },
		.env = (const char *const[]){ cache, "GOFLAGS=", "GO111MODULE=off", NULL },
	});
	cr_assert_eq(long_wait(pid), 0, "go build failed");
}

TEST(examples, go_does_the_same)
{
	_cleanup_run_ struct run by_name = { 0 }, joined = { 0 }, bad = { 0 };
	char dir[DIR_BYTES], program[PATH_BYTES], hello[64], door[32];
	struct way w, shared;
	struct broker b;
	pid_t service;
	int fd;

	NEED(have("go"), "needs a Go compiler (golang-go)");
	dir_make(dir);
	go_build(dir, program);
	greeting(hello);
	broker_start(&b, NULL);
	service = broker_cli_spawn(&b, &(struct spawn){ .in = 0 },
				   (const char *const[]){ "examples/service", "c", NULL });
	way_to(&w, &b, NULL);
	run(&by_name, &(struct spawn){
		.argv = (const char *const[]){ program, "c", NULL },
		.env = w.env,
	});
	cr_expect_eq(by_name.status, 0, "%s", by_name.err);
	cr_expect_str_eq(by_name.out, hello);
	way_to(&w, &b, "INTRO_DOOR=fd:99");
	run(&bad, &(struct spawn){
		.argv = (const char *const[]){ program, "any", NULL },
		.env = w.env,
	});
	cr_expect_eq(bad.status, 1);
	cr_expect_str_eq(bad.err, "client: any: bad file descriptor\n");
	way_to(&w, &b, NULL);
	placed_gets(&b, &(struct spawn){
		.argv = (const char *const[]){ program, "placed", NULL },
		.env = w.env,
	});
	fd = share(&b, door);
	way_to(&shared, &b, door);
	run(&joined, &(struct spawn){
		.argv = (const char *const[]){ program, "c", NULL },
		.env = shared.env,
		.keep = (const int[]){ fd, -1 },
	});
	cr_expect_eq(joined.status, 0, "%s", joined.err);
	cr_expect_str_eq(joined.out, hello);
	close(fd);
	child_kill(service);
	broker_stop(&b);
	dir_remove(dir);
}

TEST(examples, the_demonstration_succeeds)
{
	_cleanup_run_ struct run sandbox = { 0 };
	int out = MUST(memfd_create("demo", MFD_CLOEXEC));
	char *text;
	pid_t pid;
	int status;

	/* LeakSanitizer does not work under strace, which the demonstration needs */
	NEED(!SANITIZED, "the demonstration is for a build without sanitizers");
	NEED(have("bwrap") && have("redis-server") && have("curl"),
	     "needs bubblewrap, redis-server and curl");
	run(&sandbox, &(struct spawn){
		.argv = (const char *const[]){ "bwrap", "--ro-bind", "/", "/", "--unshare-net",
					       "--unshare-pid", "true", NULL },
	});
	NEED(sandbox.status == 0, "bubblewrap can make no sandbox here: %s", sandbox.err);

	pid = spawn(&(struct spawn){
		.argv = (const char *const[]){ EXAMPLES "demo.sh", NULL },
		.out = out,
		.err = out,
	});
	status = long_wait(pid);
	text = fd_read(out, NULL);
	cr_expect_eq(status, 0, "it ended with status %d:\n%s", status, text);
	cr_expect_not_null(strstr(text, "Each step was as it should be"));
	free(text);
	close(out);
}
