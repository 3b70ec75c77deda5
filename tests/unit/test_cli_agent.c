/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The life of an agent (intro serve): readiness, signals, supervision, who has the name, and a
 * broker that dies.
 */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "harness_cli.h"

TEST(cli_agent, ends_with_its_program)
{
	_cleanup_run_ struct run r;
	struct broker b;

	broker_start(&b, NULL);
	run_cli(&b, &r, "serve", "x", "--listen", "--", "sh", "-c", "exit 7");
	cr_assert_eq(r.status, 7, "%s", r.err);
	broker_stop(&b);
}

TEST(cli_agent, passes_signals_on)
{
	static const char script[] = "trap 'echo usr1' USR1; trap 'echo term; exit 3' TERM; "
				     "echo up; while :; do sleep 0.05; done";
	int out[2], null = MUST(open("/dev/null", O_WRONLY | O_CLOEXEC));
	char buf[16];
	struct broker b;
	pid_t agent;

	broker_start(&b, NULL);
	MUST(pipe2(out, O_CLOEXEC));
	agent = spawn_cli(&b, (&(struct spawn){ .out = out[1], .err = null }), "serve", "x",
			  "--listen", "--", "sh", "-c", script);
	close(out[1]);
	cr_assert(wait_fd(out[0], POLLIN) && read(out[0], buf, sizeof buf) == 3);
	MUST(kill(agent, SIGUSR1));
	cr_assert(wait_fd(out[0], POLLIN) && read(out[0], buf, sizeof buf) == 5);
	cr_assert(!memcmp(buf, "usr1\n", 5));
	MUST(kill(agent, SIGTERM));
	cr_assert(wait_fd(out[0], POLLIN) && read(out[0], buf, sizeof buf) == 5);
	cr_assert(!memcmp(buf, "term\n", 5));
	cr_assert_eq(child_wait(agent), 3);
	close(out[0]);
	close(null);
	broker_stop(&b);
}

TEST(cli_agent, its_program_does_not_outlive_it)
{
	int out[2];
	char byte;
	struct broker b;
	pid_t agent;

	broker_start(&b, NULL);
	MUST(pipe2(out, O_CLOEXEC));
	agent = spawn_cli(&b, &(struct spawn){ .out = out[1] }, "serve", "x", "--listen", "--",
			  "sh", "-c", "echo up; exec sleep 100");
	close(out[1]);
	cr_assert(wait_fd(out[0], POLLIN) && read(out[0], &byte, 1) == 1);
	child_kill(agent);
	do
		cr_assert(wait_fd(out[0], POLLIN), "the program lives on");
	while (read(out[0], &byte, 1) > 0);
	close(out[0]);
	broker_stop(&b);
}

TEST(cli_agent, tells_the_service_manager)
{
	char dir[DIR_BYTES], path[PATH_BYTES], env[PATH_BYTES + 16], state[32] = "";
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	int manager = MUST(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
	struct broker b;
	pid_t agent;

	broker_start(&b, NULL);
	dir_make(dir);
	snprintf(path, sizeof path, "%s/notify", dir);
	snprintf(sa.sun_path, sizeof sa.sun_path, "%s/notify", dir);
	MUST(bind(manager, (struct sockaddr *)&sa, sizeof sa));
	snprintf(env, sizeof env, "NOTIFY_SOCKET=%s", path);
	agent = spawn_cli(&b, (&(struct spawn){ .env = (const char *const[]){ env, NULL } }),
			  "serve", "x", "--", "true");
	cr_assert(wait_fd(manager, POLLIN));
	MUST(recv(manager, state, sizeof state - 1, 0));
	cr_assert_str_eq(state, "READY=1");
	MUST(kill(agent, SIGTERM));
	cr_assert_eq(child_wait(agent), 0);
	close(manager);
	dir_remove(dir);
	broker_stop(&b);
}

TEST(cli_agent, a_name_is_served_by_one_and_waited_for_by_the_next)
{
	_cleanup_run_ struct run busy, second;
	struct agent a, next;
	struct broker b;

	broker_start(&b, NULL);
	SERVE(&b, &a, "x", "--", "echo", "first");
	run_cli(&b, &busy, "serve", "x", "--", "echo", "second");
	cr_assert_eq(busy.status, 1, "%s", busy.err);
	cr_assert_not_null(strstr(busy.err, "--wait"), "%s", busy.err);
	cr_assert_eq(agent_stop(&a), 0);
	SERVE(&b, &next, "x", "--wait", "10s", "--", "echo", "second");
	CONNECT(&b, &second, "", "x");
	cr_assert_str_eq(second.out, "second\n");
	cr_assert_eq(agent_stop(&next), 0);
	broker_stop(&b);
}

TEST(cli_agent, a_switch_that_dies_is_not_an_event)
{
	_cleanup_run_ struct run r;
	struct agent a;
	struct broker b;

	broker_start(&b, NULL);
	SERVE(&b, &a, "date", "--", "echo", "still here");
	broker_switch_kill(&b);
	CONNECT(&b, &r, "", "date", "--wait", "10s");
	cr_assert_str_eq(r.out, "still here\n");
	cr_assert_eq(agent_stop(&a), 0);
	broker_stop(&b);
}
