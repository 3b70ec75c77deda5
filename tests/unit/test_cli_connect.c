/* SPDX-License-Identifier: Apache-2.0 */
/*
 * intro connect, hold, take and the listings, with a real broker.
 */
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "harness.h"

/* intro serve ARGS, ready: its pid. */
static pid_t serve_args(const struct broker *b, const char *const *args)
{
	int ready[2], keep[2] = { 0, -1 };
	const char *argv[16] = { "intro", "serve", "--ready-fd" };
	char number[16], byte;
	size_t n = 4;
	pid_t pid;

	MUST(pipe2(ready, O_CLOEXEC));
	snprintf(number, sizeof number, "%d", ready[1]);
	argv[3] = number;
	while (*args && n < 15)
		argv[n++] = *args++;
	argv[n] = NULL;
	keep[0] = ready[1];
	pid = broker_cli_spawn(b, &(struct spawn){ .keep = keep }, argv);
	close(ready[1]);
	cr_assert(wait_fd(ready[0], POLLIN) && read(ready[0], &byte, 1) == 1, "not ready");
	close(ready[0]);
	return pid;
}

#define SERVE(b, ...) serve_args(b, (const char *const[]){ __VA_ARGS__, NULL })

static void stop(pid_t pid)
{
	MUST(kill(pid, SIGTERM));
	cr_assert_eq(child_wait(pid), 0);
}

static int memory_file(const void *bytes, size_t len)
{
	int fd = MUST(memfd_create("memory", MFD_CLOEXEC));

	MUST(write(fd, bytes, len));
	MUST(lseek(fd, 0, SEEK_SET));
	return fd;
}

/* ---- connect ---- */

TEST(cli_connect, copies_a_file_there_and_back)
{
	const size_t len = 3u << 20;
	char *bytes = malloc(len);
	_cleanup_run_ struct run r;
	struct broker b;
	pid_t agent;
	int in;

	cr_assert_not_null(bytes);
	for (size_t i = 0; i < len; i++)
		bytes[i] = (char)(i * 7 + i / 251);
	broker_start(&b, NULL);
	agent = SERVE(&b, "cat", "--", "cat");
	in = memory_file(bytes, len);
	broker_cli(&b, &r, (const char *const[]){ "intro", "connect", "cat", NULL }, in);
	cr_assert_eq(r.status, 0, "%s", r.err);
	cr_assert_eq(r.out_len, len);
	cr_assert(!memcmp(r.out, bytes, len));
	cr_assert_str_eq(r.err, "", "success is quiet");
	close(in);
	free(bytes);
	stop(agent);
	broker_stop(&b);
}

TEST(cli_connect, ends_when_the_service_does_though_input_goes_on)
{
	int in[2], null = MUST(open("/dev/null", O_WRONLY | O_CLOEXEC));
	struct broker b;
	pid_t agent, client;

	broker_start(&b, NULL);
	agent = SERVE(&b, "short", "--", "true");
	MUST(pipe2(in, O_CLOEXEC));
	client = spawn_cli(&b, (&(struct spawn){ .in = in[0], .out = null }), "connect", "short");
	cr_assert_eq(child_wait(client), 0);
	close(in[0]);
	close(in[1]);
	close(null);
	stop(agent);
	broker_stop(&b);
}

TEST(cli_connect, a_program_has_the_socket_in_place)
{
	_cleanup_run_ struct run stdio, other;
	struct broker b;
	pid_t agent;

	broker_start(&b, NULL);
	agent = SERVE(&b, "greet", "--", "sh", "-c", "read x; echo \"hello $x\"");
	run_cli(&b, &stdio, "connect", "greet", "--", "sh", "-c",
		"echo $INTRO_NAME; read y; echo \"$y\" >&2");
	cr_assert_str_eq(stdio.err, "hello greet\n");
	cr_assert_str_eq(stdio.out, "");
	run_cli(&b, &other, "connect", "greet", "--fd", "7", "--", "sh", "-c",
		"echo seven >&7; read y <&7; echo \"$y\"; exit 5");
	cr_assert_str_eq(other.out, "hello seven\n");
	cr_assert_eq(other.status, 5, "the program's status is ours");
	stop(agent);
	broker_stop(&b);
}

