/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an agent does with each introduction: run a program on it, open a socket for it,
 * splice it, or hand it on.
 */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "agent.h"
#include "copy.h"
#include "fd.h"
#include "opening.h"
#include "private.h"
#include "program.h"

#define SOCKPAIR_PAUSE_MS 20	/* until descriptors in flight may have been received */

/* An introduction for which a socket is being opened. */
struct session {
	struct opening opening;
	struct agent *agent;
	int request;		/* to be answered with the socket, or */
	int client;		/* owned; -1: none: to be spliced with it */
	bool leashed;
};

/* ---- a socket opened for the client: handed over, or spliced ---- */

/* A descriptor of the agent's that stays open in a child keeps a session from ending. */
static void close_all_but(int one, int other)
{
	unsigned int low = (unsigned int)(one < other ? one : other);
	unsigned int high = (unsigned int)(one < other ? other : one);

	if (low > STDERR_FILENO + 1)
		close_range(STDERR_FILENO + 1, low - 1, 0);
	if (high > low + 1)
		close_range(low + 1, high - 1, 0);
	close_range(high + 1, ~0u, 0);
}

static _Noreturn void splice_in_child(int client, int server)
{
	int on = 1;

	signal(SIGPIPE, SIG_IGN);
	prctl(PR_SET_NAME, "intro-splice");
	close_all_but(client, server);
	fcntl(client, F_SETFL, fcntl(client, F_GETFL) | O_NONBLOCK);
	fcntl(server, F_SETFL, fcntl(server, F_GETFL) | O_NONBLOCK);
	/* an AF_UNIX client never waits for more to send; neither should its server's TCP */
	setsockopt(server, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	_exit(copy_both((struct copy_end){ client, client }, (struct copy_end){ server, server },
			COPY_BOTH_END) < 0);
}

/* A copy of a leashed session's socket; -1: none. */
static int leash_of(bool leashed, int fd)
{
	return leashed ? fcntl(fd, F_DUPFD_CLOEXEC, 3) : -1;
}

static void splice_session(struct agent *a, int client, int server, bool leashed)
{
	sigset_t none;
	pid_t pid = fork();

	if (pid == 0) {
		sigemptyset(&none);
		sigprocmask(SIG_SETMASK, &none, NULL);
		splice_in_child(client, server);
	}
	agent_add_session(a, pid < 0 ? -errno : pid, leash_of(leashed, client));
}

static const char *open_error(const struct target *target, int error)
{
	if (error == -EHOSTUNREACH && !target->numeric)
		return "its host's name is unknown, or there is no route to it";
	return strerror(-error);
}

static void on_opened(struct opening *opening, int fd)
{
	struct session *s = container_of(opening, struct session, opening);
	struct agent *a = s->agent;

	if (fd < 0 && opening->error != a->last_open_error)
		complain("cannot open %s for \"%s\": %s",
			 a->plan->listen ? "the program's listener" : a->plan->target.text,
			 a->plan->name, open_error(&a->plan->target, opening->error));
	a->last_open_error = fd < 0 ? opening->error : 0;
	if (s->client < 0)
		intro_answer(a->in, s->request, fd);
	else if (fd >= 0)
		splice_session(a, s->client, fd, s->leashed);
	else if (s->leashed)
		shutdown(s->client, SHUT_RDWR);
	closep(&fd);
	closep(&s->client);
	free(s);
	a->nopenings--;
}

static void open_session(struct agent *a, const struct intro_event *e)
{
	struct session *s = calloc(1, sizeof *s);

	if (!s) {
		if (e->what == INTRO_FETCH)
			intro_answer(a->in, e->request, -ENOMEM);
		else
			close(e->fd);
		return;
	}
	s->agent = a;
	s->request = e->request;
	s->leashed = e->leashed;
	s->client = e->what == INTRO_FETCH ? -1 : e->fd;
	s->opening.loop = &a->loop;
	s->opening.target = &a->plan->target;
	s->opening.done = on_opened;
	s->opening.type = e->type;
	if (s->client >= 0 && !a->said_spliced) {
		a->said_spliced = true;
		complain("\"%s\": programs that come by its socket file in a door are spliced "
			 "(copied) by this agent; libintro programs are not", a->plan->name);
	}
	a->nopenings++;
	opening_start(&s->opening);
	/* cppcheck-suppress memleak; on_opened() has it */
}

/* ---- handing descriptors to a program over a socketpair ---- */

static int send_fd(int sock, int fd)
{
	union {
		struct cmsghdr align;
		char space[CMSG_SPACE(sizeof(int))];
	} control = { 0 };
	char byte = 0;
	struct iovec iov = { &byte, 1 };
	struct msghdr mh = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = CMSG_LEN(sizeof(int)),
	};

	control.align.cmsg_level = SOL_SOCKET;
	control.align.cmsg_type = SCM_RIGHTS;
	control.align.cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(&control.align), &fd, sizeof fd);
	return sendmsg(sock, &mh, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 ? -errno : 0;
}

