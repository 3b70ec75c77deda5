/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SIGKILL of clients at each step: nobody hangs, and nothing that was on its way is left behind.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include "doomed.h"

static struct scene s;

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
	cr_expect(wait_until(nobody_waits, &s));
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
	agent = serve_fetches(&s, "web");
	dying = doomed(wait_for_an_agent);
	for (int i = 0; i < WINDOW; i++)
		serials[i] = asked_to_fetch(agent);
	client = enter(&s, "host");
	ask(client, 1, "web", SOCK_STREAM, HOUR_USEC);
	cr_assert(quiet(client));
	cr_assert(quiet(agent), "it has no place for one more");
	child_kill(dying);
	end = raw_fetched(agent, asked_to_fetch(agent));
	expect_linked(answer(client, 1), end);

	for (int i = 0; i < WINDOW; i++)
		expect_eof(raw_fetched(agent, serials[i]));
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
	stop_it(s.room);
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