/* As ssh with ProxyUseFdpass: one byte and one descriptor come over stdout. */
TEST(cli_connect, passes_the_socket_on)
{
	union {
		struct cmsghdr align;
		char space[CMSG_SPACE(2 * sizeof(int))];
	} control;
	char byte[8], line[16] = "";
	struct iovec iov = { byte, sizeof byte };
	struct msghdr mh = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control,
			     .msg_controllen = sizeof control };
	_cleanup_run_ struct run no_socket;
	struct broker b;
	pid_t agent, client;
	int pair[2], fd;

	broker_start(&b, NULL);
	agent = SERVE(&b, "hello", "--", "echo", "hello");
	MUST(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair));
	client = spawn_cli(&b, &(struct spawn){ .out = pair[1] }, "connect", "--fdpass", "hello");
	close(pair[1]);
	cr_assert_eq(child_wait(client), 0);
	cr_assert_eq(recvmsg(pair[0], &mh, MSG_CMSG_CLOEXEC), 1, "exactly one byte");
	cr_assert_eq(control.align.cmsg_len, CMSG_LEN(sizeof(int)), "exactly one descriptor");
	memcpy(&fd, CMSG_DATA(&control.align), sizeof fd);
	cr_assert(wait_fd(fd, POLLIN));
	MUST(read(fd, line, sizeof line - 1));
	cr_assert_str_eq(line, "hello\n");
	close(fd);
	close(pair[0]);

	run_cli(&b, &no_socket, "connect", "--fdpass", "hello");
	cr_assert_eq(no_socket.status, 1);
	cr_assert_not_null(strstr(no_socket.err, "ProxyUseFdpass"), "%s", no_socket.err);
	stop(agent);
	broker_stop(&b);
}

TEST(cli_connect, waits_for_a_name)
{
	int out = MUST(memfd_create("out", MFD_CLOEXEC));
	_cleanup_run_ struct run vain;
	struct broker b;
	pid_t agent, client;
	char *said;

	broker_start(&b, NULL);
	client = spawn_cli(&b, &(struct spawn){ .out = out }, "connect", "late", "--wait", "10s");
	agent = SERVE(&b, "late", "--", "echo", "better than never");
	cr_assert_eq(child_wait(client), 0);
	said = fd_read(out, NULL);
	cr_assert_str_eq(said, "better than never\n");
	free(said);
	close(out);

	run_cli(&b, &vain, "connect", "never", "--wait", "50ms");
	cr_assert_eq(vain.status, 111, "%d: %s", vain.status, vain.err);
	stop(agent);
	broker_stop(&b);
}

TEST(cli_connect, says_what_was_wanted_found_and_to_do)
{
	_cleanup_run_ struct run add, host, web, limited;
	struct broker b;

	broker_start(&b, NULL);
	run_cli(&b, &add, "door", "add", "web");
	run_cli(&b, &host, "connect", "db");
	cr_assert_eq(host.status, 1);
	cr_assert_not_null(strstr(host.err, "\"db\""), "%s", host.err);
	cr_assert_not_null(strstr(host.err, b.host), "%s", host.err);
	cr_assert_not_null(strstr(host.err, "intro serve db"), "%s", host.err);
	run_cli(&b, &web, "connect", "--door", "web", "db");
	cr_assert_eq(web.status, 1);
	cr_assert_not_null(strstr(web.err, "intro grant web db"), "%s", web.err);
	cr_assert_not_null(strstr(web.err, "intro why web db"), "%s", web.err);
	run_cli(&b, &limited, "serve", "--door", "web", "db", "--", "true");
	cr_assert_eq(limited.status, 1);
	cr_assert_not_null(strstr(limited.err, "intro grant web db --serve"), "%s", limited.err);
	broker_stop(&b);
}

