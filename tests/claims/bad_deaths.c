/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SIGKILL of a client, a service, an agent, the switch and its parent at each step: nobody
 * hangs, and nothing that was on its way is left behind.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "scene.h"

#define HOUR_USEC (UINT64_C(3600) * 1000000)
#define WINDOW 16	/* descriptors that a service may leave unread, or fetches unanswered */

static struct scene s;

/* ---- those who are to die ---- */

/* ---- what they do, and what they leave ---- */

/* A socket whose other end has died, with nothing in it. */
static void expect_eof(int fd)
{
	char byte;

	cr_expect(wait_fd(fd, POLLIN), "it hangs");
	cr_expect_eq(recv(fd, &byte, 1, MSG_DONTWAIT), 0);
	close(fd);
}

static void expect_linked(int a, int b)
{
	cr_expect(linked(a, b));
	cr_expect(linked(b, a));
	close(a);
	close(b);
}

/* A service that takes so many descriptors in one packet. */
static int serve_batch(const char *name, uint32_t batch)
{
	int sock = enter(&s, "host");
	struct raw reply = { .nfds = 0 };
	struct message m;

	wire_put_string(message(&m, WIRE_SERVE, 1, 1, 0), TAG_NAME, name);
	wire_put_u32(&m.w, TAG_WAY, WAY_PAIR);
	wire_put_u32(&m.w, TAG_BATCH, batch);
	if (raw_ask(sock, &m.w, -1, &reply) < 0)
		harness_fail("serving %s with a batch", name);
	return sock;
}

static int serve_fetches(const char *name)
{
	int sock = enter(&s, "host");

	allow(sock);
	if (raw_serve(sock, 1, 1, name, WAY_FETCH) < 0)
		harness_fail("serving %s", name);
	return sock;
}

static uint32_t asked_to_fetch(int agent)
{
	struct raw fetch;

	expect(agent, WIRE_FETCH, &fetch);
	return fetch.m.head.serial;
}

/* Answer a fetch: our end of what the client gets. */
static int fetched(int agent, uint32_t serial)
{
	struct message m;
	int pair[2];

	MUST(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair));
	raw_send(agent, message(&m, WIRE_FETCHED, serial, 0, 1), pair[0]);
	close(pair[0]);
	return pair[1];
}

static bool nobody_waits(void *arg)
{
	(void)arg;
	return door_usage(&s, "host", TAG_WAITS) == 0;
}

/* ---- a client ---- */

static void wait_for_a_name(void)
{
	int client = enter(&s, "host");

	ask(client, 1, "late", SOCK_STREAM, HOUR_USEC);
	if (!quiet(client))
		_exit(1);
}

TEST(bad_deaths, client_that_waits_for_a_name)
{
	int service;

	scene_start(&s, NULL);
	child_kill(doomed(wait_for_a_name));
	cr_expect(wait_until(nobody_waits, NULL));
	service = serve(&s, "host", "late", WAY_PAIR);
	cr_expect(quiet(service), "the dead are not introduced");
	close(service);
	scene_end(&s);
}

static void wait_for_an_agent(void)
{
	for (int i = 0; i < WINDOW; i++)
		ask(enter(&s, "host"), 1, "web", SOCK_STREAM, 0);
}

/* They fill the agent's window; who comes after them must get their places. */
TEST(bad_deaths, clients_that_wait_for_a_fetch)
{
	uint32_t serials[WINDOW];
	int agent, client, end;
	pid_t dying;

	scene_start(&s, NULL);
	agent = serve_fetches("web");
	dying = doomed(wait_for_an_agent);
	for (int i = 0; i < WINDOW; i++)
		serials[i] = asked_to_fetch(agent);
	client = enter(&s, "host");
	ask(client, 1, "web", SOCK_STREAM, HOUR_USEC);
	cr_assert(quiet(client));
	cr_assert(quiet(agent), "it has no place for one more");
	child_kill(dying);
	end = fetched(agent, asked_to_fetch(agent));
	expect_linked(answer(client, 1), end);

	for (int i = 0; i < WINDOW; i++)
		expect_eof(fetched(agent, serials[i]));
	cr_expect(quiet(agent), "the agent goes on");
	close(client);
	close(agent);
	scene_end(&s);
}

static void ask_a_stopped_switch(void)
{
	int client = enter(&s, "host");

	if (!quiet(client))
		_exit(1);
	stop(s.room);
	ask(client, 1, "db", SOCK_STREAM, 0);
}

/* Packets until the answer to a FIND: each socket in them has lost its client. */
static void expect_dead_clients(int service)
{
	struct message m;
	struct raw got = { .nfds = 0 };

	wire_put_string(message(&m, WIRE_FIND, 9, 9, 0), TAG_NAME, "nothing.is.called.so");
	raw_send(service, &m.w, -1);
	while (raw_recv(service, &got) > 0 && got.m.head.type != WIRE_REPLY)
		expect_eof(raw_take_fd(&got));
	cr_expect_eq(got.m.head.serial, 9);
}

