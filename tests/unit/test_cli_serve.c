/* SPDX-License-Identifier: Apache-2.0 */
/*
 * intro serve, with a real broker: a process per introduction, sockets opened for clients, and
 * the server's own.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "harness_cli.h"

/* ---- a process per introduction ---- */

TEST(cli_serve, a_program_knows_its_client)
{
	static const char script[] =
		"echo \"$INTRO_NAME/$INTRO_PEER_DOOR/$INTRO_PEER_UID/$INTRO_PEER_LABEL/"
		"${INTRO_SESSION:+s}${INTRO_PEER_PID:+p}\"";
	struct agent a;
	struct broker b;
	_cleanup_run_ struct run add, grant, host, web;
	char want[128];

	broker_start(&b, NULL);
	SERVE(&b, &a, "who", "--", "sh", "-c", script);
	run_cli(&b, &add, "door", "add", "web");
	cr_assert_eq(add.status, 0, "%s", add.err);
	run_cli(&b, &grant, "grant", "web", "me", "--as", "who", "--label", "the label");
	cr_assert_eq(grant.status, 0, "%s", grant.err);

	CONNECT(&b, &host, "", "who");
	snprintf(want, sizeof want, "who/host/%u//sp\n", (unsigned int)getuid());
	cr_assert_str_eq(host.out, want);
	CONNECT(&b, &web, "", "me", "--door", "web");
	snprintf(want, sizeof want, "who/web/%u/the label/sp\n", (unsigned int)getuid());
	cr_assert_str_eq(web.out, want);
	cr_assert_eq(agent_stop(&a), 0);
	broker_stop(&b);
}

/* The first two are served, the third only when one of them has ended. */
TEST(cli_serve, no_more_than_max_at_once)
{
	char file[PATH_BYTES], byte;
	int fds[3];
	struct agent a;
	struct broker b;

	broker_start(&b, NULL);
	make_web(&b, "cat", file);
	SERVE(&b, &a, "cat", "--max", "2", "--", "cat");
	for (int i = 0; i < 3; i++) {
		fds[i] = MUST(unix_connect(file, SOCK_STREAM));
		MUST(send(fds[i], "x", 1, MSG_NOSIGNAL));
		if (i < 2) {
			cr_assert(wait_fd(fds[i], POLLIN));
			cr_assert_eq(read(fds[i], &byte, 1), 1);
		}
	}
	cr_assert_eq(recv(fds[2], &byte, 1, MSG_DONTWAIT), -1);
	close(fds[0]);
	cr_assert(wait_fd(fds[2], POLLIN), "its turn has come");
	close(fds[1]);
	close(fds[2]);
	cr_assert_eq(agent_stop(&a), 0);
	broker_stop(&b);
}

/* ---- sockets opened for clients ---- */

static void through(const struct broker *b, const char *target)
{
	_cleanup_run_ struct run r;
	struct agent a;

	SERVE(b, &a, "echo", "--to", target);
	CONNECT(b, &r, "there and back", "-v", "echo");
	cr_assert_eq(r.status, 0, "%s: %s", target, r.err);
	cr_assert_str_eq(r.out, "there and back", "%s", target);
	cr_assert_not_null(strstr(r.err, "way fetch, path local"), "%s", r.err);
	cr_assert_eq(agent_stop(&a), 0);
}

TEST(cli_serve, opens_sockets_of_each_kind)
{
	char port[8], target[PATH_BYTES + 8], dir[DIR_BYTES], path[PATH_BYTES];
	struct broker b;
	pid_t server;
	int six;

	broker_start(&b, NULL);
	server = echo_server(tcp_listener(AF_INET, port), 0);
	snprintf(target, sizeof target, "tcp:127.0.0.1:%s", port);
	through(&b, target);
	snprintf(target, sizeof target, "tcp:localhost:%s", port);
	through(&b, target);
	child_kill(server);

	six = tcp_listener(AF_INET6, port);
	if (six >= 0) {
		server = echo_server(six, 0);
		snprintf(target, sizeof target, "tcp:[::1]:%s", port);
		through(&b, target);
		child_kill(server);
	}

	dir_make(dir);
	snprintf(path, sizeof path, "%s/s", dir);
	server = echo_server(unix_listen(path, SOCK_STREAM, 16), 0);
	snprintf(target, sizeof target, "unix:%s", path);
	through(&b, target);
	child_kill(server);
	dir_remove(dir);
	broker_stop(&b);
}