TEST(cli_connect, types)
{
	static const char reply[] = "import socket; s = socket.socket(fileno=0); "
				    "s.send(b'packet' + s.recv(100))";
	_cleanup_run_ struct run packets, stream;
	struct broker b;
	pid_t agent;
	int in = memory_file("one", 3);

	broker_start(&b, NULL);
	agent = SERVE(&b, "p", "--type", "seqpacket", "--", "python3", "-c", reply);
	broker_cli(&b, &packets, (const char *const[]){ "intro", "connect", "p", "--type",
							"seqpacket", NULL }, in);
	cr_assert_str_eq(packets.out, "packetone", "%s", packets.err);
	run_cli(&b, &stream, "connect", "p");
	cr_assert_eq(stream.status, 1);
	cr_assert_not_null(strstr(stream.err, "--type"), "%s", stream.err);
	close(in);
	stop(agent);
	broker_stop(&b);
}

/* ---- hold and take ---- */

TEST(cli_connect, holds_a_file)
{
	_cleanup_run_ struct run hold, first, again, take, gone;
	struct broker b;
	int in = memory_file("kept\n", 5);

	broker_start(&b, NULL);
	broker_cli(&b, &hold, (const char *const[]){ "intro", "hold", "note", NULL }, in);
	cr_assert_eq(hold.status, 0, "%s", hold.err);
	run_cli(&b, &first, "connect", "note", "--", "cat");
	cr_assert_str_eq(first.out, "kept\n", "%s", first.err);
	/* the same open file: its offset is shared */
	MUST(lseek(in, 0, SEEK_SET));
	run_cli(&b, &again, "connect", "note", "--fd", "9", "--", "sh", "-c", "cat <&9");
	cr_assert_str_eq(again.out, "kept\n", "%s", again.err);
	MUST(lseek(in, 0, SEEK_SET));
	run_cli(&b, &take, "take", "note");
	cr_assert_str_eq(take.out, "kept\n", "%s", take.err);
	run_cli(&b, &gone, "take", "note");
	cr_assert_eq(gone.status, 1, "%d: %s", gone.status, gone.err);
	close(in);
	broker_stop(&b);
}

TEST(cli_connect, what_cannot_be_read_is_put_back)
{
	_cleanup_run_ struct run hold, take, give;
	char dir[DIR_BYTES], path[PATH_BYTES];
	struct broker b;
	int listener;

	broker_start(&b, NULL);
	dir_make(dir);
	snprintf(path, sizeof path, "%s/l", dir);
	listener = unix_listen(path, SOCK_STREAM, 1);
	broker_cli(&b, &hold, (const char *const[]){ "intro", "hold", "l", NULL }, listener);
	cr_assert_eq(hold.status, 0, "%s", hold.err);
	run_cli(&b, &take, "take", "l");
	cr_assert_eq(take.status, 1);
	cr_assert_not_null(strstr(take.err, "put back"), "%s", take.err);
	run_cli(&b, &give, "take", "l", "--fd", "5", "--", "sh", "-c",
		"readlink /proc/self/fd/5; echo $INTRO_NAME");
	cr_assert(!strncmp(give.out, "socket:[", 8), "%s%s", give.out, give.err);
	close(listener);
	dir_remove(dir);
	broker_stop(&b);
}

/* ---- listings ---- */

static json_t *json_of(const char *text)
{
	json_error_t error;
	json_t *json = json_loads(text, 0, &error);

	cr_assert_not_null(json, "%s in: %s", error.text, text);
	return json;
}

/* The object in the array whose key has this value; borrowed. */
static json_t *find(json_t *array, const char *key, const char *value)
{
	json_t *object;
	size_t i;

	cr_assert(json_is_array(array));
	json_array_foreach(array, i, object) {
		const char *found = json_string_value(json_object_get(object, key));

		if (found && !strcmp(found, value))
			return object;
	}
	harness_fail("nothing has %s %s", key, value);
}