TEST(bad_deaths, client_between_request_and_reply)
{
	int service;

	scene_start(&s, NULL);
	service = serve(&s, "host", "db", WAY_PAIR);
	child_kill(doomed(ask_a_stopped_switch));
	MUST(kill(s.room, SIGCONT));
	expect_dead_clients(service);
	close(service);
	scene_end(&s);
}

static void read_nothing(void)
{
	int client = enter(&s, "host");

	for (uint32_t i = 1; i <= 8; i++)
		ask(client, i, "db", SOCK_STREAM, HOUR_USEC);
}

TEST(bad_deaths, client_with_unread_introductions)
{
	int service, ends[4];
	pid_t dying;

	scene_start(&s, NULL);
	service = serve(&s, "host", "db", WAY_PAIR);
	dying = doomed(read_nothing);
	for (int i = 0; i < 4; i++)
		ends[i] = expect(service, WIRE_INCOMING, NULL);
	child_kill(dying);
	for (int i = 0; i < 4; i++)
		expect_eof(ends[i]);
	expect_dead_clients(service);
	close(service);
	scene_end(&s);
}

#define FEW_FILES 256
#define CROWD (FEW_FILES / 4 * 3 - 64)	/* as many as such a switch lets in */

static void crowd(void)
{
	for (int i = 0; i < CROWD; i++)
		enter(&s, "host");
}

static bool is_crowded(void *arg)
{
	(void)arg;
	return fd_count_of(s.room) == s.room_fds + CROWD;
}

/* The switch has no room for one more, at whatever door; their end makes room at all. */
TEST(bad_deaths, crowd_before_another_door)
{
	struct raw reply = { .nfds = 0 };
	struct message m;
	int client, control;
	pid_t dying;

	scene_start(&s, &(struct broker_options){
				.nofile = FEW_FILES,
				.config = "limits { connections = 1000 }\n",
			});
	cr_assert_eq(broker_add_door(&s.b, "box"), 0);
	scene_settled(&s);
	dying = doomed(crowd);
	cr_assert(wait_until(is_crowded, NULL));
	client = enter(&s, "box");
	wire_put_string(message(&m, WIRE_FIND, 1, 1, 0), TAG_NAME, "absent");
	raw_send(client, &m.w, -1);
	control = raw_open_control(&s.b);
	child_kill(dying);
	cr_expect_eq(raw_reply(client, 1, &reply), -ENOENT);
	wire_put_u32(message(&m, WIRE_LIST, 1, 0, 0), TAG_WHAT, WHAT_STATUS);
	raw_send(control, &m.w, -1);
	expect(control, WIRE_ROW, NULL);
	close(client);
	close(control);
	scene_end(&s);
}

/* ---- a service ---- */

static void be_a_service(void)
{
	serve(&s, "host", "db", WAY_PAIR);
}

static void be_a_batch_service(void)
{
	serve_batch("db", WIRE_BATCH_MAX);
}

/* It is stopped first, so that whatever it is sent stays unread. */
static void die_with_unread(void (*service)(void))
{
	int clients[WINDOW], ends[WINDOW], hasty, patient, next, other;
	pid_t dying;

	scene_start(&s, NULL);
	dying = doomed(service);
	stop(dying);
	for (int i = 0; i < WINDOW; i++) {
		clients[i] = enter(&s, "host");
		ends[i] = dial(clients[i], "db");
		cr_assert_geq(ends[i], 0, "a client does not wait for the service to read");
	}
	hasty = enter(&s, "host");
	ask(hasty, 1, "db", SOCK_STREAM, 0);
	patient = enter(&s, "host");
	ask(patient, 1, "db", SOCK_STREAM, HOUR_USEC);
	cr_assert(quiet(hasty) && quiet(patient), "there is no room for them");

	child_kill(dying);
	for (int i = 0; i < WINDOW; i++) {
		expect_eof(ends[i]);
		close(clients[i]);
	}
	cr_expect_eq(answer(hasty, 1), -ECONNREFUSED);
	next = serve(&s, "host", "db", WAY_PAIR);
	other = expect(next, WIRE_INCOMING, NULL);
	expect_linked(answer(patient, 1), other);
	close(hasty);
	close(patient);
	close(next);
	scene_end(&s);
}

TEST(bad_deaths, service_with_unread_introductions)
{
	die_with_unread(be_a_service);
}

TEST(bad_deaths, service_with_unread_batches)
{
	die_with_unread(be_a_batch_service);
}

TEST(bad_deaths, service_of_a_path)
{
	int fds[2], next, other;
	char path[PATH_BYTES];
	pid_t dying;

	scene_start(&s, NULL);
	cr_assert_eq(broker_grant(&s.b, "host", "db", RIGHTS_ALL), 0);
	scene_settled(&s);
	snprintf(path, sizeof path, "%s/db", s.b.host);
	dying = doomed(be_a_service);
	stop(dying);
	fds[0] = MUST(unix_connect(path, SOCK_STREAM));
	/* handed over before the broker has answered this */
	cr_assert(wait_until(nobody_waits, NULL));
	child_kill(dying);
	fds[1] = MUST(unix_connect(path, SOCK_STREAM));
	expect_eof(fds[0]);
	next = serve(&s, "host", "db", WAY_PAIR);
	other = expect(next, WIRE_INCOMING, NULL);
	expect_linked(fds[1], other);
	close(next);
	scene_end(&s);
}

