/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The examples of references that are handed on, against real brokers.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness.h"

#define EXAMPLES SOURCE_DIR "/examples/"

TEST(examples, three_vats_meet)
{
	_cleanup_run_ struct run r = { 0 };
	struct broker b;

	broker_start(&b, NULL);
	broker_cli(&b, &r, (const char *const[]){ "examples/three_vats", NULL }, 0);
	cr_expect_eq(r.status, 0, "%s", r.err);
	cr_expect_str_eq(r.out, "bob says that carol said: hello, whom \"alice\" has brought\n");
	broker_stop(&b);
}

/* A script of the examples, with our intro in its PATH. */
static void run_script(const struct broker *b, struct run *ret, const char *name,
		       const char *argument)
{
	char program[PATH_BYTES], path[PATH_BYTES + 1024], script[PATH_BYTES];
	char runtime[DIR_BYTES + 24];

	program_path("intro", program);
	*strrchr(program, '/') = '\0';
	snprintf(path, sizeof path, "PATH=%s:%.1000s", program, getenv("PATH"));
	snprintf(script, sizeof script, "%s%s", EXAMPLES, name);
	snprintf(runtime, sizeof runtime, "XDG_RUNTIME_DIR=%s", b->dir);
	run(ret, &(struct spawn){
		.argv = (const char *const[]){ script, argument, NULL },
		.env = (const char *const[]){ runtime, path, "INTRO_DOOR", NULL },
	});
}

TEST(examples, lent_for_ten_minutes)
{
	_cleanup_run_ struct run r = { 0 }, ready = { 0 };
	struct broker b;
	pid_t service;

	broker_start(&b, NULL);
	service = broker_cli_spawn(&b, &(struct spawn){ .in = 0 },
				   (const char *const[]){ "examples/service", "db", NULL });
	broker_cli(&b, &ready, (const char *const[]){ "examples/dial", "db", NULL }, 0);
	cr_assert_eq(ready.status, 0, "%s", ready.err);
	run_script(&b, &r, "lend_for_ten_minutes.sh", "db");
	cr_expect_eq(r.status, 0, "%s%s", r.out, r.err);
	cr_expect_not_null(strstr(r.out, "of door colleague\n"), "%s", r.out);
	cr_expect_not_null(strstr(r.out, "the door colleague: 1 introduction(s)\n"), "%s", r.out);
	cr_expect_not_null(strstr(r.out, "taken back"), "%s", r.out);
	child_kill(service);
	broker_stop(&b);
}

TEST(examples, nested_containers_lead_inwards)
{
	_cleanup_run_ struct run r = { 0 };
	struct broker b;

	children_adopt();
	broker_start(&b, NULL);
	run_script(&b, &r, "nested_containers.sh", NULL);
	cr_expect_eq(r.status, 0, "%s%s", r.out, r.err);
	cr_expect_str_eq(r.out, "hello from the innermost\n");
	broker_stop(&b);
	children_end();		/* the three brokers that it has started */
}