static const char *text_of(json_t *object, const char *key)
{
	const char *value = json_string_value(json_object_get(object, key));

	return value ? value : "";
}

TEST(cli_connect, lists_as_json)
{
	_cleanup_run_ struct run add, grant, list, grants, usage, show, status, table;
	json_t *json, *row;
	struct broker b;
	pid_t agent;

	broker_start(&b, NULL);
	agent = SERVE(&b, "db", "--", "true");
	run_cli(&b, &add, "door", "add", "web", "--limit", "connections=7", "--export", "--json");
	json = json_of(add.out);
	cr_assert_not_null(strstr(text_of(json, "directory"), "/doors/web"));
	cr_assert_not_null(strstr(text_of(json, "export_directory"), "/exports/web"));
	json_decref(json);
	run_cli(&b, &grant, "grant", "web", "sql", "--as", "db", "--file", ".s.PGSQL.5432",
		"--lifetime", "10m", "--uses", "3", "--label", "l", "--serve", "--connect");
	cr_assert_eq(grant.status, 0, "%s", grant.err);

	run_cli(&b, &list, "list", "--json");
	json = json_of(list.out);
	row = find(json, "name", "db");
	cr_assert_str_eq(text_of(row, "state"), "served");
	cr_assert_str_eq(text_of(row, "way"), "pair");
	json_decref(json);

	run_cli(&b, &grants, "list", "grants", "web", "--json");
	json = json_of(grants.out);
	row = find(json, "name", "sql");
	cr_assert_str_eq(text_of(row, "service"), "db");
	cr_assert_str_eq(text_of(row, "file"), ".s.PGSQL.5432");
	cr_assert_eq(json_integer_value(json_object_get(row, "uses")), 3);
	cr_assert_eq(json_array_size(json_object_get(row, "rights")), 2);
	cr_assert_leq(json_integer_value(json_object_get(row, "expires")), 600000000);
	json_decref(json);

	run_cli(&b, &usage, "list", "--usage", "--json");
	json = json_of(usage.out);
	row = find(json, "door", "web");
	cr_assert_eq(json_integer_value(json_object_get(row, "max_connections")), 7);
	json_decref(json);

	run_cli(&b, &show, "show", "door", "web", "--json");
	json = json_of(show.out);
	cr_assert_eq(json_array_size(json_object_get(json, "grants")), 1);
	cr_assert_eq(json_integer_value(json_object_get(json, "max_connections")), 7);
	json_decref(json);

	run_cli(&b, &status, "status", "--json");
	json = json_of(status.out);
	cr_assert_eq(json_integer_value(json_object_get(json, "pid")), broker_pid(&b));
	json_decref(json);

	run_cli(&b, &table, "list");
	cr_assert(!strncmp(table.out, "NAME", 4), "%s", table.out);
	cr_assert_null(strchr(table.out, '\033'), "no colours in a file");
	stop(agent);
	broker_stop(&b);
}

TEST(cli_connect, explains)
{
	_cleanup_run_ struct run add, refused, grant, down, allowed, json_run, nobody;
	struct broker b;
	pid_t agent;
	json_t *json;

	broker_start(&b, NULL);
	run_cli(&b, &add, "door", "add", "web");
	run_cli(&b, &refused, "why", "web", "db");
	cr_assert_eq(refused.status, 1);
	cr_assert_not_null(strstr(refused.out, "intro grant web db"), "%s", refused.out);
	run_cli(&b, &grant, "grant", "web", "db");
	run_cli(&b, &down, "why", "web", "db");
	cr_assert_eq(down.status, 1);
	agent = SERVE(&b, "db", "--", "true");
	run_cli(&b, &allowed, "why", "web", "db");
	cr_assert_eq(allowed.status, 0, "%s", allowed.out);
	run_cli(&b, &json_run, "why", "web", "db", "--serve", "--json");
	cr_assert_eq(json_run.status, 1);
	json = json_of(json_run.out);
	cr_assert_gt(json_integer_value(json_object_get(json, "verdict")), 0);
	cr_assert_neq(*text_of(json, "reason"), '\0');
	json_decref(json);
	run_cli(&b, &nobody, "show", "nobody");
	cr_assert_eq(nobody.status, 1);
	stop(agent);
	broker_stop(&b);
}

