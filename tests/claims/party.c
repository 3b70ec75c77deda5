/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The parties of party.h: a loop in a child, which takes orders of one byte.
 */
#include "party.h"

#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../../libintro/intro.h"

#define MAX_ENDS 512

enum order { MEET = 'm', RELEASE = 'r', LISTEN_FOR_THE_END = 'e', QUIT = 'q' };

/* In the child. */
static const struct party_options *me;
static int orders;
static int ends[MAX_ENDS];
static size_t nends;
static struct intro *in;
static struct intro_ref *ref;
static int listener = -1;	/* the server's */
static char door[64], server[PATH_BYTES];

static void say(const struct sight *s)
{
	if (send(orders, s, sizeof *s, MSG_NOSIGNAL) != (ssize_t)sizeof *s)
		_exit(0);
}

/* Look at fd, which is kept until RELEASE. */
static void look(struct sight *s, int fd)
{
	struct ucred cred = { .uid = 0 };
	socklen_t len = sizeof cred;
	struct stat st;

	MUST(getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len));
	s->peer_uid = cred.uid;
	s->peer_pid = cred.pid;
	len = sizeof s->cookie;
	MUST(getsockopt(fd, SOL_SOCKET, SO_COOKIE, &s->cookie, &len));
	MUST(fstat(fd, &st));
	s->inode = st.st_ino;
	if (nends == MAX_ENDS)
		harness_fail("too many sessions");
	ends[nends++] = fd;
}

static void enter_userns(void)
{
	uid_t uid = geteuid();
	gid_t gid = getegid();
	char map[32];

	MUST(unshare(CLONE_NEWUSER));
	snprintf(map, sizeof map, "0 %u 1", uid);
	file_write("/proc/self/uid_map", map);
	file_write("/proc/self/setgroups", "deny");
	snprintf(map, sizeof map, "0 %u 1", gid);
	file_write("/proc/self/gid_map", map);
	prctl(PR_SET_PDEATHSIG, SIGKILL);	/* a change of credentials forgets it */
}

/* The door is opened before anything is given up. */
static void become(void)
{
	if (strncmp(me->door, "fd:", 3) != 0)
		snprintf(door, sizeof door, "/proc/self/fd/%d",
			 MUST(open(me->door, O_PATH | O_DIRECTORY | O_CLOEXEC)));
	else
		snprintf(door, sizeof door, "%s", me->door);
	if (me->uid)
		child_become(me->uid);
	/* else its own /proc/self/uid_map is root's */
	MUST(prctl(PR_SET_DUMPABLE, 1));
	if (me->own_userns)
		enter_userns();
	MUST(setenv("INTRO_DOOR", door, 1));
}

/* ---- a client */

static void meet(void)
{
	struct sight s = { .way = (int)me->way, .uid = -1, .pid = -1 };
	char path[PATH_BYTES];
	int fd;

	if (me->way == WAY_LISTEN) {
		snprintf(path, sizeof path, "%s/%s", door, me->name);
		fd = unix_connect(path, SOCK_STREAM);
	} else {
		fd = intro_dial(me->name, SOCK_STREAM, HANG_MS);
	}
	if (fd < 0)
		s.error = fd;
	else
		look(&s, fd);
	say(&s);
}

/* ---- a service */

static void done(int request)
{
	struct intro_event ev;
	int r = request < 0 ? request : intro_wait(in, request, HANG_MS, &ev);

	if (r != 1 || ev.what != INTRO_DONE)
		harness_fail("a service is refused: %s", intro_strerror(r == 1 ? ev.error : r));
}

static int server_connect(void)
{
	return unix_connect(server, SOCK_STREAM);
}

static void hold(void)
{
	int pair[2];

	MUST(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair));
	done(intro_hold(in, me->name, pair[0]));
	close(pair[0]);
	ends[nends++] = pair[1];
}

static void offer(void)
{
	struct intro_service fetch = { .fetch = 1 };
	int dir;

	MUST(intro_open(&in, door) < 0 ? -1 : 0);
	if (me->way == WAY_FETCH || me->way == WAY_PLACED) {
		snprintf(server, sizeof server, "%s/%s", me->dir, me->name);
		unlink(server);
		listener = unix_listen(server, SOCK_STREAM, 64);
		MUST(chmod(server, 0666));
	}
	if (me->way == WAY_PLACED) {
		dir = MUST(open(me->dir, O_PATH | O_DIRECTORY | O_CLOEXEC));
		done(intro_place(in, me->name, dir, me->name, &ref));
		close(dir);
	} else if (me->way == WAY_HELD) {
		hold();
	} else {
		done(intro_serve(in, me->name, me->way == WAY_FETCH ? &fetch : NULL, &ref));
	}
}

