/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What clients of the system's broker see of a configuration that is read again, and of a
 * switch that is killed.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../../libintro/intro.h"
#include "system.h"

static bool log_complains(void *arg)
{
	const struct broker *b = arg;
	char *log = file_read(b->log);
	bool found = log && strstr(log, "introd.conf:");

	free(log);
	return found;
}

TEST(system, reloads_without_dropping_anybody)
{
	struct real r;
	pid_t agent, room;
	int session, conn;

	NEED_ROOT;
	system_begin(&r);
	room = broker_switch_pid(&r.b, 0);
	agent = serve_as_other(&r.b, "--", "cat");
	session = intro_dial("site", SOCK_STREAM, HANG_MS);
	cr_assert_geq(session, 0, "%s", intro_strerror(session));
	cr_assert(speaks(session, "one\n", "one\n"));
	conn = raw_open(r.b.host);
	cr_assert_eq(raw_introduce(conn, 1, "added", SOCK_STREAM, 0, NULL), -ENOENT);

	/* the alias goes, another one comes; what is broken changes nothing */
	system_reload(&r.b, "door host { grant site { rights = { serve, connect }  label = everybody }\n"
		     "	grant added { service = site } }\n", "mirror", -ENOENT);
	cr_assert_eq(raw_introduce(conn, 2, "added", SOCK_STREAM, 0, NULL), 0);
	system_configure(&r.b, "door host { grant site {\n");
	MUST(kill(r.b.pid, SIGHUP));
	cr_assert(wait_until(log_complains, &r.b));
	cr_assert_eq(raw_introduce(conn, 3, "added", SOCK_STREAM, 0, NULL), 0);
	system_reload(&r.b, system_doors, "added", -ENOENT);

	cr_assert_eq(raw_introduce(conn, 4, "added", SOCK_STREAM, 0, NULL), -ENOENT);
	cr_assert_eq(raw_introduce(conn, 5, "mirror", SOCK_STREAM, 0, NULL), 0);
	cr_assert(speaks(session, "two\n", "two\n"));
	cr_assert_eq(broker_switch_pid(&r.b, 0), room);
	close(conn);
	close(session);
	cr_assert(childless(agent));
	cr_assert_eq(agent_stop(agent), 0);
	real_end(&r);
}

/* ---- a switch that is killed ---- */

#define CLIENTS 4
#define KILLS 8

/* Shared with the clients. */
struct traffic {
	atomic_int stop, served[CLIENTS], lost;
	char socket[PATH_BYTES];
};

/* One conversation: whether the service's greeting came. */
static bool greeted(int fd)
{
	char got[8] = "";
	size_t n = 0;

	while (n < 6) {
		ssize_t more = wait_fd(fd, POLLIN) ? read(fd, got + n, 6 - n) : 0;

		if (more <= 0)
			return false;
		n += (size_t)more;
	}
	return memcmp(got, "hello\n", 6) == 0;
}

/* Half of the clients come by the socket file, half by name. */
static _Noreturn void client_loop(struct traffic *t, int n)
{
	while (!t->stop) {
		int fd = n % 2 ? intro_dial("site", SOCK_STREAM, HANG_MS) :
				 unix_connect(t->socket, SOCK_STREAM);

		if (fd < 0) {
			dprintf(STDERR_FILENO, "client %d: refused: %s\n", n, strerror(-fd));
			_exit(1);
		}
		if (greeted(fd))
			t->served[n]++;
		else
			t->lost++;
		close(fd);
	}
	_exit(0);
}

struct progress {
	struct traffic *t;
	int least[CLIENTS];
};

static bool all_served(void *arg)
{
	const struct progress *p = arg;

	for (int i = 0; i < CLIENTS; i++)
		if (p->t->served[i] < p->least[i])
			return false;
	return true;
}

/* Every client is served again. */
static void wait_for_progress(struct traffic *t)
{
	struct progress p = { .t = t };

	for (int i = 0; i < CLIENTS; i++)
		p.least[i] = t->served[i] + 3;
	if (!wait_until(all_served, &p))
		harness_fail("a client is not served any more");
}

TEST(system, killed_switch_refuses_nobody)
{
	struct traffic *t = mmap(NULL, sizeof *t, PROT_READ | PROT_WRITE,
				 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pid_t clients[CLIENTS], room = 0, agent;
	struct real r;

	NEED_ROOT;
	system_begin(&r);
	host_path(&r.b, t->socket, "site");
	agent = serve_as_other(&r.b, "--", "echo", "hello");
	for (int i = 0; i < CLIENTS; i++) {
		clients[i] = child_fork();
		if (clients[i] == 0)
			client_loop(t, i);
	}
	for (int i = 0; i < KILLS; i++) {
		wait_for_progress(t);
		room = broker_switch_pid(&r.b, room);
		MUST(kill(room, SIGKILL));
	}
	wait_for_progress(t);
	t->stop = 1;
	for (int i = 0; i < CLIENTS; i++)
		cr_assert_eq(child_wait(clients[i]), 0);
	/* accepted, and not yet handed to the agent: one at most for each switch */
	cr_assert_leq(t->lost, KILLS);
	cr_assert(childless(agent));
	cr_assert_eq(agent_stop(agent), 0);
	munmap(t, sizeof *t);
	real_end(&r);
}
