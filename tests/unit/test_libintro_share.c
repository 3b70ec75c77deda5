/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One descriptor for a tree of processes: intro_share() and INTRO_DOOR=fd:N.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../../libintro/intro.h"
#include "harness.h"

static struct broker broker;
static struct intro *in;
static struct intro_ref *ref;
static struct intro_event ev;
static int shared = -1;

static void begin(void)
{
	char text[32];

	broker_start(&broker, NULL);
	cr_assert_eq(intro_open(&in, broker.host), 0);
	cr_assert_eq(intro_share(in, &shared), 0);
	cr_assert(fcntl(shared, F_GETFD) & FD_CLOEXEC);
	snprintf(text, sizeof text, "fd:%d", shared);
	MUST(setenv("INTRO_DOOR", text, 1));
}

static void end(void)
{
	in = intro_close(in);
	close(shared);
	broker_stop(&broker);
}

static int call(int number)
{
	int32_t word = number, heard = -1;

	for (int i = 0; i < 50; i++) {
		int fd = intro_dial("echo", SOCK_STREAM, HANG_MS);

		if (fd < 0) {
			fprintf(stderr, "%d: %s\n", number, intro_strerror(fd));
			return 1;
		}
		if (write(fd, &word, sizeof word) != sizeof word ||
		    read(fd, &heard, sizeof heard) != sizeof heard || heard != word)
			return 2;
		close(fd);
	}
	return 0;
}

/* Eight processes use the same descriptor at once, and each gets its own answers, with its
 * own credentials. */
TEST(share, answers_do_not_mix)
{
	enum { CALLERS = 8, CALLS = 50 };
	pid_t callers[CALLERS];
	int calls = 0;

	begin();
	cr_assert_gt(intro_serve(in, "echo", NULL, &ref), 0);
	cr_assert_eq(intro_wait(in, 0, HANG_MS, &ev), 1);
	cr_assert_eq((int)ev.what, INTRO_DONE);
	for (int i = 0; i < CALLERS; i++) {
		callers[i] = child_fork();
		if (callers[i] == 0)
			_exit(call(i));
	}
	for (; calls < CALLERS * CALLS; calls++) {
		int32_t word = -1;

		cr_assert_eq(intro_wait(in, 0, HANG_MS, &ev), 1, "after %d calls", calls);
		cr_assert_eq((int)ev.what, INTRO_INCOMING);
		cr_assert(wait_fd(ev.fd, POLLIN));
		cr_assert_eq(read(ev.fd, &word, sizeof word), (ssize_t)sizeof word);
		cr_assert(word >= 0 && word < CALLERS);
		cr_expect_eq(ev.pid, (int64_t)callers[word], "the broker knows who asked");
		cr_assert_eq(write(ev.fd, &word, sizeof word), (ssize_t)sizeof word);
		close(ev.fd);
	}
	for (int i = 0; i < CALLERS; i++)
		cr_expect_eq(child_wait(callers[i]), 0);
	end();
}

TEST(share, carries_events_and_descriptors)
{
	struct intro *inside, *deeper;
	struct intro_ref *found;
	int request, pair[2], again;

	begin();
	cr_assert_eq(intro_open(&inside, NULL), 0);
	cr_assert_eq(intro_share(inside, &again), 0, "from a shared one, too");
	close(again);
	cr_assert_gt(intro_serve(inside, "web", &(struct intro_service){ .fetch = 1 }, &ref), 0);
	cr_assert_eq(intro_wait(inside, 0, HANG_MS, &ev), 1);
	cr_assert_eq((int)ev.what, INTRO_DONE);

	cr_assert_eq(intro_open(&deeper, NULL), 0);
	cr_assert_eq(intro_find(deeper, "web", &found), 0);
	request = intro_connect(found, SOCK_STREAM, HANG_MS);
	cr_assert_eq(intro_wait(inside, 0, HANG_MS, &ev), 1);
	cr_assert_eq((int)ev.what, INTRO_FETCH);
	MUST(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair));
	cr_assert_eq(intro_answer(inside, ev.request, pair[0]), 0);
	close(pair[0]);
	cr_assert_eq(intro_wait(deeper, request, HANG_MS, &ev), 1);
	cr_assert_eq((int)ev.what, INTRO_CONNECTED);
	cr_expect(linked(ev.fd, pair[1]));
	close(ev.fd);
	close(pair[1]);
	intro_close(inside);
	intro_close(deeper);
	end();
}

/* There is no way back to a broker whose switch is gone: everything says so, once. */
TEST(share, ends_with_its_broker)
{
	int refused = 0, broken = 0, request, r;
	struct intro *inside;
	struct intro_ref *found;

	begin();
	cr_assert_eq(intro_open(&inside, NULL), 0);
	cr_assert_gt(intro_serve(inside, "a", NULL, &ref), 0);
	cr_assert_eq(intro_wait(inside, 0, HANG_MS, &ev), 1);
	cr_assert_eq((int)ev.what, INTRO_DONE);
	cr_assert_eq(intro_find(inside, "late", &found), 0);
	request = intro_connect(found, SOCK_STREAM, -1);
	cr_assert_gt(request, 0);
	cr_assert_eq(intro_wait(inside, request, 10, &ev), 0);

	broker_switch_kill(&broker);
	while ((r = intro_wait(inside, 0, HANG_MS, &ev)) > 0) {
		cr_expect_eq(ev.error, -ECONNRESET, "%s", intro_strerror(ev.error));
		refused += ev.what == INTRO_REFUSED && ev.request == request;
		broken += ev.what == INTRO_BROKEN;
	}
	cr_expect_eq(r, -ECONNRESET);
	cr_expect_eq(refused, 1);
	cr_expect_eq(broken, 2);
	cr_expect_eq(intro_connect(found, SOCK_STREAM, 0), -ECONNRESET);
	cr_expect_eq(intro_take(inside, "a"), -ECONNRESET);
	cr_expect_eq(intro_share(inside, &(int){ -1 }), -ECONNRESET);
	cr_expect_eq(intro_dial("a", SOCK_STREAM, HANG_MS), -ECONNRESET);
	found = intro_unref(found);
	intro_close(inside);
	end();
}
