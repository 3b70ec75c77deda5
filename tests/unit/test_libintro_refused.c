/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libintro where the broker accepts no more connections of its user: who does not wait is told
 * the reason at once, and who waits gets in when there is room.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../../libintro/intro.h"
#include "harness.h"

#define MAX 3

static struct broker broker;
static int mine[MAX];

static void begin(void)
{
	char config[80];

	snprintf(config, sizeof config, "uid %u { limits { connections = %d } }\n",
		 (unsigned int)geteuid(), MAX);
	broker_start(&broker, &(struct broker_options){ .config = config });
	MUST(setenv("INTRO_DOOR", broker.host, 1));
	for (int i = 0; i < MAX; i++) {
		mine[i] = raw_open(broker.host);
		cr_assert_eq(raw_introduce(mine[i], 1, "absent", SOCK_STREAM, 0, NULL), -ENOENT);
	}
}

static void end(void)
{
	for (int i = 0; i < MAX; i++)
		if (mine[i] >= 0)
			close(mine[i]);
	broker_stop(&broker);
}

/* The broker has closed the socket before it read what was asked, or after. */
TEST(refused, one_call_says_why)
{
	begin();
	for (int i = 0; i < 50; i++)
		cr_assert_eq(intro_dial("db", SOCK_STREAM, 0), -EDQUOT);
	end();
}

static void expect_refused(struct intro *in, int request, int error)
{
	struct intro_event ev = { 0 };

	cr_assert_gt(request, 0, "%s", intro_strerror(request));
	cr_assert_eq(intro_wait(in, request, HANG_MS, &ev), 1);
	cr_assert_eq((int)ev.what, (int)INTRO_REFUSED);
	cr_assert_eq(ev.error, error, "%s", intro_strerror(ev.error));
}

TEST(refused, events_say_why)
{
	struct intro_ref *served = NULL, *found = NULL;
	struct intro *in;

	begin();
	for (int i = 0; i < 20; i++) {
		cr_assert_eq(intro_open(&in, NULL), 0);
		expect_refused(in, intro_serve(in, "db", NULL, &served), -EDQUOT);
		intro_unref(served);
		cr_assert_eq(intro_find(in, "db", &found), 0);
		expect_refused(in, intro_connect(found, SOCK_STREAM, 0), -EDQUOT);
		intro_close(in);
	}
	end();
}

/* Not as often as the processor can ask, and not for ever. */
TEST(refused, who_waits_gets_in)
{
	struct intro_event ev = { 0 };
	struct intro_ref *found;
	struct intro *in;
	int asked;

	begin();
	cr_assert_eq(intro_open(&in, NULL), 0);
	cr_assert_eq(intro_find(in, "db", &found), 0);
	asked = intro_connect(found, SOCK_STREAM, HANG_MS);
	cr_assert_gt(asked, 0);
	cr_assert_eq(intro_wait(in, asked, 300, &ev), 0, "it waits");
	cr_assert_eq(raw_serve(mine[0], 2, 1, "db", WAY_PAIR), 0);
	close(mine[1]);
	mine[1] = -1;
	cr_assert_eq(intro_wait(in, asked, HANG_MS, &ev), 1);
	cr_assert_eq((int)ev.what, (int)INTRO_CONNECTED, "%s", intro_strerror(ev.error));
	close(ev.fd);
	intro_close(in);
	end();
}
