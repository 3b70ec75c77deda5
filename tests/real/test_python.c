/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Programs in Python that know nothing of introductions: asyncio clients of the socket file in
 * a door, servers in inetd style and by LISTEN_FDS, and a program that is given an introduced
 * socket, or descriptors that somebody left with the broker.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../../libintro/intro.h"
#include "real.h"

#define FIXTURES SOURCE_DIR "/tests/real/fixtures"
#define CLIENTS 60
#define PROCESSES 16	/* a Python each, in inetd style */

/* The door "web" with "upper". */
static void begin(struct real *r, char socket[static PATH_BYTES])
{
	real_begin(r, NULL);
	cli_ok(&r->b, "door", "add", "web");
	cli_ok(&r->b, "grant", "web", "upper");
	base_path(&r->b, socket, "doors/web/upper");
	MUST(setenv("INTRO_DOOR", r->b.host, 1));
}

static void end(struct real *r)
{
	cli_ok(&r->b, "door", "remove", "web");
	real_end(r);
}

/* Many clients at once, each with more to say than a socket buffers at first. */
static void cr_all_served(const char *socket, int clients)
{
	_cleanup_run_ struct run r = { 0 };
	char number[12];

	snprintf(number, sizeof number, "%d", clients);
	run(&r, &(struct spawn){ .argv = (const char *const[]){
		"python3", FIXTURES "/clients.py", socket, number, NULL } });
	cr_assert_str_eq(r.out, "all served\n", "%s", r.err);
}

TEST(python, inetd_style)
{
	char socket[PATH_BYTES];
	struct real r;
	pid_t agent;
	int fd;

	begin(&r, socket);
	/* fewer at once than there are clients: the others wait at the door */
	agent = agent_start(&r.b, NULL, "upper", "--max", "4", "--", "python3",
			    FIXTURES "/upper.py");
	cr_all_served(socket, PROCESSES);
	fd = intro_dial("upper", SOCK_STREAM, HANG_MS);
	cr_assert_geq(fd, 0, "%s", intro_strerror(fd));
	cr_assert(speaks(fd, "by name\n", "BY NAME\n"));
	close(fd);
	cr_assert(childless(agent));
	cr_assert_eq(agent_stop(agent), 0);
	cr_assert_eq(audit_count(&r.b, PROCESSES, "introduced", "door=web", "way=listen",
				 "path=local"), PROCESSES);
	end(&r);
}

TEST(python, private_listener)
{
	char socket[PATH_BYTES];
	struct real r;
	pid_t agent;
	int fd;

	begin(&r, socket);
	agent = agent_start(&r.b, NULL, "upper", "--listen", "--", "python3",
			    FIXTURES "/service.py");
	cr_all_served(socket, CLIENTS);
	fd = intro_dial("upper", SOCK_STREAM, HANG_MS);
	cr_assert_geq(fd, 0, "%s", intro_strerror(fd));
	cr_assert(speaks(fd, "by name\n", "BY NAME\n"));
	close(fd);
	cr_assert_eq(agent_stop(agent), 0);
	cr_assert_eq(audit_count(&r.b, CLIENTS, "introduced", "path=spliced"), CLIENTS);
	end(&r);
}

TEST(python, doors_listeners)
{
	char socket[PATH_BYTES];
	struct real r;
	pid_t agent;

	begin(&r, socket);
	agent = agent_start(&r.b, NULL, "upper", "--listen=door", "--", "python3",
			    FIXTURES "/service.py");
	cr_all_served(socket, CLIENTS);
	cr_assert_eq(agent_stop(agent), 0);
	cr_assert_eq(audit_count(&r.b, 0, "introduced", "door=web"), 0);
	end(&r);
}

/* intro connect -- PROGRAM: the program is born with the connected socket. */
TEST(python, is_given_a_connected_socket)
{
	_cleanup_run_ struct run r = { 0 };
	char socket[PATH_BYTES];
	struct real real;
	pid_t agent;

	begin(&real, socket);
	agent = agent_start(&real.b, NULL, "upper", "--", "python3", FIXTURES "/upper.py");
	run_cli(&real.b, &r, "connect", "upper", "--fd", "5", "--", "python3", "-c",
		"import socket\n"
		"s = socket.socket(fileno=5)\n"
		"s.sendall(b'given\\n')\n"
		"s.shutdown(socket.SHUT_WR)\n"
		"print(s.family.name, s.makefile().read(), end='')\n");
	cr_assert_str_eq(r.out, "AF_UNIX GIVEN\n", "%s", r.err);
	cr_assert(childless(agent));
	cr_assert_eq(agent_stop(agent), 0);
	end(&real);
}

/* A listener left with the broker: two servers after another accept on the same one, and a
 * client that came between them is served. */
TEST(python, listener_is_held_between_servers)
{
	_cleanup_run_ struct run held = { 0 }, first = { 0 }, second = { 0 };
	static const char accept_one[] =
		"import socket\n"
		"c, _ = socket.socket(fileno=3).accept()\n"
		"c.sendall(c.recv(100).upper())\n";
	char socket[PATH_BYTES], path[PATH_BYTES];
	struct real r;
	int listener, clients[2];

	begin(&r, socket);
	dir_path(&r.b, path, "listener");
	listener = unix_listen(path, SOCK_STREAM, 16);
	broker_cli(&r.b, &held, (const char *const[]){ "intro", "hold", "listener", NULL },
		   listener);
	cr_assert_eq(held.status, 0, "%s", held.err);
	close(listener);

	for (int i = 0; i < 2; i++) {
		clients[i] = MUST(unix_connect(path, SOCK_STREAM));
		MUST(write(clients[i], i ? "two" : "one", 3));
	}
	run_cli(&r.b, &first, "connect", "listener", "--fd", "3", "--", "python3", "-c",
		accept_one);
	cr_assert_eq(first.status, 0, "%s", first.err);
	cr_assert(speaks(clients[0], "", "ONE"));
	run_cli(&r.b, &second, "take", "listener", "--fd", "3", "--", "python3", "-c",
		accept_one);
	cr_assert_eq(second.status, 0, "%s", second.err);
	cr_assert(speaks(clients[1], "", "TWO"));
	cr_assert(audit_says(&r.b, "introduced", "name=listener", "way=held"));
	close(clients[0]);
	close(clients[1]);
	end(&r);
}