/* ---- an agent ---- */

static void be_an_agent(void)
{
	serve_fetches("web");
}

TEST(bad_deaths, agent_with_fetches_to_answer)
{
	int hasty, patient, next, end;
	pid_t dying;

	scene_start(&s, NULL);
	dying = doomed(be_an_agent);
	stop(dying);
	hasty = enter(&s, "host");
	ask(hasty, 1, "web", SOCK_STREAM, 0);
	patient = enter(&s, "host");
	ask(patient, 1, "web", SOCK_STREAM, HOUR_USEC);
	cr_assert(quiet(hasty) && quiet(patient), "both wait for the agent");
	child_kill(dying);
	cr_expect_eq(answer(hasty, 1), -ECONNREFUSED);
	next = serve_fetches("web");
	end = fetched(next, asked_to_fetch(next));
	expect_linked(answer(patient, 1), end);
	close(hasty);
	close(patient);
	close(next);
	scene_end(&s);
}

/* It dies with its answer on the way. */
static void answer_and_die(void)
{
	int agent = serve_fetches("web"), client, end;
	uint32_t serial;

	client = enter(&s, "host");
	ask(client, 1, "web", SOCK_STREAM, 0);
	serial = asked_to_fetch(agent);
	stop(s.room);
	end = fetched(agent, serial);
	(void)end;
}

TEST(bad_deaths, agent_and_client_with_an_answer_on_its_way)
{
	scene_start(&s, NULL);
	child_kill(doomed(answer_and_die));
	MUST(kill(s.room, SIGCONT));
	scene_end(&s);
}

/* ---- the switch, and its parent ---- */

/* Everything at once: a name is waited for, an agent has not answered, services have not
 * read. */
struct stage {
	int name_waiter, fetch_waiter, agent, service, batch_service;
	int clients[2 * WINDOW], ends[2 * WINDOW];
};

static void stage_set(struct stage *st)
{
	st->service = serve(&s, "host", "db", WAY_PAIR);
	st->batch_service = serve_batch("batches", WIRE_BATCH_MAX);
	st->agent = serve_fetches("web");
	st->name_waiter = enter(&s, "host");
	ask(st->name_waiter, 1, "late", SOCK_STREAM, HOUR_USEC);
	st->fetch_waiter = enter(&s, "host");
	ask(st->fetch_waiter, 1, "web", SOCK_STREAM, HOUR_USEC);
	cr_assert(quiet(st->name_waiter) && quiet(st->fetch_waiter));
	for (int i = 0; i < 2 * WINDOW; i++) {
		st->clients[i] = enter(&s, "host");
		st->ends[i] = dial(st->clients[i], i < WINDOW ? "db" : "batches");
		cr_assert_geq(st->ends[i], 0);
	}
	/* what was handed over is in their queues by now */
	cr_assert(quiet(st->name_waiter));
}

/* All connections end; what was on its way still arrives, and is a session. */
static void stage_end(struct stage *st)
{
	struct raw got;
	int n = WINDOW;

	expect_end(st->name_waiter);
	expect_end(st->fetch_waiter);
	expect_end(st->agent);
	for (int i = 0; i < 2 * WINDOW; i++)
		expect_end(st->clients[i]);
	for (int i = 0; i < WINDOW; i++)
		expect_linked(st->ends[i], expect(st->service, WIRE_INCOMING, NULL));
	while (n < 2 * WINDOW) {
		cr_assert_gt(raw_recv(st->batch_service, &got), 0);
		cr_assert_gt(got.nfds, 0);
		for (size_t i = 0; i < got.nfds; i++)
			expect_linked(st->ends[n++], got.fds[i]);
	}
	expect_end(st->service);
	expect_end(st->batch_service);
}

TEST(bad_deaths, switch_in_the_middle_of_everything)
{
	struct stage st;

	scene_start(&s, NULL);
	for (int i = 0; i < 3; i++) {
		stage_set(&st);
		MUST(kill(s.room, SIGKILL));
		stage_end(&st);
		s.room = broker_switch_pid(&s.b, s.room);
		scene_check_restarted(&s);
	}
	scene_end(&s);
}

TEST(bad_deaths, parent_in_the_middle_of_everything)
{
	struct stage st;
	int room;

	scene_start(&s, NULL);
	for (int i = 0; i < 3; i++) {
		stage_set(&st);
		room = MUST(syscall(SYS_pidfd_open, s.room, 0));
		child_kill(s.b.pid);
		cr_expect(wait_fd(room, POLLIN), "a switch without a parent ends");
		close(room);
		stage_end(&st);
		broker_start_again(&s.b, &(struct broker_options){ .countable = true });
		scene_check_restarted(&s);
	}
	scene_end(&s);
}