/* The agent opens a socket, and the server, which is the same process here, takes it. */
static void fetch(const struct intro_event *ev, struct sight *s)
{
	int fd = server_connect();

	if (fd < 0)
		harness_fail("cannot connect to %s: %s", server, strerror(-fd));
	if (intro_answer(in, ev->request, fd) < 0)
		harness_fail("intro_answer");
	close(fd);
	look(s, MUST(accept4(listener, NULL, NULL, SOCK_CLOEXEC)));
}

static void serve_events(void)
{
	struct intro_event ev;

	if (intro_dispatch(in) < 0)
		harness_fail("intro_dispatch");
	while (intro_next(in, &ev) > 0) {
		struct sight s = { .way = (int)ev.way, .uid = ev.uid, .pid = ev.pid,
				   .pidfd_inode = ev.pidfd_inode, .session = ev.session };

		if (ev.what == INTRO_INCOMING)
			look(&s, ev.fd);
		else if (ev.what == INTRO_FETCH)
			fetch(&ev, &s);
		else
			continue;
		say(&s);
	}
}

static void serve_placed(void)
{
	struct sight s = { .way = WAY_PLACED, .uid = -1, .pid = -1 };

	look(&s, MUST(accept4(listener, NULL, NULL, SOCK_CLOEXEC)));
	say(&s);
}

/* ---- both */

/* Everything that it holds has come to an end. */
static bool all_ended(void)
{
	char byte;

	for (size_t i = 0; i < nends; i++)
		if (!wait_fd(ends[i], POLLIN) || read(ends[i], &byte, 1) != 0)
			return false;
	return true;
}

static void obey(void)
{
	struct sight s = { .error = 0 };
	char order;

	if (read(orders, &order, 1) != 1 || order == QUIT)
		_exit(0);
	if (order == MEET) {
		meet();
		return;
	}
	if (order == RELEASE)
		while (nends > 0)
			close(ends[--nends]);
	else if (!all_ended())
		s.error = -1;
	say(&s);
}

_Noreturn static void run_party(int sock)
{
	struct pollfd fds[3];

	orders = sock;
	become();
	if (me->role == PARTY_SERVICE) {
		offer();
		say(&(struct sight){ .error = 0 });
	}
	fds[0] = (struct pollfd){ orders, POLLIN, 0 };
	fds[1] = (struct pollfd){ in ? intro_fd(in) : -1, POLLIN, 0 };
	fds[2] = (struct pollfd){ me->way == WAY_PLACED ? listener : -1, POLLIN, 0 };
	for (;;) {
		MUST(poll(fds, 3, -1));
		if (fds[1].revents)
			serve_events();
		if (fds[2].revents)
			serve_placed();
		if (fds[0].revents)
			obey();
	}
}

void party_see(struct party *p, struct sight *ret)
{
	if (!wait_fd(p->sock, POLLIN) ||
	    recv(p->sock, ret, sizeof *ret, MSG_DONTWAIT) != (ssize_t)sizeof *ret)
		harness_fail("nothing was heard of a party");
}

static void order(struct party *p, char what, struct sight *ret)
{
	MUST(send(p->sock, &what, 1, MSG_NOSIGNAL));
	party_see(p, ret);
}

void party_start(struct party *ret, const struct party_options *options)
{
	struct sight ready;
	int pair[2];

	MUST(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair));
	ret->pid = child_fork();
	if (ret->pid == 0) {
		close(pair[0]);
		me = options;
		run_party(pair[1]);
	}
	close(pair[1]);
	ret->sock = pair[0];
	if (options->role == PARTY_SERVICE)
		party_see(ret, &ready);
}

void party_meet(struct party *client, struct sight *ret)
{
	order(client, MEET, ret);
	if (ret->error < 0)
		harness_fail("a client is refused: %s", intro_strerror(ret->error));
}

void party_release(struct party *p)
{
	order(p, RELEASE, &(struct sight){ 0 });
}

bool party_is_alone(struct party *p)
{
	struct sight answer;

	order(p, LISTEN_FOR_THE_END, &answer);
	return answer.error == 0;
}

void party_stop(struct party *p)
{
	int status;

	/* Others have inherited the socket, so that its end would say nothing. */
	MUST(send(p->sock, &(char){ QUIT }, 1, MSG_NOSIGNAL));
	close(p->sock);
	status = child_wait(p->pid);
	if (status != 0)
		harness_fail("a party ended with status %d", status);
}
