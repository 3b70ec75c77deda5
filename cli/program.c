/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Programs of program.h.
 */
#include "program.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli.h"

#define FIRST_FD 3	/* SD_LISTEN_FDS_START of sd_listen_fds(3) */
#define EXEC_FAILED 127	/* as a shell says it */

static void reset_signals(void)
{
	sigset_t none;

	signal(SIGPIPE, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

static void set_number(const char *name, uint64_t number)
{
	char text[24];

	snprintf(text, sizeof text, "%" PRIu64, number);
	setenv(name, text, 1);
}

static _Noreturn void become(char **argv)
{
	/* readiness is the agent's to tell */
	unsetenv("NOTIFY_SOCKET");
	execvp(argv[0], argv);
	complain("cannot run %s: %s", argv[0], strerror(errno));
	_exit(EXEC_FAILED);
}

/* Put the descriptors at 3, 4, …: first above all of these, so that none is overwritten. */
static int place_fds(const int *fds, size_t n)
{
	int high[n ? n : 1];

	for (size_t i = 0; i < n; i++) {
		high[i] = fcntl(fds[i], F_DUPFD_CLOEXEC, FIRST_FD + (int)n);
		if (high[i] < 0)
			return -errno;
	}
	for (size_t i = 0; i < n; i++)
		if (dup2(high[i], FIRST_FD + (int)i) < 0)
			return -errno;
	return 0;
}

/* "bind@{}" becomes "bind@3". A new string, or NULL. */
static char *substitute(const char *arg)
{
	char number[12], *out;
	size_t size = strlen(arg) + 1, used = 0;
	const char *braces;

	snprintf(number, sizeof number, "%d", FIRST_FD);
	/* a number of one digit is shorter than the braces that it replaces */
	out = malloc(size);
	if (!out)
		return NULL;
	while ((braces = strstr(arg, "{}"))) {
		memcpy(out + used, arg, (size_t)(braces - arg));
		used += (size_t)(braces - arg);
		memcpy(out + used, number, strlen(number));
		used += strlen(number);
		arg = braces + 2;
	}
	strcpy(out + used, arg);
	return out;
}

static void substitute_all(char **argv)
{
	for (; *argv; argv++) {
		char *with = strstr(*argv, "{}") ? substitute(*argv) : *argv;

		if (with)
			*argv = with;
	}
}

static _Noreturn void run_program(const struct program *p, pid_t agent)
{
	reset_signals();
	/* a server must not go on without the name it is reached by, and hold its port */
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	if (getppid() != agent)
		_exit(CODE_TEMPORARY);
	if (place_fds(p->fds, p->nfds) < 0) {
		complain("cannot put descriptors in place for %s", p->argv[0]);
		_exit(CODE_TEMPORARY);
	}
	unsetenv("LISTEN_FDS");
	unsetenv("LISTEN_PID");
	unsetenv("LISTEN_FDNAMES");
	if (p->listen_names) {
		set_number("LISTEN_FDS", p->nfds);
		set_number("LISTEN_PID", (uint64_t)getpid());
		setenv("LISTEN_FDNAMES", p->listen_names, 1);
	}
	if (p->sockpair) {
		set_number("INTRO_SOCKPAIR", FIRST_FD);
		substitute_all(p->argv);
	}
	become(p->argv);
}

pid_t program_start(const struct program *program)
{
	pid_t agent = getpid(), pid = fork();

	if (pid == 0)
		run_program(program, agent);
	return pid < 0 ? -errno : pid;
}

/* Who the client is, as far as it is known. */
static void set_peer(const char *name, const struct intro_event *e)
{
	static const char *const all[] = { "INTRO_NAME", "INTRO_SESSION", "INTRO_PEER_DOOR",
					   "INTRO_PEER_LABEL", "INTRO_PEER_UID",
					   "INTRO_PEER_PID" };

	for (size_t i = 0; i < sizeof all / sizeof *all; i++)
		unsetenv(all[i]);
	setenv("INTRO_NAME", name, 1);
	set_number("INTRO_SESSION", e->session);
	if (*e->door)
		setenv("INTRO_PEER_DOOR", e->door, 1);
	if (*e->label)
		setenv("INTRO_PEER_LABEL", e->label, 1);
	if (e->uid >= 0)
		set_number("INTRO_PEER_UID", (uint64_t)e->uid);
	/* the kernel says 0 for a process in another pid namespace */
	if (e->pid > 0)
		set_number("INTRO_PEER_PID", (uint64_t)e->pid);
}

static _Noreturn void run_session(char **argv, const char *name, const struct intro_event *e)
{
	int flags = fcntl(e->fd, F_GETFL);

	reset_signals();
	if (flags < 0 || fcntl(e->fd, F_SETFL, flags & ~O_NONBLOCK) < 0 ||
	    dup2(e->fd, STDIN_FILENO) < 0 || dup2(e->fd, STDOUT_FILENO) < 0)
		_exit(CODE_TEMPORARY);
	set_peer(name, e);
	become(argv);
}

pid_t program_start_session(char **argv, const char *name, const struct intro_event *event)
{
	pid_t pid = fork();

	if (pid == 0)
		run_session(argv, name, event);
	return pid < 0 ? -errno : pid;
}

int program_find(const char *file)
{
	const char *path = getenv("PATH");
	int error = -ENOENT;

	if (strchr(file, '/'))
		return access(file, X_OK) < 0 ? -errno : 0;
	/* execvp(3)'s own, when there is none */
	for (path = path ? path : "/bin:/usr/bin"; path;) {
		size_t len = strcspn(path, ":");
		char full[4096];
		int n;

		n = snprintf(full, sizeof full, "%.*s%s%s", (int)len, path, len ? "/" : "", file);
		if (n > 0 && (size_t)n < sizeof full) {
			if (access(full, X_OK) == 0)
				return 0;
			if (errno == EACCES)
				error = -EACCES;
		}
		path = path[len] ? path + len + 1 : NULL;
	}
	return error;
}

int program_code(int status)
{
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
