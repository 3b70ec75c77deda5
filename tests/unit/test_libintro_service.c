/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libintro for services: batches, attested clients, listeners of their own; and what a full
 * descriptor table or a forked child does to either side.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "parties.h"

/* Take what has come by in, by session. The number of descriptors taken. */
static int collect(struct intro *in, enum intro_what what, int *fds, uint64_t first, int n)
{
	struct intro_event ev;
	int taken = 0;

	cr_assert_eq(intro_dispatch(in), 0);
	for (; intro_next(in, &ev) > 0; taken++) {
		cr_assert_eq((int)ev.what, (int)what, "%s", intro_strerror(ev.error));
		cr_assert(ev.session >= first && ev.session - first < (uint64_t)n);
		cr_assert_eq(fds[ev.session - first], -1, "once each");
		fds[ev.session - first] = ev.fd;
	}
	return taken;
}

TEST(libintro, takes_batches)
{
	enum { CLIENTS = 200 };
	int ours[CLIENTS], theirs[CLIENTS], taken = 0;
	struct intro_event ev;
	uint64_t first;

	parties_begin();
	serve("db", &(struct intro_service){ .batch = 16 });
	cr_assert_eq(intro_find(client, "db", &found), 0);
	ev = answer(client, intro_connect(found, SOCK_STREAM, 0), INTRO_CONNECTED);
	first = ev.session + 1;
	close(ev.fd);
	close(next_event(service, INTRO_INCOMING).fd);
	for (int i = 0; i < CLIENTS; i++) {
		cr_assert_gt(intro_connect(found, SOCK_STREAM, HANG_MS), 0);
		ours[i] = theirs[i] = -1;
	}
	for (int64_t until = now_ms() + HANG_MS; taken < 2 * CLIENTS && now_ms() < until;) {
		taken += collect(client, INTRO_CONNECTED, ours, first, CLIENTS);
		taken += collect(service, INTRO_INCOMING, theirs, first, CLIENTS);
	}
	cr_assert_eq(taken, 2 * CLIENTS);
	for (int i = 0; i < CLIENTS; i++) {
		cr_assert(linked(ours[i], theirs[i]), "session %d", i);
		close(ours[i]);
		close(theirs[i]);
	}
	parties_end();
}

TEST(libintro, attests)
{
	struct intro_event mine, theirs, ev;

	parties_begin();
	serve("db", NULL);
	cr_assert_eq(intro_find(client, "db", &found), 0);
	mine = answer(client, intro_connect(found, SOCK_STREAM, 0), INTRO_CONNECTED);
	theirs = next_event(service, INTRO_INCOMING);
	ev = answer(service, intro_attest(service, theirs.session), INTRO_CONNECTED);
	cr_expect_geq(ev.fd, 0);
	cr_expect_eq(ev.type, 0);
	close(ev.fd);
	ev = answer(service, intro_attest(service, theirs.session + 1000), INTRO_REFUSED);
	cr_expect_eq(ev.error, -ESRCH);
	close(mine.fd);
	close(theirs.fd);
	parties_end();
}

/* A path client of a granted name reaches the listener that was given away. */
TEST(libintro, gives_listeners_away)
{
	char door[PATH_BYTES], path[PATH_BYTES + 8];
	struct intro_event ev;
	int request, fd, taken;

	parties_begin();
	cr_assert_eq(broker_add_door(&broker, "app"), 0);
	cr_assert_eq(broker_grant(&broker, "app", "db", RIGHT_CONNECT), 0);
	serve("db", NULL);
	request = intro_listeners(served);
	ev = answer(service, request, INTRO_LISTENER);
	cr_expect_str_eq(ev.door, "app");
	cr_expect_str_eq(ev.file, "db");
	cr_expect_eq(ev.ref, served);
	answer(service, request, INTRO_DONE);

	broker_door(&broker, "app", door);
	snprintf(path, sizeof path, "%s/db", door);
	fd = unix_connect(path, SOCK_STREAM);
	cr_assert_geq(fd, 0);
	cr_assert(wait_fd(ev.fd, POLLIN));
	taken = MUST(accept4(ev.fd, NULL, NULL, SOCK_CLOEXEC));
	cr_expect(linked(fd, taken));
	close(fd);
	close(taken);
	close(ev.fd);
	parties_end();
}

/* With no descriptor left, whoever waits for one is told, and everything else goes on. */
TEST(libintro, survives_a_full_table)
{
	struct rlimit all, none;
	struct intro_event ev;
	int lowest, request, r;

	parties_begin();
	serve("db", NULL);
	cr_assert_eq(intro_find(client, "db", &found), 0);
	MUST(getrlimit(RLIMIT_NOFILE, &all));
	lowest = MUST(dup(0));
	close(lowest);
	none = all;
	none.rlim_cur = (rlim_t)lowest;
	request = intro_connect(found, SOCK_STREAM, HANG_MS);
	MUST(setrlimit(RLIMIT_NOFILE, &none));
	while ((r = intro_wait(client, request, HANG_MS, &ev)) == -EMFILE)
		;
	cr_expect_eq(r, 1, "%s", intro_strerror(r));
	cr_expect_eq((int)ev.what, INTRO_REFUSED);
	cr_expect_eq(ev.error, -EMFILE);
	cr_expect_eq(intro_dial("db", SOCK_STREAM, 0), -EMFILE);
	r = intro_wait(service, 0, HANG_MS, &ev);
	cr_expect_eq(r, -EMFILE, "%d: %s", r, intro_strerror(r));
	MUST(setrlimit(RLIMIT_NOFILE, &all));

	check_pair(SOCK_STREAM);
	parties_end();
}

static int use_in_child(void *arg)
{
	struct intro_event ev;

	(void)arg;
	if (intro_dispatch(client) != -ECHILD || intro_next(service, &ev) != -ECHILD ||
	    intro_connect(found, SOCK_STREAM, 0) != -ECHILD || intro_unref(served) != NULL ||
	    intro_serve(client, "other", NULL, &served) != -ECHILD)
		return 1;
	return intro_close(client) || intro_close(service);
}

/* What a child does to its copies does not reach the broker. */
TEST(libintro, children_disturb_nothing)
{
	parties_begin();
	serve("db", NULL);
	cr_assert_eq(intro_find(client, "db", &found), 0);
	check_pair(SOCK_STREAM);
	cr_assert_eq(child_call(use_in_child, NULL), 0);
	check_pair(SOCK_STREAM);
	parties_end();
}
