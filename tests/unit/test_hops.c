/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Iterated introduction: edge/db/replica leads from broker to broker, and ends with one socket
 * straight to the service.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../../libintro/intro.h"
#include "harness_cli.h"

enum { BROKERS = 3 };

static struct broker b[BROKERS];
static struct agent lead[BROKERS - 1], replica;

/* The door of a broker as the target of an introducer. */
static const char *target(const struct broker *of)
{
	static char text[PATH_BYTES];

	snprintf(text, sizeof text, "door:%s", of->host);
	return text;
}

static void begin(void)
{
	for (int i = 0; i < BROKERS; i++)
		broker_start(&b[i], NULL);
	SERVE(&b[0], &lead[0], "edge", "--to", target(&b[1]));
	SERVE(&b[1], &lead[1], "db", "--to", target(&b[2]));
	SERVE(&b[2], &replica, "replica", "--", "cat");
	MUST(setenv("INTRO_DOOR", b[0].host, 1));
}

static void end(void)
{
	cr_assert_eq(agent_stop(&replica), 0);
	for (int i = 0; i < BROKERS - 1; i++)
		cr_assert_eq(agent_stop(&lead[i]), 0);
	for (int i = 0; i < BROKERS; i++)
		broker_stop(&b[i]);
}

static bool echoes(int fd)
{
	char byte = 0;

	return write(fd, "x", 1) == 1 && wait_fd(fd, POLLIN) && read(fd, &byte, 1) == 1 &&
	       byte == 'x';
}

TEST(hops, lead_to_one_socket)
{
	int fd;

	begin();
	fd = intro_dial("edge/db/replica", SOCK_STREAM, HANG_MS);
	cr_assert_geq(fd, 0, "%s", intro_strerror(fd));
	/* nobody who has led here is needed any more */
	for (int i = 0; i < BROKERS - 1; i++)
		cr_assert_eq(agent_stop(&lead[i]), 0);
	for (int i = 0; i < BROKERS; i++)
		broker_kill(&b[i]);
	cr_assert(echoes(fd));
	close(fd);
	kill(replica.pid, SIGTERM);
	child_wait(replica.pid);
	close(replica.err);
}

TEST(hops, say_what_is_missing)
{
	int fd;

	begin();
	cr_expect_eq(intro_dial("edge/db/nothing", SOCK_STREAM, 0), -ENOENT);
	cr_expect_eq(intro_dial("edge/nothing/replica", SOCK_STREAM, 0), -ENOENT);
	cr_expect_eq(intro_dial("edge/db/replica", SOCK_DGRAM, 0), -EPROTOTYPE);
	cr_expect_eq(intro_dial("edge/db/replica/x", SOCK_STREAM, 0), -EPROTOTYPE,
		     "a service that is no introducer");
	cr_expect_eq(intro_dial("a/b/c/d/e/f/g/h/i", SOCK_STREAM, 0), -EINVAL);
	cr_expect_eq(intro_dial("edge//db", SOCK_STREAM, 0), -EINVAL);
	cr_expect_eq(intro_dial("edge/", SOCK_STREAM, 0), -EINVAL);
	cr_expect_eq(intro_dial("/edge", SOCK_STREAM, 0), -EINVAL);
	fd = intro_dial("edge/db/replica", SOCK_STREAM, 0);
	cr_expect(fd >= 0 && echoes(fd));
	close(fd);
	end();
}

/* A circle is as long as the path that is asked for. */
TEST(hops, in_a_circle_end)
{
	struct agent self, db;
	int fd;

	broker_start(&b[0], NULL);
	SERVE(&b[0], &self, "self", "--to", target(&b[0]));
	SERVE(&b[0], &db, "db", "--", "cat");
	MUST(setenv("INTRO_DOOR", b[0].host, 1));
	fd = intro_dial("self/self/self/self/self/self/self/db", SOCK_STREAM, HANG_MS);
	cr_assert(fd >= 0 && echoes(fd), "%s", intro_strerror(fd));
	close(fd);
	cr_assert_eq(agent_stop(&self), 0);
	cr_assert_eq(agent_stop(&db), 0);
	broker_stop(&b[0]);
}

/* ---- introducers of ill will ---- */

/* Serve "evil": hand each client the end of a pair, in the other end of which these bytes lie. */
static void be_evil(struct intro *in, const char *bytes, size_t len)
{
	struct intro_event ev;
	int pair[2];

	cr_assert_eq(intro_wait(in, 0, HANG_MS, &ev), 1);
	cr_assert_eq((int)ev.what, INTRO_FETCH);
	MUST(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair));
	if (len > 0)
		MUST(send(pair[1], bytes, len, 0));
	cr_assert_eq(intro_answer(in, ev.request, pair[0]), 0);
	close(pair[0]);
	close(pair[1]);
}

static int dial_evil(void *arg)
{
	(void)arg;
	return -intro_dial("evil/db", SOCK_STREAM, 0) & 0xff;
}

TEST(hops, of_ill_will_deny_and_no_more)
{
	static const char garbage[] = "these are no more than some words";
	static const char reply_without_fd[] = { 1, 0, WIRE_REPLY, 0, 1, 0, 0, 0, 0, 0, 0, 0 };
	static const struct {
		const char *bytes;
		size_t len;
		int error;
	} cases[] = {
		{ "", 0, ECONNRESET },
		{ garbage, sizeof garbage, EPROTONOSUPPORT },
		{ reply_without_fd, sizeof reply_without_fd, EPROTO },
	};
	const struct intro_service how = { .types = 1u << SOCK_SEQPACKET, .fetch = 1 };
	struct intro_event ev;
	struct intro_ref *ref;
	struct intro *in;

	broker_start(&b[0], NULL);
	MUST(setenv("INTRO_DOOR", b[0].host, 1));
	cr_assert_eq(intro_open(&in, NULL), 0);
	cr_assert_eq(intro_wait(in, intro_serve(in, "evil", &how, &ref), HANG_MS, &ev), 1);
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		pid_t pid = child_fork();

		if (pid == 0)
			_exit(dial_evil(NULL));
		be_evil(in, cases[i].bytes, cases[i].len);
		/* one whose connection ends under it asks once more */
		if (cases[i].error == ECONNRESET)
			be_evil(in, "", 0);
		cr_expect_eq(child_wait(pid), cases[i].error, "case %zu", i);
	}
	intro_close(in);
	broker_stop(&b[0]);
}
