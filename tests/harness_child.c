/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Children and programs that cannot outlive their test: harness.h.
 */
#include "harness.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

pid_t child_fork(void)
{
	pid_t parent = getpid(), pid = MUST(fork());

	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (getppid() != parent)
			_exit(CHILD_FAILED);
	}
	return pid;
}

int child_wait(pid_t pid)
{
	int fd = MUST(syscall(SYS_pidfd_open, pid, 0));
	bool ended = wait_fd(fd, POLLIN);
	int status;

	close(fd);
	if (!ended)
		kill(pid, SIGKILL);
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			harness_fail("waitpid %d: %m", pid);
	if (!ended)
		harness_fail("process %d still ran after %d ms", pid, HANG_MS);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

void child_kill(pid_t pid)
{
	kill(pid, SIGKILL);
	child_wait(pid);
}

pid_t child_start(void (*act)(const void *arg, int ready), const void *arg)
{
	int ready[2];
	pid_t pid;
	char byte;

	MUST(pipe2(ready, O_CLOEXEC));
	pid = child_fork();
	if (pid == 0) {
		close(ready[0]);
		act(arg, ready[1]);
		_exit(CHILD_FAILED);
	}
	close(ready[1]);
	if (!wait_fd(ready[0], POLLIN) || read(ready[0], &byte, 1) != 1)
		harness_fail("process %d does not get as far as it should", pid);
	close(ready[0]);
	return pid;
}

_Noreturn void child_stay(int ready)
{
	MUST(write(ready, "", 1));
	for (;;)
		pause();
}

void children_adopt(void)
{
	MUST(prctl(PR_SET_CHILD_SUBREAPER, 1));
}

int children_end(void)
{
	char path[64], *children, *next;
	int n = 0, status;

	snprintf(path, sizeof path, "/proc/self/task/%d/children", getpid());
	children = file_read(path);
	if (!children)
		harness_fail("%s: %m", path);
	next = children;
	for (pid_t pid; (pid = (pid_t)strtol(next, &next, 10)) > 0; n++) {
		kill(pid, SIGTERM);
		status = child_wait(pid);
		if (status != 0)
			harness_fail("process %d ended with status %d", pid, status);
	}
	free(children);
	return n;
}

int child_call(int (*fn)(void *arg), void *arg)
{
	pid_t pid = child_fork();

	if (pid == 0)
		_exit(fn(arg));
	return child_wait(pid);
}

void child_become(uid_t uid)
{
	MUST(setgroups(0, NULL));
	MUST(setresgid(uid, uid, uid));
	MUST(setresuid(uid, uid, uid));
	/* a change of uid forgets it */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
}

_Noreturn void spawn_exec(const struct spawn *how)
{
	int null;

	if (how->before)
		how->before(how->before_arg);
	null = MUST(open("/dev/null", O_RDWR | O_CLOEXEC));
	MUST(dup2(how->in ? how->in : null, 0));
	MUST(dup2(how->out ? how->out : null, 1));
	if (how->err)
		MUST(dup2(how->err, 2));
	MUST(close_range(3, ~0u, CLOSE_RANGE_CLOEXEC));
	for (const int *fd = how->keep; fd && *fd >= 0; fd++)
		MUST(fcntl(*fd, F_SETFD, 0));
	for (const char *const *set = how->env; set && *set; set++)
		/* putenv() without '=' unsets */
		putenv((char *)*set);
	/* A test that ignores a signal does not mean the programs it starts. */
	signal(SIGPIPE, SIG_DFL);
	execvp(how->argv[0], (char *const *)how->argv);
	harness_fail("cannot run %s: %m", how->argv[0]);
}

pid_t spawn(const struct spawn *how)
{
	pid_t pid = child_fork();

	if (pid == 0)
		spawn_exec(how);
	return pid;
}

/* Into files, not pipes: what a program leaves running behind it cannot hold them open. */
void run(struct run *ret, const struct spawn *how)
{
	struct spawn with = *how;

	with.out = MUST(memfd_create("stdout", MFD_CLOEXEC));
	with.err = MUST(memfd_create("stderr", MFD_CLOEXEC));
	ret->status = child_wait(spawn(&with));
	ret->out = fd_read(with.out, &ret->out_len);
	ret->err = fd_read(with.err, NULL);
	close(with.out);
	close(with.err);
}

void run_free(struct run *r)
{
	free(r->out);
	free(r->err);
	*r = (struct run){ 0 };
}
