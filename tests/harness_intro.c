/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Both ends of harness_intro.h.
 */
#include "harness_intro.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

struct broker broker;
struct intro *service, *client;
struct intro_ref *served, *found;

void both_begin(void)
{
	broker_start(&broker, NULL);
	MUST(setenv("INTRO_DOOR", broker.host, 1));
	cr_assert_eq(intro_open(&service, NULL), 0);
	cr_assert_eq(intro_open(&client, broker.host), 0);
}

void both_end(void)
{
	service = intro_close(service);
	client = intro_close(client);
	broker_stop(&broker);
}

static struct intro_event await(struct intro *in, int request, enum intro_what what)
{
	struct intro_event ev = { .fd = -1 };
	int r = intro_wait(in, request, HANG_MS, &ev);

	cr_assert_eq(r, 1, "%d: %s", r, intro_strerror(r));
	cr_assert_eq((int)ev.what, (int)what, "it is %d: %s", ev.what,
		     intro_strerror(ev.error));
	return ev;
}

struct intro_event get_answer(struct intro *in, int request, enum intro_what what)
{
	struct intro_event ev;

	cr_assert_gt(request, 0, "%s", intro_strerror(request));
	ev = await(in, request, what);
	cr_assert_eq(ev.request, request);
	return ev;
}

struct intro_event get_next(struct intro *in, enum intro_what what)
{
	return await(in, 0, what);
}

void serve_name(const char *name, const struct intro_service *options)
{
	int request = intro_serve(service, name, options, &served);
	struct intro_event ev = get_answer(service, request, INTRO_DONE);

	cr_assert_eq(ev.ref, served);
	cr_assert_eq(ev.fd, -1);
}

static int type_of(int fd)
{
	int type = 0;
	socklen_t len = sizeof type;

	MUST(getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len));
	return type;
}

void check_pair(int type)
{
	struct intro_event mine, theirs;

	mine = get_answer(client, intro_connect(found, type, 0), INTRO_CONNECTED);
	theirs = get_next(service, INTRO_INCOMING);
	cr_expect(linked(mine.fd, theirs.fd));
	cr_expect_eq(type_of(mine.fd), type);
	cr_expect_eq(mine.type, type);
	cr_expect_eq(theirs.type, type);
	cr_expect_eq(mine.session, theirs.session);
	cr_expect_eq(mine.ref, found);
	cr_expect_eq(theirs.ref, served);
	cr_expect_eq((int)mine.path, INTRO_LOCAL);
	cr_expect_eq((int)theirs.path, INTRO_LOCAL);
	cr_expect_eq((int)mine.way, INTRO_WAY_PAIR);
	cr_expect_eq((int)theirs.way, INTRO_WAY_PAIR);
	cr_expect_str_eq(theirs.door, "host");
	cr_expect_str_eq(theirs.label, "");
	cr_expect_eq(theirs.uid, (int64_t)geteuid());
	cr_expect_eq(theirs.pid, (int64_t)getpid());
	cr_expect(fcntl(mine.fd, F_GETFD) & FD_CLOEXEC);
	cr_expect(fcntl(theirs.fd, F_GETFD) & FD_CLOEXEC);
	cr_expect_eq(fcntl(mine.fd, F_GETFL) & O_NONBLOCK, 0);
	cr_expect_eq(fcntl(theirs.fd, F_GETFL) & O_NONBLOCK, 0);
	close(mine.fd);
	close(theirs.fd);
}
