/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SIGKILL of services and agents at each step: nobody hangs, and nothing that was on its way is
 * left behind.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "doomed.h"

static struct scene s;

/* ---- a service ---- */

static void be_a_service(void)
{
	serve(&s, "host", "db", WAY_PAIR);
}

static void be_a_batch_service(void)
{
	serve_batch(&s, "db", WIRE_BATCH_MAX);
}

/* It is stopped first, so that whatever it is sent stays unread. */
static void die_with_unread(void (*service)(void))
{
	int clients[WINDOW], ends[WINDOW], hasty, patient, next, other;
	pid_t dying;

	scene_start(&s, NULL);
	dying = doomed(service);
	stop_it(dying);
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
	stop_it(dying);
	fds[0] = MUST(unix_connect(path, SOCK_STREAM));
	/* handed over before the broker has answered this */
	cr_assert(wait_until(nobody_waits, &s));
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
	serve_fetches(&s, "web");
}

TEST(bad_deaths, agent_with_fetches_to_answer)
{
	int hasty, patient, next, end;
	pid_t dying;

	scene_start(&s, NULL);
	dying = doomed(be_an_agent);
	stop_it(dying);
	hasty = enter(&s, "host");
	ask(hasty, 1, "web", SOCK_STREAM, 0);
	patient = enter(&s, "host");
	ask(patient, 1, "web", SOCK_STREAM, HOUR_USEC);
	cr_assert(quiet(hasty) && quiet(patient), "both wait for the agent");
	child_kill(dying);
	cr_expect_eq(answer(hasty, 1), -ECONNREFUSED);
	next = serve_fetches(&s, "web");
	end = raw_fetched(next, asked_to_fetch(next));
	expect_linked(answer(patient, 1), end);
	close(hasty);
	close(patient);
	close(next);
	scene_end(&s);
}

/* It dies with its answer on the way. */
static void answer_and_die(void)
{
	int agent = serve_fetches(&s, "web"), client, end;
	uint32_t serial;

	client = enter(&s, "host");
	ask(client, 1, "web", SOCK_STREAM, 0);
	serial = asked_to_fetch(agent);
	stop_it(s.room);
	end = raw_fetched(agent, serial);
	(void)end;
}

TEST(bad_deaths, agent_and_client_with_an_answer_on_its_way)
{
	scene_start(&s, NULL);
	child_kill(doomed(answer_and_die));
	MUST(kill(s.room, SIGCONT));
	scene_end(&s);
}
