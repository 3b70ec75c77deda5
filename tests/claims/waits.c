/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Waiting for a name: deadlines, cancelling, several at once, services that come and go.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "scene.h"

#define SOON_USEC UINT64_C(20000)

static struct scene s;

static void cancel(int sock, uint32_t serial)
{
	struct message m;

	raw_send(sock, message(&m, WIRE_CANCEL, serial, 0, 0), -1);
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
	struct raw fetch;
	int client, agent;

	scene_start(&s, NULL);
	agent = serve(&s, "host", "web", WAY_FETCH);
	allow(agent);
	client = enter(&s, "host");
	ask(client, 1, "web", SOCK_STREAM, HOUR_USEC);
	expect(agent, WIRE_FETCH, &fetch);
	cancel(client, 1);
	cr_expect_eq(answer(client, 1), -ECANCELED);
	expect_eof(raw_fetched(agent, fetch.m.head.serial));
	cr_expect(quiet(agent) && quiet(client));
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
	cr_assert_eq(broker_grant_as(&s.b, "box", "petname", "db", RIGHT_CONNECT), 0);
	cr_expect(quiet(client));
	service = serve(&s, "host", "db", WAY_PAIR);
	other = expect(service, WIRE_INCOMING, NULL);
	expect_linked(answer(client, 1), other);
	close(client);
	close(service);
	cr_assert_eq(broker_ungrant(&s.b, "box", "petname"), 0);
	scene_end(&s);
}

/* ---- services that come and go ---- */

static bool only_the_rival(void *arg)
{
	(void)arg;
	return broker_usage(&s.b, "host", 0, TAG_CONNECTIONS) == 1;
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