TEST(cli_connect, watches)
{
	_cleanup_run_ struct run r;
	char line[1024];
	struct broker b;
	pid_t watcher, agent;
	json_t *json;
	FILE *lines;
	int out[2];

	broker_start(&b, NULL);
	agent = SERVE(&b, "db", "--", "true");
	MUST(pipe2(out, O_CLOEXEC));
	watcher = spawn_cli(&b, &(struct spawn){ .out = out[1] }, "watch", "--json");
	close(out[1]);
	/* until it watches, nothing comes */
	do
		run_cli(&b, &r, "connect", "nothing");
	while (poll(&(struct pollfd){ out[0], POLLIN, 0 }, 1, 0) == 0 && (run_free(&r), true));

	lines = fdopen(out[0], "r");
	cr_assert_not_null(fgets(line, sizeof line, lines));
	json = json_of(line);
	cr_assert_str_eq(text_of(json, "event"), "refused", "%s", line);
	cr_assert_str_eq(text_of(json, "door"), "host", "%s", line);
	cr_assert_str_eq(text_of(json, "error"), "ENOENT", "%s", line);
	cr_assert_neq(*text_of(json, "time"), '\0');
	json_decref(json);
	child_kill(watcher);
	fclose(lines);
	stop(agent);
	broker_stop(&b);
}

/* ---- starting a broker ---- */

static bool is_gone(void *pid)
{
	return kill(*(pid_t *)pid, 0) < 0 && errno == ESRCH;
}

/* Several at once, and no broker yet: all of them end up with the same one. */
TEST(cli_connect, many_start_one_broker)
{
	enum { N = 6 };
	_cleanup_run_ struct run status, list;
	struct broker b = { 0 };
	pid_t agents[N], broker;
	char name[8], text[8];
	int ready[2];
	json_t *json;

	dir_make(b.dir);
	MUST(pipe2(ready, O_CLOEXEC));
	snprintf(text, sizeof text, "%d", ready[1]);
	for (int i = 0; i < N; i++) {
		snprintf(name, sizeof name, "n%d", i);
		agents[i] = spawn_cli(&b, (&(struct spawn){ .keep = (int[]){ ready[1], -1 } }),
				      "serve", name, "--ready-fd", text, "--", "true");
	}
	close(ready[1]);
	for (int i = 0; i < N; i++)
		cr_assert(wait_fd(ready[0], POLLIN) && read(ready[0], name, 1) == 1,
			  "agent %d is not ready", i);
	close(ready[0]);
	run_cli(&b, &status, "status", "--json");
	cr_assert_eq(status.status, 0, "%s", status.err);
	json = json_of(status.out);
	broker = (pid_t)json_integer_value(json_object_get(json, "pid"));
	json_decref(json);
	run_cli(&b, &list, "list", "--json");
	json = json_of(list.out);
	cr_assert_eq(json_array_size(json), N, "all in one broker: %s", list.out);
	json_decref(json);
	for (int i = 0; i < N; i++)
		stop(agents[i]);
	MUST(kill(broker, SIGTERM));
	cr_assert(wait_until(is_gone, &broker));
	dir_remove(b.dir);
}

TEST(cli_connect, a_broker_that_cannot_start_says_why)
{
	_cleanup_run_ struct run r;
	char base[PATH_BYTES];
	struct broker b = { 0 };

	dir_make(b.dir);
	snprintf(base, sizeof base, "%s/introd", b.dir);
	file_write(base, "in the way");
	run_cli(&b, &r, "serve", "x", "--", "true");
	cr_assert_eq(r.status, 111, "%d: %s", r.status, r.err);
	cr_assert_not_null(strstr(r.err, base), "%s", r.err);
	dir_remove(b.dir);
}
