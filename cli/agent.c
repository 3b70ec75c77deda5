/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The life of an agent: agent.h.
 */
#include "agent.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ask.h"
#include "fd.h"
#include "program.h"
#include "ready.h"
#include "rows.h"

#define PATIENCE_MS 5000	/* for a program to listen, after it was started */

/* No more introductions can be taken now. */
static bool is_full(const struct agent *a)
{
	return a->nsessions + a->nopenings >= a->plan->max || a->sockpair_waiting >= 0;
}

/* The broker has a copy of a leashed session's socket: to close ours would not end it. */
static void end_leash(int leash)
{
	if (leash < 0)
		return;
	shutdown(leash, SHUT_RDWR);
	close(leash);
}

void agent_add_session(struct agent *a, pid_t pid, int leash)
{
	if (pid < 0) {
		complain("cannot start a process for a session of \"%s\": %s", a->plan->name,
			 strerror(-pid));
		end_leash(leash);
		return;
	}
	a->sessions[a->nsessions++] = (struct agent_session){ pid, leash };
}

/* ---- events of the broker ---- */

static void say_session(const struct agent *a, const struct intro_event *e)
{
	bool spliced = e->what == INTRO_INCOMING && a->plan->deliver == DELIVER_OPEN;
	char uid[32] = "", pid[32] = "";

	if (e->uid >= 0)
		snprintf(uid, sizeof uid, " uid=%lld", (long long)e->uid);
	if (e->pid > 0)
		snprintf(pid, sizeof pid, " pid=%lld", (long long)e->pid);
	complain("session %llu of \"%s\": door=%s%s%s%s%s way=%s path=%s",
		 (unsigned long long)e->session, a->plan->name, e->door, uid, pid,
		 *e->label ? " label=" : "", e->label, way_word(e->way),
		 spliced ? "spliced" : "local");
}

static void handle(struct agent *a, const struct intro_event *e)
{
	switch (e->what) {
	case INTRO_INCOMING:
	case INTRO_FETCH:
		if (a->plan->verbose)
			say_session(a, e);
		deliver_event(a, e);
		break;
	default:
		offer_event(a, e);
		break;
	}
}

/* Take what has come, as far as there is room: after each step of the loop, since any may have
 * made room. What is not taken stays with the broker, which then waits for us. */
static void pump(struct agent *a)
{
	struct intro_event event;
	int r = 0;

	while (!a->ending && !is_full(a) && (r = intro_next(a->in, &event)) > 0)
		handle(a, &event);
	if (r < 0 && !a->ending)
		agent_end(a, failed(r, "the connection to the broker"));
	if (a->intro_source.fd >= 0)
		loop_change(&a->loop, &a->intro_source, is_full(a) ? 0 : EPOLLIN);
}

static void on_intro(struct loop_source *source, uint32_t events)
{
	struct agent *a = container_of(source, struct agent, intro_source);
	int r;

	(void)events;
	r = intro_dispatch(a->in);
	if (r < 0 && !a->ending)
		agent_end(a, failed(r, "the connection to the broker"));
}

/* ---- the program ---- */

static int start_program(struct agent *a)
{
	struct program p = {
		.argv = a->plan->program,
		.fds = a->listeners,
		.nfds = a->nlisteners,
		.listen_names = a->plan->listen ? a->listener_names : NULL,
	};

	if (a->plan->deliver == DELIVER_SOCKPAIR) {
		p.sockpair = true;
		p.fds = &a->sockpair_theirs;
		p.nfds = 1;
	}
	a->program = program_start(&p);
	if (a->program < 0) {
		int error = a->program;

		a->program = 0;
		return error;
	}
	a->plan->target.patient_ms = loop_now_ms() + PATIENCE_MS;
	/* the program's alone from now on: its end must be seen */
	for (unsigned int i = 0; i < a->nlisteners; i++)
		close(a->listeners[i]);
	a->nlisteners = 0;
	closep(&a->sockpair_theirs);
	a->sockpair_theirs = -1;
	return 0;
}

void agent_offered(struct agent *a)
{
	int r;

	if (a->ready)
		return;
	a->ready = true;
	if (a->plan->program && a->plan->deliver != DELIVER_STDIO) {
		r = start_program(a);
		if (r < 0) {
			agent_end(a, failed(r, "cannot start %s", a->plan->program[0]));
			return;
		}
	}
	ready_notify("READY=1");
	ready_fd(fd_steal(&a->plan->ready_fd));
}

