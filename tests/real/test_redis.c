/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Redis: fetched, placed and spliced; redis-cli and libintro as clients; a server that dies
 * and comes again while its door is held.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../../libintro/intro.h"
#include "real.h"

#define REDIS "redis-server", "--save", "", "--appendonly", "no", "--daemonize", "no", \
	      "--loglevel", "warning"
#define PORT "6390"	/* of a network namespace's own loopback */
#define BIG (12u << 20)	/* bytes: many socket buffers */

/* Through the door's directory, as libintro programs are told of it. */
static int dial(const struct broker *b, const char *door)
{
	char path[PATH_BYTES];

	broker_door(b, door, path);
	MUST(setenv("INTRO_DOOR", path, 1));
	return intro_dial("redis", SOCK_STREAM, HANG_MS);
}

static void redis_cli(const char *socket, struct run *ret, const char *word, const char *key)
{
	run(ret, &(struct spawn){
		.argv = (const char *const[]){ "redis-cli", "-s", socket, word, key, NULL } });
}

/* Wait for redis-cli to be answered: a server's file is there before it listens. */
struct asked {
	const char *socket;
	struct run last;
};

static bool pongs(void *arg)
{
	struct asked *a = arg;

	run_free(&a->last);
	redis_cli(a->socket, &a->last, "PING", NULL);
	return a->last.status == 0 && strcmp(a->last.out, "PONG\n") == 0;
}

static void cr_pongs(const char *socket)
{
	struct asked a = { .socket = socket };

	if (!wait_until(pongs, &a))
		harness_fail("redis-cli -s %s PING: %s%s", socket, a.last.out, a.last.err);
	run_free(&a.last);
}

TEST(redis, is_fetched_from_its_socket)
{
	char socket[PATH_BYTES], to[PATH_BYTES];
	struct real r;
	pid_t agent, old;
	int fd;

	real_begin(&r, NULL);
	snprintf(socket, sizeof socket, "%s/r.sock", r.b.dir);
	snprintf(to, sizeof to, "unix:%.*s", (int)sizeof to - 6, socket);
	agent = agent_start(&r.b, NULL, "redis", "--to", to, "--", REDIS, "--port", "0",
			    "--unixsocket", socket);
	/* asked before it listens: the agent waits for it */
	fd = dial(&r.b, "host");
	cr_assert_geq(fd, 0, "%s", intro_strerror(fd));
	cr_assert(speaks(fd, "PING\r\n", "+PONG\r\n"));
	cr_assert(audit_says(&r.b, "introduced", "name=redis", "way=fetch", "path=local"));

	/* the connection is the server's and ours alone */
	old = broker_switch_pid(&r.b, 0);
	MUST(kill(old, SIGKILL));
	cr_assert(speaks(fd, "PING\r\n", "+PONG\r\n"));
	close(fd);
	broker_switch_pid(&r.b, old);
	fd = dial(&r.b, "host");
	cr_assert_geq(fd, 0, "after the switch's death: %s", intro_strerror(fd));
	cr_assert(speaks(fd, "PING\r\n", "+PONG\r\n"));
	close(fd);
	cr_assert_eq(agent_stop(agent), 0);
	real_end(&r);
}

