/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Claim 14: neither party ever holds a descriptor of the other's end, and nobody else holds
 * any. Each end is known by its inode, looked for in the table of every process that had to
 * do with it; that none is in flight or in a kernel's queue either is shown by its other end,
 * which comes to its end when the one party that may hold it closes it.
 */
#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../../libintro/intro.h"
#include "harness_cli.h"
#include "party.h"
#include "usage.h"

static const struct {
	enum wire_way way;
	const char *name;
} ways[] = {
	{ WAY_PAIR, "pair" }, { WAY_LISTEN, "listen" }, { WAY_FETCH, "fetch" },
	{ WAY_PLACED, "placed" }, { WAY_HELD, "held" },
};

#define WAYS (sizeof ways / sizeof ways[0])
#define MAX_SESSIONS 64

static struct broker broker;
static char door[PATH_BYTES], dir[DIR_BYTES];
static int fds;	/* the switch's, when nothing goes on */

/* Whether a process has a descriptor of this socket. */
static bool holds(pid_t pid, uint64_t inode)
{
	char path[32], wanted[40], target[64];
	bool found = false;
	DIR *table;

	snprintf(path, sizeof path, "/proc/%d/fd", pid);
	snprintf(wanted, sizeof wanted, "socket:[%llu]", (unsigned long long)inode);
	table = opendir(path);
	if (!table)
		harness_fail("%s: %m", path);
	for (const struct dirent *e; (e = readdir(table));) {
		ssize_t n = readlinkat(dirfd(table), e->d_name, target, sizeof target - 1);

		target[n < 0 ? 0 : n] = '\0';
		found |= strcmp(target, wanted) == 0;
	}
	closedir(table);
	return found;
}

static bool broker_let_go(void *arg)
{
	uint64_t inode = *(const uint64_t *)arg;

	return !holds(broker_switch_pid(&broker, 0), inode);
}

/* An end is its owner's alone. The broker's copies are closed by a thread of its own. */
static void check_end(uint64_t inode, pid_t owner, pid_t other)
{
	cr_assert_neq(inode, 0);
	cr_expect(holds(owner, inode));
	if (other)
		cr_expect(!holds(other, inode), "its peer holds it, too");
	cr_assert(wait_until(broker_let_go, &inode), "the switch holds it");
	cr_expect(!holds(broker.pid, inode), "the parent holds it");
	cr_expect(!holds(getpid(), inode), "the test holds it");
}

static void begin(void)
{
	char path[PATH_BYTES];

	broker_start(&broker, &(struct broker_options){ .countable = true });
	cr_assert_eq(broker_add_door(&broker, "web"), 0);
	for (size_t i = 0; i < WAYS; i++)
		cr_assert_eq(broker_grant(&broker, "web", ways[i].name, RIGHT_CONNECT), 0);
	broker_door(&broker, "web", path);
	snprintf(door, sizeof door, "%s", path);
	dir_make(dir);
	fds = broker_fds_at_rest(&broker);
}

static void end(void)
{
	cr_expect(broker_fds_settle(&broker, fds), "%d descriptors, before %d",
		  broker_fd_count(&broker), fds);
	broker_stop(&broker);
	dir_remove(dir);
}

static void start(struct party *p, enum role role, size_t i)
{
	party_start(p, &(struct party_options){
		.role = role, .way = ways[i].way, .name = ways[i].name, .dir = dir,
		.door = role == PARTY_SERVICE ? broker.host : door });
}

/* n sessions of one client with one service. */
static void check_sessions(size_t i, int n)
{
	struct sight mine[MAX_SESSIONS], theirs[MAX_SESSIONS];
	struct party client, service;

	start(&service, PARTY_SERVICE, i);
	start(&client, PARTY_CLIENT, i);
	for (int k = 0; k < n; k++) {
		party_meet(&client, &mine[k]);
		party_see(&service, &theirs[k]);
		cr_expect_neq(mine[k].cookie, theirs[k].cookie);
	}
	for (int k = 0; k < n; k++) {
		check_end(mine[k].inode, client.pid, service.pid);
		check_end(theirs[k].inode, service.pid, client.pid);
	}
	/* who lets go of its ends leaves nobody with a copy of them */
	party_release(&client);
	cr_expect(party_is_alone(&service), "way %d: somebody still holds the client's ends",
		  ways[i].way);
	party_release(&service);

	party_meet(&client, &mine[0]);
	party_see(&service, &theirs[0]);
	party_release(&service);
	cr_expect(party_is_alone(&client), "way %d: somebody still holds the service's ends",
		  ways[i].way);
	party_stop(&client);
	party_stop(&service);
}

TEST(claim_14, pair)
{
	begin();
	check_sessions(0, MAX_SESSIONS);
	end();
}