void agent_end(struct agent *a, int code)
{
	if (a->ending)
		return;
	a->ending = true;
	a->code = code;
	ready_notify("STOPPING=1");
	offer_withdraw(a);
	if (a->program > 0)
		kill(a->program, SIGTERM);
}

/* ---- signals ---- */

static void forget_session(struct agent *a, pid_t pid)
{
	for (unsigned int i = 0; i < a->nsessions; i++) {
		if (a->sessions[i].pid == pid) {
			end_leash(a->sessions[i].leash);
			a->sessions[i] = a->sessions[--a->nsessions];
			break;
		}
	}
}

static void reap(struct agent *a)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		if (pid != a->program) {
			forget_session(a, pid);
			continue;
		}
		a->program = 0;
		/* its own doing, or ours: in either case its status says how it went */
		if (!a->ending || a->code == CODE_OK)
			a->code = program_code(status);
		a->ending = true;
	}
}

/* A signal meant for the program, as if it had been sent there. */
static void forward(struct agent *a, const struct signalfd_siginfo *info)
{
	int signal = (int)info->ssi_signo;
	bool ends = signal == SIGTERM || signal == SIGINT || signal == SIGHUP ||
		    signal == SIGQUIT;

	if (a->program > 0) {
		/* a terminal's went to the whole foreground group already */
		if (info->ssi_code != SI_KERNEL)
			kill(a->program, signal);
		/* SIGHUP, SIGUSR1 and SIGUSR2 mean other things than the end to a server */
		if (signal == SIGTERM || signal == SIGINT || signal == SIGQUIT) {
			a->ending = true;
			offer_withdraw(a);
		}
	} else if (ends) {
		agent_end(a, CODE_OK);
	}
}

static void on_signal(struct loop_source *source, uint32_t events)
{
	struct agent *a = container_of(source, struct agent, signal_source);
	struct signalfd_siginfo info;

	(void)events;
	if (read(source->fd, &info, sizeof info) != sizeof info)
		return;
	if (info.ssi_signo == SIGCHLD)
		reap(a);
	else
		forward(a, &info);
}

static int watch_signals(struct agent *a)
{
	static const int all[] = { SIGTERM, SIGINT,  SIGHUP, SIGQUIT,
				   SIGCHLD, SIGUSR1, SIGUSR2 };
	sigset_t set;
	int fd;

	sigemptyset(&set);
	for (size_t i = 0; i < sizeof all / sizeof *all; i++)
		sigaddset(&set, all[i]);
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
		return -errno;
	signal(SIGPIPE, SIG_IGN);
	fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (fd < 0)
		return -errno;
	a->signal_source = (struct loop_source){ .fd = fd, .ready = on_signal };
	return loop_add(&a->loop, &a->signal_source, EPOLLIN);
}

/* ---- beginning and end ---- */

static int begin(struct agent *a)
{
	int r;

	a->sessions = calloc(a->plan->max, sizeof *a->sessions);
	if (!a->sessions)
		return failed(-ENOMEM, "cannot begin to serve");
	r = ask_open(true, &a->in, a->door);
	if (r != CODE_OK)
		return r;
	r = loop_init(&a->loop);
	if (r >= 0)
		r = watch_signals(a);
	a->intro_source = (struct loop_source){ .fd = intro_fd(a->in), .ready = on_intro };
	if (r >= 0)
		r = loop_add(&a->loop, &a->intro_source, EPOLLIN);
	if (r < 0)
		return failed(r, "cannot begin to serve");
	return deliver_begin(a);
}

static void end(struct agent *a)
{
	int signals = a->signal_source.fd;

	deliver_end(a);
	intro_close(a->in);
	closep(&signals);
	loop_end(&a->loop);
	closep(&a->plan->ready_fd);
	free(a->sessions);
}

int agent_run(struct plan *plan)
{
	struct agent a = {
		.plan = plan,
		.loop = { .epoll = -1 },
		.intro_source.fd = -1,
		.signal_source.fd = -1,
		.private_path = -1,
		.sockpair = -1,
		.sockpair_theirs = -1,
		.sockpair_waiting = -1,
	};
	int r;

	a.code = begin(&a);
	if (a.code == CODE_OK) {
		offer_begin(&a);
		for (;;) {
			pump(&a);
			if (a.ending && a.program <= 0)
				break;
			r = loop_step(&a.loop);
			if (r < 0) {
				agent_end(&a, failed(r, "cannot wait for events"));
				break;
			}
		}
	}
	end(&a);
	return a.code;
}