/* Redis where nobody can reach it: its only network is a loopback of its own. */
TEST(redis, is_fetched_from_another_network)
{
	uint64_t ours = 0, theirs = 0;
	socklen_t len = sizeof ours;
	struct sockaddr_storage peer;
	struct real r;
	pid_t agent;
	int fd, sock;

	NEED(net_alone_works(), "no network namespaces here");
	real_begin(&r, NULL);
	agent = agent_start(&r.b, &(struct spawn){ .before = net_alone }, "redis", "--to",
			    "tcp:127.0.0.1:" PORT, "--", REDIS, "--port", PORT, "--bind",
			    "127.0.0.1");
	fd = dial(&r.b, "host");
	cr_assert_geq(fd, 0, "%s", intro_strerror(fd));
	cr_assert(speaks(fd, "PING\r\n", "+PONG\r\n"));
	len = sizeof peer;
	MUST(getpeername(fd, (struct sockaddr *)&peer, &len));
	cr_assert_eq(peer.ss_family, AF_INET);

	sock = MUST(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
	len = sizeof ours;
	MUST(getsockopt(sock, SOL_SOCKET, SO_NETNS_COOKIE, &ours, &len));
	MUST(getsockopt(fd, SOL_SOCKET, SO_NETNS_COOKIE, &theirs, &len));
	close(sock);
	cr_assert_neq(ours, theirs, "the socket's network namespace is not ours");
	close(fd);
	cr_assert_eq(agent_stop(agent), 0);
	real_end(&r);
}

/* A server in an export directory, as in a container; its agent is killed with it, or not. */
static pid_t start_placed(const struct broker *b)
{
	char socket[PATH_BYTES];

	base_path(b, socket, "exports/cache/r.sock");
	return spawn(&(struct spawn){ .argv = (const char *const[]){
		REDIS, "--port", "0", "--unixsocket", socket, NULL } });
}

static void add_placed_doors(const struct broker *b)
{
	cli_ok(b, "door", "add", "cache", "--export");
	cli_ok(b, "door", "add", "web");
	cli_ok(b, "grant", "cache", "redis", "--serve");
	cli_ok(b, "grant", "web", "redis");
}

TEST(redis, killed_and_restarted_is_at_the_same_door)
{
	char place[PATH_BYTES], door[PATH_BYTES], held[64];
	pid_t server, agent;
	struct real r;
	int dir, fd;

	real_begin(&r, NULL);
	add_placed_doors(&r.b);
	base_path(&r.b, place, "exports/cache/r.sock");
	/* held as a container holds it: by the directory, whatever happens to its name */
	broker_door(&r.b, "web", door);
	dir = MUST(open(door, O_PATH | O_DIRECTORY | O_CLOEXEC));
	snprintf(held, sizeof held, "/proc/%d/fd/%d/redis", getpid(), dir);

	agent = agent_start(&r.b, NULL, "redis", "--place", place);
	for (int i = 0; i < 3; i++) {
		server = start_placed(&r.b);
		cr_pongs(held);
		child_kill(server);
		cr_assert_lt(unix_connect(held, SOCK_STREAM), 0, "there is no server now");
	}
	server = start_placed(&r.b);
	cr_pongs(held);

	/* and by name: libintro connects to the server's own socket */
	fd = dial(&r.b, "web");
	cr_assert_geq(fd, 0, "%s", intro_strerror(fd));
	cr_assert(speaks(fd, "PING\r\n", "+PONG\r\n"));
	close(fd);
	cr_assert(audit_says(&r.b, "introduced", "door=web", "name=redis", "way=placed",
			     "path=local"));

	/* no more placed: the socket in the door is the broker's again, and clients wait there */
	cr_assert_eq(agent_stop(agent), 0);
	fd = dial(&r.b, "cache");
	cr_assert_eq(fd, -EACCES, "this door may only serve it: %s", intro_strerror(fd));
	MUST(kill(server, SIGTERM));
	cr_assert_eq(child_wait(server), 0);
	cr_assert(answers(held));
	close(dir);
	cli_ok(&r.b, "door", "remove", "web");
	cli_ok(&r.b, "door", "remove", "cache");
	real_end(&r);
}

/* The broker sees nothing of a placed server's connections, so it may as well be away. */
TEST(redis, placed_needs_no_broker)
{
	char place[PATH_BYTES], door[PATH_BYTES], socket[PATH_BYTES + 16];
	pid_t server, agent, old;
	struct real r;

	real_begin(&r, NULL);
	add_placed_doors(&r.b);
	base_path(&r.b, place, "exports/cache/r.sock");
	broker_door(&r.b, "web", door);
	snprintf(socket, sizeof socket, "%s/redis", door);
	agent = agent_start(&r.b, NULL, "redis", "--place", place);
	server = start_placed(&r.b);
	cr_pongs(socket);

	old = broker_switch_pid(&r.b, 0);
	MUST(kill(r.b.pid, SIGSTOP));
	MUST(kill(old, SIGKILL));
	for (int i = 0; i < 20; i++) {
		_cleanup_run_ struct run cli = { 0 };

		redis_cli(socket, &cli, "INCR", "n");
		cr_assert_eq(cli.status, 0, "%s%s", cli.out, cli.err);
	}
	MUST(kill(r.b.pid, SIGCONT));
	broker_switch_pid(&r.b, old);
	/* the agent asks the new switch for its place again: the next server is followed too */
	child_kill(server);
	server = start_placed(&r.b);
	cr_pongs(socket);

	child_kill(server);
	cr_assert_eq(agent_stop(agent), 0);
	cli_ok(&r.b, "door", "remove", "web");
	cli_ok(&r.b, "door", "remove", "cache");
	real_end(&r);
}

/* Bytes in which no part looks like another. */
static char *big_value(void)
{
	char *value = malloc(BIG + 1);
	uint32_t x = 2463534242u;

	for (size_t i = 0; i < BIG; i++) {
		/* xorshift; printable, since redis-cli ends a value with a newline */
		x ^= x << 13, x ^= x >> 17, x ^= x << 5;
		value[i] = (char)('!' + x % 90);
	}
	value[BIG] = '\0';
	return value;
}

TEST(redis, over_tcp_is_spliced_for_redis_cli_and_says_so)
{
	char door[PATH_BYTES], socket[PATH_BYTES + 16], file[PATH_BYTES];
	_cleanup_run_ struct run set = { 0 }, get = { 0 };
	char *value = big_value(), *said;
	struct real r;
	pid_t agent;
	int in, err;

	NEED(net_alone_works(), "no network namespaces here");
	real_begin(&r, NULL);
	cli_ok(&r.b, "door", "add", "web");
	cli_ok(&r.b, "grant", "web", "redis", "--file", "cache.sock");
	err = MUST(memfd_create("stderr", MFD_CLOEXEC));
	agent = agent_start(&r.b, (&(struct spawn){ .before = net_alone, .err = err }), "redis",
			    "--to", "tcp:127.0.0.1:" PORT, "--", REDIS, "--port", PORT, "--bind",
			    "127.0.0.1");
	broker_door(&r.b, "web", door);
	snprintf(socket, sizeof socket, "%s/cache.sock", door);
	cr_pongs(socket);

	snprintf(file, sizeof file, "%s/value", r.b.dir);
	file_write(file, value);
	in = MUST(open(file, O_RDONLY | O_CLOEXEC));
	run(&set, &(struct spawn){ .in = in, .argv = (const char *const[]){
		"redis-cli", "-s", socket, "-x", "SET", "big", NULL } });
	close(in);
	cr_assert_str_eq(set.out, "OK\n", "%s", set.err);
	redis_cli(socket, &get, "GET", "big");
	cr_assert_eq(get.out_len, BIG + 1);
	cr_assert_eq(memcmp(get.out, value, BIG), 0, "what came back is not what was stored");

	cr_assert(audit_says(&r.b, "introduced", "door=web", "name=redis", "path=spliced"));
	said = fd_read(err, NULL);
	cr_assert_not_null(strstr(said, "spliced"), "the agent said: %s", said);
	free(said);
	free(value);
	close(err);
	cr_assert_eq(agent_stop(agent), 0);
	cli_ok(&r.b, "door", "remove", "web");
	real_end(&r);
}