TEST(claim_14, listen)
{
	begin();
	check_sessions(1, MAX_SESSIONS);
	end();
}

TEST(claim_14, fetch)
{
	begin();
	check_sessions(2, MAX_SESSIONS);
	end();
}

TEST(claim_14, placed)
{
	begin();
	check_sessions(3, MAX_SESSIONS);
	end();
}

/* What was deposited is the broker's, too, until it is taken. Its other end is not. */
TEST(claim_14, held)
{
	struct intro_event ev = { .fd = -1 };
	struct party client, service;
	struct sight mine;
	struct intro *in;

	begin();
	start(&service, PARTY_SERVICE, 4);
	start(&client, PARTY_CLIENT, 4);
	party_meet(&client, &mine);
	cr_expect(holds(client.pid, mine.inode));
	cr_expect(!holds(service.pid, mine.inode), "the depositor has kept a copy");
	cr_expect(!holds(broker.pid, mine.inode));
	cr_expect(holds(broker_switch_pid(&broker, 0), mine.inode));

	cr_assert_eq(intro_open(&in, broker.host), 0);
	cr_assert_eq(intro_wait(in, intro_take(in, "held"), HANG_MS, &ev), 1);
	cr_assert_eq((int)ev.what, INTRO_CONNECTED);
	close(ev.fd);
	intro_close(in);
	check_end(mine.inode, client.pid, service.pid);
	party_release(&client);
	cr_expect(party_is_alone(&service));
	party_stop(&client);
	party_stop(&service);
	end();
}

/* Whoever is not there any more when its end comes leaves none behind. */
TEST(claim_14, of_one_that_dies)
{
	struct party client, service;
	struct sight mine, theirs;

	begin();
	for (size_t i = 0; i < 3; i++) {
		start(&service, PARTY_SERVICE, i);
		start(&client, PARTY_CLIENT, i);
		party_meet(&client, &mine);
		party_see(&service, &theirs);
		child_kill(client.pid);
		close(client.sock);
		cr_expect(party_is_alone(&service), "%s", ways[i].name);
		check_end(theirs.inode, service.pid, 0);
		party_stop(&service);

		start(&service, PARTY_SERVICE, i);
		start(&client, PARTY_CLIENT, i);
		party_meet(&client, &mine);
		party_see(&service, &theirs);
		child_kill(service.pid);
		close(service.sock);
		cr_expect(party_is_alone(&client), "%s", ways[i].name);
		check_end(mine.inode, client.pid, 0);
		party_stop(&client);
	}
	end();
}

/* ---- our own agents, before servers that know nothing of us */

static uint64_t inode_of(int fd)
{
	struct stat st;

	MUST(fstat(fd, &st));
	return st.st_ino;
}

struct held_by {
	pid_t pid;
	uint64_t inode;
};

static bool was_let_go(void *arg)
{
	const struct held_by *h = arg;

	return !holds(h->pid, h->inode);
}

/* It closes what it has fetched when it has given it away, which may be a moment after the client
 * has it. */
static void agent_ends(struct agent *agent, int listener)
{
	int mine = intro_dial("agent", SOCK_STREAM, HANG_MS), theirs;
	char byte;

	cr_assert_geq(mine, 0, "%s", intro_strerror(mine));
	cr_assert(wait_fd(listener, POLLIN));
	theirs = MUST(accept4(listener, NULL, NULL, SOCK_CLOEXEC));
	cr_expect(linked(mine, theirs));
	cr_expect(wait_until(was_let_go, &(struct held_by){ agent->pid, inode_of(mine) }),
		  "the agent holds the client's end");
	cr_expect(!holds(agent->pid, inode_of(theirs)), "the agent holds the server's end");
	cr_expect(wait_until(broker_let_go, &(uint64_t){ inode_of(mine) }));
	cr_expect(wait_until(broker_let_go, &(uint64_t){ inode_of(theirs) }));
	close(mine);
	cr_expect(wait_fd(theirs, POLLIN) && read(theirs, &byte, 1) == 0);
	close(theirs);
}

TEST(claim_14, agents)
{
	char path[PATH_BYTES], target[PATH_BYTES + 8];
	struct agent agent;
	int listener;

	begin();
	MUST(setenv("INTRO_DOOR", broker.host, 1));
	snprintf(path, sizeof path, "%s/server", dir);
	snprintf(target, sizeof target, "unix:%s", path);
	listener = unix_listen(path, SOCK_STREAM, 8);
	SERVE(&broker, &agent, "--to", target, "agent");
	agent_ends(&agent, listener);
	cr_expect_eq(agent_stop(&agent), 0);
	SERVE(&broker, &agent, "--place", path, "agent");
	agent_ends(&agent, listener);
	cr_expect_eq(agent_stop(&agent), 0);
	close(listener);
	end();
}
