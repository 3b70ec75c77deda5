/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Claim 21, as those see it who stand at a door while the switch is killed, or the whole
 * broker started again: nobody is turned away, and who waits goes on.
 */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../../libintro/intro.h"
#include "scene.h"

#define KILLS 5
#define CALLERS 3

static struct scene s;

/* ---- services that need nobody to look after them ---- */

/* A libintro service that says one byte to everybody. */
_Noreturn static void greet(const char *name)
{
	struct intro_event ev;
	struct intro_ref *ref;
	struct intro *in;

	if (intro_open(&in, s.b.host) < 0 || intro_serve(in, name, NULL, &ref) <= 0)
		_exit(1);
	while (intro_wait(in, 0, -1, &ev) > 0) {
		if (ev.what == INTRO_INCOMING) {
			send(ev.fd, "x", 1, MSG_NOSIGNAL);
			close(ev.fd);
		} else if (ev.what != INTRO_DONE) {
			_exit(2);
		}
	}
	_exit(3);
}

/* A server of its own, which knows nothing of the broker. */
_Noreturn static void greet_at(int listener)
{
	for (;;) {
		int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);

		if (fd < 0)
			_exit(1);
		send(fd, "x", 1, MSG_NOSIGNAL);
		close(fd);
	}
}

/* The agent beside such a server: it places the server's socket, and stays. */
_Noreturn static void place(const char *name, const char *dir, const char *file)
{
	int dirfd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	struct intro_event ev;
	struct intro_ref *ref;
	struct intro *in;

	if (dirfd < 0 || intro_open(&in, s.b.host) < 0 ||
	    intro_place(in, name, dirfd, file, &ref) <= 0)
		_exit(1);
	while (intro_wait(in, 0, -1, &ev) > 0)
		if (ev.what != INTRO_DONE)
			_exit(2);
	_exit(3);
}

/* ---- callers who count ---- */

struct tally {
	_Atomic unsigned int met[CALLERS];	/* calls that were answered */
	_Atomic unsigned int lost;		/* connected, and nobody was there */
	_Atomic bool stop;
};

