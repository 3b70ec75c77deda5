/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Waiting for a name: deadlines, cancelling, several at once, services that come and go; and
 * servers whose own socket is placed, which come and go behind it.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "scene.h"

#define HOUR_USEC (UINT64_C(3600) * 1000000)
#define SOON_USEC UINT64_C(20000)

static struct scene s;

static void cancel(int sock, uint32_t serial)
{
	struct message m;

	raw_send(sock, message(&m, WIRE_CANCEL, serial, 0, 0), -1);
}

/* Both ends work; they are closed. */
static void expect_linked(int a, int b)
{
	cr_expect(linked(a, b));
	cr_expect(linked(b, a));
	close(a);
	close(b);
}

/* ---- deadlines and cancelling ---- */

TEST(waits, answers_come_in_the_order_of_deadlines)
{
	int client;

	scene_start(&s, NULL);
	client = enter(&s, "host");
	ask(client, 1, "late", SOCK_STREAM, HOUR_USEC);
	ask(client, 2, "late", SOCK_STREAM, 4 * SOON_USEC);
	ask(client, 3, "other", SOCK_STREAM, SOON_USEC);
	ask(client, 4, "absent", SOCK_STREAM, 0);
	cr_expect_eq(answer(client, 4), -ENOENT, "who does not wait is answered first");
	cr_expect_eq(answer(client, 3), -ETIMEDOUT);
	cr_expect_eq(answer(client, 2), -ETIMEDOUT);
	cr_expect(quiet(client), "the last one waits on");
	close(client);
	scene_end(&s);
}

TEST(waits, cancelled_alone)
{
	int client, service, other;

	scene_start(&s, NULL);
	client = enter(&s, "host");
	for (uint32_t i = 1; i <= 3; i++)
		ask(client, i, "late", SOCK_STREAM, HOUR_USEC);
	cancel(client, 2);
	cr_expect_eq(answer(client, 2), -ECANCELED);
	cancel(client, 2);
	cancel(client, 77);
	cr_expect(quiet(client), "what waits no more is no request");
	service = serve(&s, "host", "late", WAY_PAIR);
	for (uint32_t i = 1; i <= 3; i += 2) {
		other = expect(service, WIRE_INCOMING, NULL);
		expect_linked(answer(client, i), other);
	}
	cr_expect(quiet(service));
	close(client);
	close(service);
	scene_end(&s);
}

/* The agent's answer, when it comes, is nobody's. */
TEST(waits, cancelled_while_the_agent_works)
{
	int client, agent, pair[2];
	struct message m;
	struct raw fetch;
	char byte;

	scene_start(&s, NULL);
	agent = serve(&s, "host", "web", WAY_FETCH);
	allow(agent);
	client = enter(&s, "host");
	ask(client, 1, "web", SOCK_STREAM, HOUR_USEC);
	expect(agent, WIRE_FETCH, &fetch);
	cancel(client, 1);
	cr_expect_eq(answer(client, 1), -ECANCELED);
	MUST(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair));
	raw_send(agent, message(&m, WIRE_FETCHED, fetch.m.head.serial, 0, 1), pair[0]);
	close(pair[0]);
	cr_expect(wait_fd(pair[1], POLLIN));
	cr_expect_eq(recv(pair[1], &byte, 1, MSG_DONTWAIT), 0);
	cr_expect(quiet(agent) && quiet(client));
	close(pair[1]);
	close(client);
	close(agent);
	scene_end(&s);
}

/* ---- several at once ---- */

#define NAMES 8

TEST(waits, each_goes_on_with_its_own_name)
{
	int client, services[NAMES], other;
	char name[16];

	scene_start(&s, NULL);
	client = enter(&s, "host");
	for (uint32_t i = 0; i < NAMES; i++) {
		snprintf(name, sizeof name, "n%u", i);
		ask(client, i + 1, name, SOCK_STREAM, HOUR_USEC);
	}
	for (uint32_t i = NAMES; i-- > 0;) {
		snprintf(name, sizeof name, "n%u", i);
		services[i] = serve(&s, "host", name, WAY_PAIR);
		other = expect(services[i], WIRE_INCOMING, NULL);
		expect_linked(answer(client, i + 1), other);
	}
	for (int i = 0; i < NAMES; i++)
		close(services[i]);
	close(client);
	scene_end(&s);
}

TEST(waits, first_come_first_served)
{
	int clients[NAMES], service, other;

	scene_start(&s, NULL);
	for (int i = 0; i < NAMES; i++) {
		clients[i] = enter(&s, "host");
		ask(clients[i], 1, "late", SOCK_STREAM, HOUR_USEC);
		cr_assert(quiet(clients[i]));
	}
	service = serve(&s, "host", "late", WAY_PAIR);
	for (int i = 0; i < NAMES; i++) {
		other = expect(service, WIRE_INCOMING, NULL);
		expect_linked(answer(clients[i], 1), other);
		close(clients[i]);
	}
	close(service);
	scene_end(&s);
}

