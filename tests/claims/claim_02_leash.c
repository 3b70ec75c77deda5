/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Claims 2 and 3: with a leash, all live sessions under a reference are cut when its revocation
 * returns, and nothing written after that can be read. And what a leash must not do: keep a
 * client waiting for an end that it never sees, or anything of ours after a session.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lending.h"

enum { SESSIONS = 1000 };

static struct scene s;
static const struct lent_terms leashed = { .leash = true };

static void begin(void)
{
	scene_start(&s, NULL);
	cr_assert_eq(broker_limit_uid(&s.b, ROOM_UID, TAG_MAX_HELD, 2 * SESSIONS), 0);
	cr_assert_eq(broker_limit_uid(&s.b, ROOM_UID, TAG_MAX_REFERENCES, 2 * SESSIONS), 0);
}

/* A session by a handle: both ends. */
static void session(int sock, uint32_t ref, int service, int *ours, int *theirs)
{
	_cleanup_raw_ struct raw incoming = { .nfds = 0 };

	cr_assert_geq(*ours = meet(sock, ref), 0, "%d", *ours);
	cr_assert_gt(raw_recv(service, &incoming), 0);
	cr_assert_eq(incoming.m.head.type, WIRE_INCOMING);
	cr_assert_eq(wire_u32(&incoming.m, TAG_LEASH, 0), 1, "the service is told");
	*theirs = raw_take_fd(&incoming);
}

static bool is_cut(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return poll(&p, 1, 0) == 1 && p.revents & POLLHUP;
}

/* Room for both ends of all of them, here and in the broker. */
static bool has_room(void)
{
	struct rlimit files;

	MUST(getrlimit(RLIMIT_NOFILE, &files));
	files.rlim_cur = files.rlim_max;
	MUST(setrlimit(RLIMIT_NOFILE, &files));
	return files.rlim_max > 3 * SESSIONS;
}

TEST(claim_02, a_thousand_sessions)
{
	int *ours, *theirs, service, sock, cut = 0;

	NEED(has_room(), "needs a hard limit of %d descriptors", 3 * SESSIONS);
	ours = calloc(SESSIONS, sizeof *ours);
	theirs = calloc(SESSIONS, sizeof *theirs);
	begin();
	service = serve_leashed(&s);
	sock = enter(&s, "host");
	cr_assert_eq(lend(sock, 1, 0, &leashed, NULL), 0);
	cr_assert_eq(lend(sock, 2, 1, NULL, NULL), 0);
	for (int i = 0; i < SESSIONS; i++)
		session(sock, 1 + (uint32_t)i % 2, service, &ours[i], &theirs[i]);
	cr_assert_eq(take_back(sock, 1, NULL), 0);
	for (int i = 0; i < SESSIONS; i++)
		cut += is_cut(ours[i]) && is_cut(theirs[i]);
	cr_expect_eq(cut, SESSIONS, "%d were cut", cut);
	for (int i = 0; i < SESSIONS; i++) {
		close(ours[i]);
		close(theirs[i]);
	}
	free(ours);
	free(theirs);
	close(sock);
	close(service);
	scene_settled(&s);
	scene_end(&s);
}

TEST(claim_03, nothing_said_later_is_heard)
{
	int service, sock, ours, theirs;
	char bytes[8];

	begin();
	service = serve_leashed(&s);
	sock = enter(&s, "host");
	cr_assert_eq(lend(sock, 1, 0, &leashed, NULL), 0);
	session(sock, 1, service, &ours, &theirs);
	cr_assert_eq(write(ours, "before", 6), 6);
	cr_assert_eq(take_back(sock, 1, NULL), 0);
	cr_expect_eq(send(ours, "after", 5, MSG_NOSIGNAL), -1);
	cr_expect_eq(errno, EPIPE);
	cr_expect_eq(send(theirs, "after", 5, MSG_NOSIGNAL), -1);
	cr_expect_eq(read(theirs, bytes, sizeof bytes), 6, "what was said before may be heard");
	cr_expect_eq(read(theirs, bytes, sizeof bytes), 0);
	cr_expect_eq(read(ours, bytes, sizeof bytes), 0);
	close(ours);
	close(theirs);
	close(sock);
	close(service);
	scene_settled(&s);
	scene_end(&s);
}

/* Where nobody has promised to shut sessions down, their clients would wait for ever. */
TEST(claim_02, refused_without_a_promise)
{
	int service, sock;

	begin();
	service = serve(&s, "host", "db", WAY_PAIR);
	sock = enter(&s, "host");
	cr_assert_eq(lend(sock, 1, 0, &leashed, NULL), 0);
	cr_expect_eq(meet(sock, 1), -EOPNOTSUPP);
	cr_expect(quiet(service), "it is told of nothing");
	close(service);
	service = serve(&s, "host", "db", WAY_FETCH);
	cr_expect_eq(meet(sock, 1), -EOPNOTSUPP);
	close(service);
	close(sock);
	scene_settled(&s);
	scene_end(&s);
}

/* However a session ends, the other side sees it, and the broker keeps nothing. */
TEST(claim_02, ends_by_itself)
{
	int service, sock, ours, theirs, fds;

	begin();
	service = serve_leashed(&s);
	sock = enter(&s, "host");
	cr_assert_eq(lend(sock, 1, 0, &leashed, NULL), 0);
	fds = broker_fd_count(&s.b);
	session(sock, 1, service, &ours, &theirs);
	shutdown(theirs, SHUT_RDWR);	/* as it has promised */
	close(theirs);
	expect_eof(ours);
	session(sock, 1, service, &ours, &theirs);
	close(ours);
	expect_eof(theirs);
	cr_expect(broker_fds_settle(&s.b, fds));
	cr_expect_eq(broker_usage(&s.b, NULL, ROOM_UID, TAG_HELD), 0);

	/* it dies without a word */
	session(sock, 1, service, &ours, &theirs);
	close(theirs);
	close(service);
	expect_eof(ours);
	close(sock);
	scene_settled(&s);
	scene_end(&s);
}

/* Who holds it no more has not revoked it: the session goes on, for its parent to cut. */
TEST(claim_02, outlives_a_handle)
{
	int service, sock, other, ours, theirs;
	struct message m;

	begin();
	service = serve_leashed(&s);
	sock = enter(&s, "host");
	cr_assert_eq(lend(sock, 1, 0, &leashed, NULL), 0);
	cr_assert_eq(lend(sock, 2, 1, NULL, NULL), 0);
	session(sock, 2, service, &ours, &theirs);
	message(&m, WIRE_DROP, 0, 2, 0);
	raw_send(sock, &m.w, -1);
	other = dial(sock, "db");
	cr_assert_geq(other, 0);
	close(other);
	close(expect(service, WIRE_INCOMING, NULL));
	cr_expect_not(is_cut(ours));
	cr_assert_eq(take_back(sock, 1, NULL), 0);
	cr_expect(is_cut(ours));
	close(ours);
	close(theirs);
	close(sock);
	close(service);
	scene_settled(&s);
	scene_end(&s);
}