/* Hand on what waits. */
static void hand_on(struct agent *a)
{
	int r = send_fd(a->sockpair, a->sockpair_waiting);

	if (r == -EAGAIN) {
		loop_change(&a->loop, &a->sockpair_source, EPOLLOUT);
		return;
	}
	loop_change(&a->loop, &a->sockpair_source, 0);
	if (r == -ETOOMANYREFS) {
		loop_arm(&a->loop, &a->sockpair_timer, loop_now_ms() + SOCKPAIR_PAUSE_MS);
		return;
	}
	if (r < 0)
		complain("cannot hand a session of \"%s\" to %s: %s", a->plan->name,
			 a->plan->program[0], strerror(-r));
	close(fd_steal(&a->sockpair_waiting));
}

static void on_sockpair(struct loop_source *source, uint32_t events)
{
	struct agent *a = container_of(source, struct agent, sockpair_source);

	if (events & (EPOLLHUP | EPOLLERR))
		/* the program closed its end, or ended: SIGCHLD tells which */
		loop_remove(&a->loop, source);
	if (a->sockpair_waiting >= 0)
		hand_on(a);
}

static void on_sockpair_timer(struct loop_timer *timer)
{
	struct agent *a = container_of(timer, struct agent, sockpair_timer);

	if (a->sockpair_waiting >= 0)
		hand_on(a);
}

static int begin_sockpair(struct agent *a)
{
	int pair[2], r;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return -errno;
	a->sockpair = pair[0];
	a->sockpair_theirs = pair[1];
	a->sockpair_source = (struct loop_source){ .fd = pair[0], .ready = on_sockpair };
	a->sockpair_timer.fire = on_sockpair_timer;
	r = loop_add(&a->loop, &a->sockpair_source, 0);
	return r;
}

/* ---- the program's private listener ---- */

static int begin_listener(struct agent *a)
{
	const char *text = a->plan->target.text;
	char path[32];
	int r, listener;

	r = private_listener(SOCK_STREAM, &listener, &a->private_path);
	if (r < 0)
		return r;
	a->listeners[a->nlisteners++] = listener;
	snprintf(a->listener_names, sizeof a->listener_names, "%s", a->plan->name);
	snprintf(path, sizeof path, "/proc/self/fd/%d", a->private_path);
	r = target_path(path, &a->plan->target);
	a->plan->target.text = text;
	return r;
}

int deliver_begin(struct agent *a)
{
	int r = 0;

	if (a->plan->listen)
		r = begin_listener(a);
	else if (a->plan->deliver == DELIVER_SOCKPAIR)
		r = begin_sockpair(a);
	if (r < 0)
		return failed(r, "cannot make a socket for %s", a->plan->program[0]);
	return CODE_OK;
}

void deliver_event(struct agent *a, const struct intro_event *e)
{
	switch (a->plan->deliver) {
	case DELIVER_STDIO:
		agent_add_session(a, program_start_session(a->plan->program, a->plan->name, e),
				  leash_of(e->leashed, e->fd));
		close(e->fd);
		break;
	case DELIVER_OPEN:
		open_session(a, e);
		break;
	case DELIVER_SOCKPAIR:
		fd_set_blocking(e->fd);
		a->sockpair_waiting = e->fd;
		hand_on(a);
		break;
	case DELIVER_NOTHING:
		closep(&(int){ e->fd });
		break;
	}
}

void deliver_end(struct agent *a)
{
	if (a->sockpair_source.ready)
		loop_remove(&a->loop, &a->sockpair_source);
	closep(&a->sockpair);
	closep(&a->sockpair_theirs);
	closep(&a->sockpair_waiting);
	closep(&a->private_path);
	for (unsigned int i = 0; i < a->nlisteners; i++)
		close(a->listeners[i]);
	a->nlisteners = 0;
}
