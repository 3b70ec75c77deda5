/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who is at the other end: broker/switch/peer.h. A uid that has no number in our user namespace
 * is no uid, though the kernel shows one.
 */
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../../broker/switch/peer.h"
#include "harness.h"

#define NOBODY 65534

/* The peer of a pair is whoever made it. */
static int uid_is(int64_t uid)
{
	struct peer peer;
	int pair[2];

	peer_start();
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0 ||
	    peer_of(pair[0], &peer) < 0)
		return 1;
	close(pair[0]);
	close(pair[1]);
	if (peer.uid == uid && peer.pid == (uint32_t)getpid())
		return 0;
	fprintf(stderr, "uid %lld, pid %u\n", (long long)peer.uid, peer.pid);
	return 2;
}

TEST(peer, is_who_connected)
{
	struct peer peer;

	cr_assert_eq(uid_is((int64_t)geteuid()), 0);
	cr_assert_eq(peer_of(STDERR_FILENO, &peer), -ENOTSOCK);
}

static int without_a_number(void *arg)
{
	(void)arg;
	return unshare(CLONE_NEWUSER) < 0 ? 77 : uid_is(-1);
}

TEST(peer, without_a_number_is_nobody)
{
	int status = child_call(without_a_number, NULL);

	NEED(status != 77, "no user namespaces");
	cr_assert_eq(status, 0);
}

static bool all_uids(void)
{
	unsigned long here, there, count = 0;
	FILE *f = fopen("/proc/self/uid_map", "re");
	bool found = f && fscanf(f, "%lu %lu %lu", &here, &there, &count) == 3;

	if (f)
		fclose(f);
	return found && count == UINT32_MAX;
}

static int as_nobody(void *arg)
{
	(void)arg;
	return setresuid(NOBODY, NOBODY, NOBODY) < 0 ? 77 : uid_is(NOBODY);
}

/* Where every uid has a number, the one that the kernel shows for the others is somebody's. */
TEST(peer, may_be_the_one_called_nobody)
{
	int status = child_call(as_nobody, NULL);

	NEED(all_uids(), "not every uid has a number in this user namespace");
	NEED(status != 77, "only root can be several uids");
	cr_assert_eq(status, 0);
}
