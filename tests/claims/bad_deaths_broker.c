/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SIGKILL of the switch and of its parent in the middle of everything: nobody hangs, and what was
 * on its way still arrives.
 */
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "doomed.h"

static struct scene s;

/* Everything at once: a name is waited for, an agent has not answered, services have not
 * read. */
struct stage {
	int name_waiter, fetch_waiter, agent, service, batch_service;
	int clients[2 * WINDOW], ends[2 * WINDOW];
};

static void stage_set(struct stage *st)
{
	st->service = serve(&s, "host", "db", WAY_PAIR);
	st->batch_service = serve_batch(&s, "batches", WIRE_BATCH_MAX);
	st->agent = serve_fetches(&s, "web");
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
