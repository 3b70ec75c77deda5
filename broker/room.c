/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Starting and reaping rooms, as room.h says.
 */
#include "room.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "sandbox.h"

#ifndef LIBEXECDIR
#define LIBEXECDIR "/usr/local/libexec/introd"
#endif

#define BACKOFF_FIRST_US UINT64_C(10000)
#define BACKOFF_LAST_US UINT64_C(1000000)

uint64_t room_clock_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

int room_program(const char *name)
{
	char path[PATH_MAX + 64];
	ssize_t n = readlink("/proc/self/exe", path, PATH_MAX - 1);
	char *slash;
	int fd;

	if (n > 0) {
		path[n] = '\0';
		slash = strrchr(path, '/');
		snprintf(slash ? slash + 1 : path, 64, "%s", name);
		fd = open(path, O_PATH | O_CLOEXEC);
		if (fd >= 0)
			return fd;
	}
	snprintf(path, sizeof path, LIBEXECDIR "/%s", name);
	fd = open(path, O_PATH | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

/* In the child from here on: it ends by exec or _exit(). */

static void die(const char *what)
{
	dprintf(STDERR_FILENO, "introd: cannot start a room: %s: %m\n", what);
	_exit(127);
}

static void signals_reset(void)
{
	struct sigaction plain = { .sa_handler = SIG_DFL };
	sigset_t none;

	for (int s = 1; s < NSIG; s++)
		sigaction(s, &plain, NULL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

/* Put the descriptors where the room expects them, and close all others. The last but one
 * place is the program itself, close-on-exec. Returns that one. */
static int descriptors_place(const struct room_plan *plan)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	int top = 3 + (int)plan->nfds;
	int moved[16], exe;

	if (null < 0 || plan->nfds > 12)
		die("/dev/null");
	/* First all of them out of the way, since a source may sit in another's place. */
	for (int i = 0; i < top; i++) {
		int fd = i < 3 ? plan->stdio[i] : plan->fds[i - 3];

		moved[i] = fcntl(fd < 0 ? null : fd, F_DUPFD_CLOEXEC, top + 1);
		if (moved[i] < 0)
			die("descriptors");
	}
	exe = fcntl(plan->exe, F_DUPFD_CLOEXEC, top + 1);
	if (exe < 0 || dup3(exe, top, O_CLOEXEC) < 0)
		die("descriptors");
	for (int i = 0; i < top; i++)
		if (dup2(moved[i], i) < 0)
			die("descriptors");
	if (close_range((unsigned int)top + 1, ~0U, 0) < 0)
		for (int i = top + 1, last = (int)sysconf(_SC_OPEN_MAX); i < last; i++)
			close(i);
	return top;
}

static void room_become(const struct room_plan *plan, pid_t parent)
{
	int exe, r;

	signals_reset();
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(127);
	/* Out of the terminal's foreground: its ^C is for the parent, which stops us. Not a session
	 * of its own, which the scheduler would weigh as one against all others (sched(7)). */
	setpgid(0, 0);
	exe = descriptors_place(plan);
	if (plan->config_sandbox) {
		r = sandbox_enter(ROOM_CONFIG, plan->config_sandbox);
		if (r < 0) {
			errno = -r;
			die("sandbox");
		}
	}
	execveat(exe, "", plan->argv, environ, AT_EMPTY_PATH);
	die(plan->argv[0]);
}

int room_start(struct room *room, const struct room_plan *plan)
{
	pid_t parent = getpid(), pid = fork();
	int pidfd;

	if (pid < 0)
		return -errno;
	if (pid == 0)
		room_become(plan, parent);

	pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	if (pidfd < 0) {
		int error = errno;

		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
		return -error;
	}
	room->pid = pid;
	room->pidfd = pidfd;
	return 0;
}

static int reap(struct room *room, int flags, int *ret_code, int *ret_status)
{
	siginfo_t info = { 0 };
	int r;

	do
		r = waitid(P_PID, (id_t)room->pid, &info, WEXITED | flags);
	while (r < 0 && errno == EINTR);
	if (r == 0 && info.si_pid == 0)
		return -EAGAIN;
	*ret_code = r < 0 ? CLD_KILLED : info.si_code;
	*ret_status = r < 0 ? SIGKILL : info.si_status;
	close(room->pidfd);
	room->pidfd = -1;
	room->pid = 0;
	return 0;
}

int room_reap(struct room *room, int *ret_code, int *ret_status)
{
	return room->pid == 0 ? -EAGAIN : reap(room, WNOHANG, ret_code, ret_status);
}

void room_signal(const struct room *room, int signal)
{
	if (room->pid != 0)
		kill(room->pid, signal);
}

void room_kill(struct room *room)
{
	int code, status;

	if (room->pid == 0)
		return;
	kill(room->pid, SIGKILL);
	reap(room, 0, &code, &status);
}

uint64_t room_backoff(struct room_backoff *backoff, uint64_t now_us)
{
	if (now_us - backoff->started_us >= BACKOFF_LAST_US) {
		backoff->delay_us = 0;
		return now_us;
	}
	if (backoff->delay_us == 0)
		backoff->delay_us = BACKOFF_FIRST_US;
	else if (backoff->delay_us < BACKOFF_LAST_US / 2)
		backoff->delay_us *= 2;
	else
		backoff->delay_us = BACKOFF_LAST_US;
	return now_us + backoff->delay_us;
}

const char *room_ended(int code, int status, char *buf, size_t size)
{
	if (code == CLD_EXITED)
		snprintf(buf, size, "exited with status %d", status);
	else if (status == SIGSYS)
		snprintf(buf, size, "was killed by its system-call filter (SIGSYS)");
	else
		snprintf(buf, size, "was killed by signal %d (%s)", status, strsignal(status));
	return buf;
}
