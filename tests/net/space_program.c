/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Programs in namespaces, and their ends: space.h.
 */
#include "space.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* Exit status of a child that could not become what it was to be. */
#define SPACE_FAILED 98

pid_t space_fork(void)
{
	pid_t parent = getpid(), pid = fork();

	if (pid < 0)
		return -errno;
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (getppid() != parent)
			_exit(SPACE_FAILED);
	}
	return pid;
}

int space_wait(pid_t pid, int timeout_ms)
{
	int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	struct pollfd p = { .fd = pidfd, .events = POLLIN };
	int status, ready;

	if (pidfd < 0)
		return -errno;
	do
		ready = poll(&p, 1, timeout_ms);
	while (ready < 0 && errno == EINTR);
	close(pidfd);
	if (ready <= 0)
		kill(pid, SIGKILL);
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	if (ready <= 0)
		return -ETIMEDOUT;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

void space_end(pid_t pid)
{
	if (pid <= 0)
		return;
	kill(pid, SIGTERM);
	space_wait(pid, 1000);
}

static void set_sysctl(const char *assignment)
{
	char path[160];
	const char *value = strchr(assignment, '=');
	int fd;

	if (!value)
		return;
	snprintf(path, sizeof path, "/proc/sys/%.*s", (int)(value - assignment), assignment);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return;
	/* One that is refused is another default than we would like. */
	if (write(fd, value + 1, strlen(value + 1)) < 0)
		errno = 0;
	close(fd);
}

/* Descriptors above 2 survive only where they are in keep. */
static void keep_only(const struct space_program *program)
{
	syscall(SYS_close_range, 3u, ~0u, 1u << 2 /* CLOSE_RANGE_CLOEXEC */);
	for (size_t i = 0; i < program->keep_n; i++)
		fcntl(program->keep[i], F_SETFD, 0);
}

static _Noreturn void become(const struct space *space, const struct space_program *program)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	const char *path = getenv("PATH");
	char wider[4096];

	if (space_enter(space) < 0)
		_exit(SPACE_FAILED);
	for (const char *const *s = program->sysctls; s && *s; s++)
		set_sysctl(*s);
	if (dup2(program->in < 0 ? null : program->in, 0) < 0 ||
	    dup2(program->out < 0 ? null : program->out, 1) < 0 ||
	    (program->err != SPACE_STDERR && dup2(program->err < 0 ? null : program->err, 2) < 0))
		_exit(SPACE_FAILED);
	keep_only(program);
	snprintf(wider, sizeof wider, "%s:/usr/sbin:/sbin", path ? path : "/usr/bin:/bin");
	setenv("PATH", wider, 1);
	execvp(program->argv[0], (char *const *)(uintptr_t)program->argv);
	_exit(SPACE_FAILED);
}

pid_t space_spawn(const struct space *space, const struct space_program *program)
{
	pid_t pid = space_fork();

	if (pid == 0)
		become(space, program);
	return pid;
}

pid_t space_feed(const struct space *space, const struct space_program *program,
		 const char *text)
{
	struct space_program fed = *program;
	size_t len = strlen(text);
	int fd = memfd_create("input", MFD_CLOEXEC);
	pid_t pid;

	if (fd < 0)
		return -errno;
	if (write(fd, text, len) != (ssize_t)len || lseek(fd, 0, SEEK_SET) < 0) {
		close(fd);
		return -EIO;
	}
	fed.in = fd;
	pid = space_spawn(space, &fed);
	close(fd);
	return pid;
}