/* It is not there for the door until it is granted, and not for the client until it is
 * served: one wait for both. */
TEST(waits, for_a_grant_and_then_a_service)
{
	int client, service, other;

	scene_start(&s, NULL);
	cr_assert_eq(broker_add_door(&s.b, "box"), 0);
	scene_settled(&s);
	client = enter(&s, "box");
	ask(client, 1, "petname", SOCK_STREAM, HOUR_USEC);
	cr_assert(quiet(client));
	service = serve(&s, "host", "petname", WAY_PAIR);
	cr_expect(quiet(client) && quiet(service), "that is another name");
	close(service);
	cr_assert_eq(grant_as(&s, "box", "petname", "db", RIGHT_CONNECT), 0);
	cr_expect(quiet(client));
	service = serve(&s, "host", "db", WAY_PAIR);
	other = expect(service, WIRE_INCOMING, NULL);
	expect_linked(answer(client, 1), other);
	close(client);
	close(service);
	cr_assert_eq(ungrant(&s, "box", "petname"), 0);
	scene_end(&s);
}

/* ---- services that come and go ---- */

static bool only_the_rival(void *arg)
{
	(void)arg;
	return door_usage(&s, "host", TAG_CONNECTIONS) == 1;
}

/* A reference lasts over the deaths of those who serve it, and the name is kept for the next:
 * who asks to wait goes on with that one. */
TEST(waits, service_restart_keeps_the_name)
{
	int client, service, other, rival;
	struct raw reply = { .nfds = 0 };
	struct message m;

	scene_start(&s, NULL);
	cr_assert_eq(broker_add_door(&s.b, "box"), 0);
	cr_assert_eq(broker_grant(&s.b, "box", "db", RIGHT_CONNECT), 0);
	scene_settled(&s);
	client = enter(&s, "box");
	wire_put_string(message(&m, WIRE_FIND, 1, 5, 0), TAG_NAME, "db");
	cr_assert_eq(raw_ask(client, &m.w, -1, &reply), 0);
	rival = enter(&s, "host");
	for (uint32_t i = 0; i < 10; i++) {
		/* by the reference alone */
		message(&m, WIRE_CONNECT, 10 + i, 5, 0);
		cr_expect_eq(raw_ask(client, &m.w, -1, &reply), -ECONNREFUSED);
		wire_put_u64(message(&m, WIRE_CONNECT, 100 + i, 5, 0), TAG_WAIT, HOUR_USEC);
		raw_send(client, &m.w, -1);
		cr_assert(quiet(client));
		service = serve(&s, "host", "db", WAY_PAIR);
		cr_expect_eq(raw_serve(rival, 1, 1, "db", WAY_PAIR), -EBUSY);
		other = expect(service, WIRE_INCOMING, NULL);
		expect_linked(answer(client, 100 + i), other);
		close(service);
		cr_assert(wait_until(only_the_rival, NULL));
	}
	close(rival);
	close(client);
	scene_end(&s);
}

/* Nothing has to be awaited between being introduced and writing, not even the service. */
TEST(waits, client_may_write_before_the_service_looks)
{
	char path[PATH_BYTES], got[16];
	int service, ends[2], other;
	static const char word[] = "hello";

	scene_start(&s, NULL);
	cr_assert_eq(broker_grant(&s.b, "host", "db", RIGHTS_ALL), 0);
	scene_settled(&s);
	snprintf(path, sizeof path, "%s/db", s.b.host);
	ends[1] = MUST(unix_connect(path, SOCK_STREAM));
	cr_assert_eq(send(ends[1], word, sizeof word, MSG_NOSIGNAL), (ssize_t)sizeof word);
	close(ends[1]);
	service = serve(&s, "host", "db", WAY_PAIR);
	ends[0] = enter(&s, "host");
	other = dial(ends[0], "db");
	cr_assert_eq(send(other, word, sizeof word, MSG_NOSIGNAL), (ssize_t)sizeof word);
	close(other);
	close(ends[0]);
	for (int i = 0; i < 2; i++) {
		other = expect(service, WIRE_INCOMING, NULL);
		cr_assert(wait_fd(other, POLLIN));
		cr_expect_eq(read(other, got, sizeof got), (ssize_t)sizeof word);
		cr_expect_str_eq(got, word);
		cr_expect_eq(read(other, got, sizeof got), 0);
		close(other);
	}
	close(service);
	scene_end(&s);
}

/* ---- placed servers ---- */