static struct tally *tally_make(void)
{
	struct tally *t = mmap(NULL, sizeof *t, PROT_READ | PROT_WRITE,
			       MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	cr_assert_neq(t, MAP_FAILED);
	return t;
}

/* Call without a pause between, by a path or by libintro; nobody may be turned away. */
_Noreturn static void call(struct tally *t, int caller, int (*connect_to)(const char *),
			   const char *where)
{
	while (!t->stop) {
		int fd = connect_to(where);
		char byte;
		ssize_t n;

		if (fd < 0) {
			fprintf(stderr, "caller %d: %s\n", caller, strerror(-fd));
			_exit(1);
		}
		if (!wait_fd(fd, POLLIN))
			_exit(2);
		n = read(fd, &byte, 1);
		close(fd);
		if (n == 1)
			t->met[caller]++;
		else
			t->lost++;
	}
	_exit(0);
}

static int by_path(const char *path)
{
	return unix_connect(path, SOCK_STREAM);
}

static int by_name(const char *name)
{
	return intro_dial(name, SOCK_STREAM, HANG_MS);
}

struct progress {
	struct tally *t;
	unsigned int from[CALLERS];
};

static bool everybody_came_through(void *arg)
{
	const struct progress *p = arg;

	for (int i = 0; i < CALLERS; i++)
		if (p->t->met[i] < p->from[i] + 5)
			return false;
	return true;
}

static void see_progress(struct tally *t)
{
	struct progress p = { .t = t };

	for (int i = 0; i < CALLERS; i++)
		p.from[i] = t->met[i];
	cr_assert(wait_until(everybody_came_through, &p), "callers are kept waiting");
}

/* The switch dies while they call: no one is refused, all get through again. What the switch
 * had in its hands when it died may be lost: at most so many calls at each death. */
static void kill_while_calling(int (*connect_to)(const char *), const char *where,
			       unsigned int lost_at_most)
{
	struct tally *t = tally_make();
	pid_t callers[CALLERS];

	for (int i = 0; i < CALLERS; i++) {
		callers[i] = child_fork();
		if (callers[i] == 0)
			call(t, i, connect_to, where);
	}
	for (int i = 0; i < KILLS; i++) {
		see_progress(t);
		broker_switch_kill(&s.b);
	}
	see_progress(t);
	t->stop = true;
	for (int i = 0; i < CALLERS; i++)
		cr_expect_eq(child_wait(callers[i]), 0, "caller %d was turned away", i);
	cr_expect_leq(t->lost, KILLS * lost_at_most);
	munmap(t, sizeof *t);
}

/* ---- a pause, and no more ---- */

TEST(claim_21, callers_by_path_see_a_pause)
{
	char path[PATH_BYTES];
	pid_t service;

	scene_start(&s, NULL);
	cr_assert_eq(broker_grant(&s.b, "host", "db", RIGHTS_ALL), 0);
	scene_settled(&s);
	service = child_fork();
	if (service == 0)
		greet("db");
	snprintf(path, sizeof path, "%s/db", s.b.host);
	kill_while_calling(by_path, path, 1);
	child_kill(service);
	scene_check_restarted(&s);
	scene_end(&s);
}

TEST(claim_21, callers_by_name_see_a_pause)
{
	pid_t service;

	scene_start(&s, NULL);
	MUST(setenv("INTRO_DOOR", s.b.host, 1));
	service = child_fork();
	if (service == 0)
		greet("db");
	kill_while_calling(by_name, "db", CALLERS);
	child_kill(service);
	scene_check_restarted(&s);
	scene_end(&s);
}

/* Nothing of such a session passes through us: not one is lost. */
TEST(claim_21, callers_of_a_placed_server_see_nothing)
{
	char path[PATH_BYTES], listening[PATH_BYTES];
	pid_t server, agent;
	int listener;

	scene_start(&s, NULL);
	cr_assert_eq(broker_grant(&s.b, "host", "web", RIGHTS_ALL), 0);
	scene_settled(&s);
	snprintf(listening, sizeof listening, "%s/web.sock", s.b.dir);
	listener = unix_listen(listening, SOCK_STREAM, 4096);
	server = child_fork();
	if (server == 0)
		greet_at(listener);
	close(listener);
	agent = child_fork();
	if (agent == 0)
		place("web", s.b.dir, "web.sock");
	/* placed by now: a libintro client gets through */
	MUST(setenv("INTRO_DOOR", s.b.host, 1));
	close(MUST(by_name("web")));

	snprintf(path, sizeof path, "%s/web", s.b.host);
	kill_while_calling(by_path, path, 0);
	kill_while_calling(by_name, "web", 0);
	child_kill(agent);
	child_kill(server);
	scene_check_restarted(&s);
	scene_end(&s);
}

/* A caller who waits: for a service, or in the backlog of a path. */
static pid_t wait_there(int (*connect_to)(const char *), const char *where)
{
	pid_t pid = child_fork();
	char byte;
	int fd;

	if (pid != 0)
		return pid;
	fd = connect_to(where);
	if (fd < 0)
		_exit(1);
	_exit(wait_fd(fd, POLLIN) && read(fd, &byte, 1) == 1 ? 0 : 2);
}

static bool waits(void *arg)
{
	return broker_usage(&s.b, "host", 0, TAG_WAITS) == *(const uint64_t *)arg;
}

TEST(claim_21, callers_who_wait_go_on)
{
	char path[PATH_BYTES];
	pid_t callers[3];
	uint64_t two = 2;
	pid_t service;

	scene_start(&s, NULL);
	cr_assert_eq(broker_grant(&s.b, "host", "db", RIGHTS_ALL), 0);
	scene_settled(&s);
	MUST(setenv("INTRO_DOOR", s.b.host, 1));
	snprintf(path, sizeof path, "%s/db", s.b.host);
	callers[0] = wait_there(by_path, path);
	callers[1] = wait_there(by_name, "db");
	callers[2] = wait_there(by_name, "db");
	for (int i = 0; i < 2; i++) {
		cr_assert(wait_until(waits, &two), "they ask the broker that is there now");
		broker_switch_kill(&s.b);
	}
	cr_assert(wait_until(waits, &two));
	service = child_fork();
	if (service == 0)
		greet("db");
	for (int i = 0; i < 3; i++)
		cr_expect_eq(child_wait(callers[i]), 0, "caller %d", i);
	child_kill(service);
	scene_check_restarted(&s);
	scene_end(&s);
}

/* ---- the whole broker ---- */

static ino_t inode_of(const char *door)
{
	char path[PATH_BYTES];
	struct stat st;

	broker_door(&s.b, door, path);
	MUST(stat(path, &st));
	return st.st_ino;
}

static bool the_path_works(void *arg)
{
	int fd = unix_connect(arg, SOCK_STREAM);
	char byte;
	bool good;

	if (fd < 0)
		return false;
	good = wait_fd(fd, POLLIN) && read(fd, &byte, 1) == 1;
	close(fd);
	return good;
}

/* As a container has it: the directory itself, whatever happens to its path. */
static void check_door(int dir)
{
	char path[64];

	snprintf(path, sizeof path, "/proc/self/fd/%d/db", dir);
	cr_expect(wait_until(the_path_works, path), "by the directory that was there before");
	snprintf(path, sizeof path, "/proc/self/fd/%d/intro.sock", dir);
	close(MUST(unix_connect(path, SOCK_SEQPACKET)));
}

TEST(claim_21, the_whole_broker_restarts)
{
	static const struct broker_options options = {
		.config = "door box { export = yes grant db { rights = { connect } } }\n",
		.countable = true,
	};
	char door[PATH_BYTES];
	pid_t waiting, late;
	ino_t box, host;
	pid_t service;
	int dir;

	scene_start(&s, &options);
	box = inode_of("box");
	host = inode_of("host");
	broker_door(&s.b, "box", door);
	dir = MUST(open(door, O_PATH | O_DIRECTORY | O_CLOEXEC));
	MUST(setenv("INTRO_DOOR", door, 1));
	service = child_fork();
	if (service == 0)
		greet("db");
	check_door(dir);
	late = wait_there(by_name, "db");
	cr_expect_eq(child_wait(late), 0);
	child_kill(service);

	for (int round = 0; round < 2; round++) {
		waiting = wait_there(by_name, "db");
		if (round == 0)
			broker_end(&s.b);
		else
			child_kill(s.b.pid);
		late = wait_there(by_name, "db");
		broker_start_again(&s.b, &options);
		cr_expect_eq(inode_of("box"), box);
		cr_expect_eq(inode_of("host"), host);
		service = child_fork();
		if (service == 0)
			greet("db");
		check_door(dir);
		cr_expect_eq(child_wait(waiting), 0, "who waited goes on");
		cr_expect_eq(child_wait(late), 0, "who came meanwhile waits");
		child_kill(service);
		scene_check_restarted(&s);
	}
	close(dir);
	broker_stop(&s.b);
}
