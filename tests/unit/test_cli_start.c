/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The user's broker, started by the command line when there is none.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "harness_cli.h"

static bool is_gone(void *pid)
{
	return kill(*(pid_t *)pid, 0) < 0 && errno == ESRCH;
}

/* Several at once, and no broker yet: all of them end up with the same one. */
TEST(cli_start, many_start_one_broker)
{
	enum { N = 6 };
	_cleanup_run_ struct run status, list;
	struct broker b = { 0 };
	pid_t agents[N], broker;
	char name[16], text[16];
	int ready[2];
	json_t *json;

	dir_make(b.dir);
	MUST(pipe2(ready, O_CLOEXEC));
	snprintf(text, sizeof text, "%d", ready[1]);
	for (int i = 0; i < N; i++) {
		snprintf(name, sizeof name, "n%d", i);
		agents[i] = spawn_cli(&b, (&(struct spawn){ .keep = (int[]){ ready[1], -1 } }),
				      "serve", name, "--ready-fd", text, "--", "true");
	}
	close(ready[1]);
	for (int i = 0; i < N; i++)
		cr_assert(wait_fd(ready[0], POLLIN) && read(ready[0], name, 1) == 1,
			  "agent %d is not ready", i);
	close(ready[0]);
	run_cli(&b, &status, "status", "--json");
	cr_assert_eq(status.status, 0, "%s", status.err);
	json = json_of(status.out);
	broker = (pid_t)json_number(json, "pid");
	json_decref(json);
	run_cli(&b, &list, "list", "--json");
	json = json_of(list.out);
	cr_assert_eq(json_array_size(json), N, "all in one broker: %s", list.out);
	json_decref(json);
	for (int i = 0; i < N; i++)
		MUST(kill(agents[i], SIGTERM));
	for (int i = 0; i < N; i++)
		cr_assert_eq(child_wait(agents[i]), 0);
	MUST(kill(broker, SIGTERM));
	cr_assert(wait_until(is_gone, &broker));
	dir_remove(b.dir);
}

TEST(cli_start, a_broker_that_cannot_start_says_why)
{
	_cleanup_run_ struct run r;
	char base[PATH_BYTES];
	struct broker b = { 0 };

	dir_make(b.dir);
	snprintf(base, sizeof base, "%s/introd", b.dir);
	file_write(base, "in the way");
	run_cli(&b, &r, "serve", "x", "--", "true");
	cr_assert_eq(r.status, 111, "%d: %s", r.status, r.err);
	cr_assert_not_null(strstr(r.err, base), "%s", r.err);
	dir_remove(b.dir);
}