/* Offer dir/file under a name; the agent's connection. */
static int place(const char *name, const char *dir, const char *file)
{
	int agent = enter(&s, "host"), dirfd = MUST(open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC));
	struct raw reply = { .nfds = 0 };
	struct message m;

	allow(agent);
	wire_put_string(message(&m, WIRE_PLACE, 1, 1, 1), TAG_NAME, name);
	wire_put_string(&m.w, TAG_FILE, file);
	cr_assert_eq(raw_ask(agent, &m.w, dirfd, &reply), 0);
	close(dirfd);
	return agent;
}

struct server {
	char path[PATH_BYTES];		/* of the server's socket */
	char door[PATH_BYTES];		/* of the file in the door */
	int listener;
};

/* The server is started anew: another socket of the same name, made as most servers do. */
static void server_restart(struct server *v)
{
	int old = v->listener;

	unlink(v->path);
	v->listener = unix_listen(v->path, SOCK_STREAM, 16);
	if (old >= 0)
		close(old);
}

/* Whether who connects to a path meets the server that is there now. */
static bool leads_to_it(void *arg)
{
	const struct server *v = arg;
	int fd = unix_connect(v->door, SOCK_STREAM), other;
	bool good;

	if (fd < 0)
		return false;
	other = MUST(accept4(v->listener, NULL, NULL, SOCK_CLOEXEC));
	good = linked(fd, other);
	close(fd);
	close(other);
	return good;
}

/* What is put in the place of the server's socket: never to be linked into a door. */
static void spoil(const struct server *v, int kind, const char *decoy)
{
	char other[PATH_BYTES + 8];

	snprintf(other, sizeof other, "%s.new", v->path);
	switch (kind) {
	case 0:
		MUST(unlink(v->path));
		break;
	case 1:
		MUST(symlink(decoy, other));
		MUST(rename(other, v->path));
		break;
	case 2:
		file_write(other, "no socket");
		MUST(rename(other, v->path));
		break;
	case 3:
		MUST(unlink(v->path));
		MUST(symlink(decoy, v->path));
		break;
	}
}

static void server_begin(struct server *v)
{
	*v = (struct server){ .listener = -1 };
	scene_start(&s, NULL);
	cr_assert_eq(broker_grant(&s.b, "host", "web", RIGHTS_ALL), 0);
	scene_settled(&s);
	snprintf(v->path, sizeof v->path, "%s/web.sock", s.b.dir);
	snprintf(v->door, sizeof v->door, "%s/web", s.b.host);
}

/* The socket in the door is the last one that the server made, whatever came between. */
TEST(waits, door_leads_to_the_last_socket)
{
	char decoy[PATH_BYTES];
	int agent, client, nobody;
	struct server v;

	server_begin(&v);
	snprintf(decoy, sizeof decoy, "%s/decoy", s.b.dir);
	nobody = unix_listen(decoy, SOCK_STREAM, 16);
	server_restart(&v);
	agent = place("web", s.b.dir, "web.sock");
	client = enter(&s, "host");
	for (int i = 0; i < 100; i++) {
		cr_assert(wait_until(leads_to_it, &v), "after %d restarts", i);
		spoil(&v, i % 4, decoy);
		/* by its answer the broker has looked at what it was told before */
		cr_assert_eq(dial(client, "web"), -ECONNREFUSED, "kind %d is no socket", i % 4);
		cr_assert(leads_to_it(&v), "kind %d took its place", i % 4);
		server_restart(&v);
	}
	cr_assert(wait_until(leads_to_it, &v));
	cr_expect_eq(poll(&(struct pollfd){ nobody, POLLIN, 0 }, 1, 0), 0,
		     "somebody was led astray");
	close(nobody);
	close(v.listener);
	close(agent);
	close(client);
	scene_end(&s);
}

/* A client gets the server's own socket, to connect to. */
static void expect_placed(int opath, struct server *v)
{
	struct server direct = *v;

	cr_assert_geq(opath, 0, "%s", strerror(-opath));
	snprintf(direct.door, sizeof direct.door, "/proc/self/fd/%d", opath);
	cr_expect(leads_to_it(&direct));
	close(opath);
}

TEST(waits, for_a_placed_server)
{
	struct server v;
	int agent, client;

	server_begin(&v);
	agent = place("web", s.b.dir, "web.sock");
	client = enter(&s, "host");
	for (uint32_t i = 1; i < 10; i++) {
		ask(client, i, "web", SOCK_STREAM, HOUR_USEC);
		cr_assert(quiet(client), "there is no server yet");
		server_restart(&v);
		expect_placed(answer(client, i), &v);
		unlink(v.path);
	}
	close(v.listener);
	close(agent);
	close(client);
	scene_end(&s);
}