TEST(cli_serve, says_once_that_path_clients_are_spliced)
{
	char port[8], target[32], file[PATH_BYTES], *said, *first;
	struct agent a;
	struct broker b;
	pid_t server;

	broker_start(&b, NULL);
	make_web(&b, "echo", file);
	server = echo_server(tcp_listener(AF_INET, port), 0);
	snprintf(target, sizeof target, "tcp:127.0.0.1:%s", port);
	SERVE(&b, &a, "echo", "--to", target);
	echo_by_path(file, "one");
	echo_by_path(file, "two");
	said = fd_read(a.err, NULL);
	first = strstr(said, "spliced");
	cr_assert(first && !strstr(first + 1, "spliced"), "%s", said);
	free(said);
	cr_assert_eq(agent_stop(&a), 0);
	child_kill(server);
	broker_stop(&b);
}

TEST(cli_serve, a_server_that_is_down_is_refused_and_said)
{
	char port[8], target[32], *said;
	_cleanup_run_ struct run r;
	struct agent a;
	struct broker b;

	broker_start(&b, NULL);
	close(tcp_listener(AF_INET, port));
	snprintf(target, sizeof target, "tcp:127.0.0.1:%s", port);
	SERVE(&b, &a, "gone", "--to", target);
	CONNECT(&b, &r, "", "gone", "--wait", "0");
	cr_assert_eq(r.status, 1, "%d: %s", r.status, r.err);
	said = fd_read(a.err, NULL);
	cr_assert_not_null(strstr(said, target), "%s", said);
	free(said);
	cr_assert_eq(agent_stop(&a), 0);
	broker_stop(&b);
}

/* ---- the server's own socket ---- */

static bool answers_b(void *file)
{
	int fd = unix_connect(file, SOCK_STREAM);
	char letter = 0;

	if (fd < 0)
		return false;
	if (wait_fd(fd, POLLIN) && read(fd, &letter, 1) < 0)
		letter = 0;
	close(fd);
	return letter == 'b';
}

TEST(cli_serve, a_placed_socket_is_followed_when_its_server_restarts)
{
	char file[PATH_BYTES], path[PATH_BYTES], byte;
	struct agent a;
	struct broker b;
	pid_t server;
	int fd;

	broker_start(&b, NULL);
	make_web(&b, "db", file);
	/* the same filesystem and owner as the doors */
	snprintf(path, sizeof path, "%s/db.sock", b.dir);
	server = echo_server(unix_listen(path, SOCK_STREAM, 16), 'a');
	SERVE(&b, &a, "db", "--place", path);
	fd = MUST(unix_connect(file, SOCK_STREAM));
	cr_assert(wait_fd(fd, POLLIN));
	cr_assert(read(fd, &byte, 1) == 1 && byte == 'a');
	close(fd);

	child_kill(server);
	MUST(unlink(path));
	server = echo_server(unix_listen(path, SOCK_STREAM, 16), 'b');
	cr_assert(wait_until(answers_b, file), "the new server is behind the old name");
	cr_assert_eq(agent_stop(&a), 0);
	child_kill(server);
	broker_stop(&b);
}

/* ---- nothing is left behind ---- */

struct count {
	pid_t pid;
	int fds;
};

static bool count_is(void *arg)
{
	const struct count *c = arg;

	return fd_count_of(c->pid) == c->fds;
}

TEST(cli_serve, an_agent_leaks_nothing)
{
	char port[8], target[32], file[PATH_BYTES];
	struct agent a;
	struct broker b;
	struct count c;
	pid_t server;

	broker_start(&b, NULL);
	make_web(&b, "echo", file);
	server = echo_server(tcp_listener(AF_INET, port), 0);
	snprintf(target, sizeof target, "tcp:127.0.0.1:%s", port);
	SERVE(&b, &a, "echo", "--to", target);
	/* one first: what is closed behind its readiness is closed by then */
	echo_by_path(file, "text");
	c = (struct count){ a.pid, fd_count_of(a.pid) };
	cr_assert_gt(c.fds, 3);
	for (int i = 0; i < 30; i++) {
		_cleanup_run_ struct run r;

		CONNECT(&b, &r, "text", "echo");
		cr_assert_str_eq(r.out, "text");
		echo_by_path(file, "text");
	}
	cr_assert(wait_until(count_is, &c), "%d descriptors, then %d", c.fds,
		  fd_count_of(a.pid));
	cr_assert_eq(agent_stop(&a), 0);
	child_kill(server);
	broker_stop(&b);
}
