/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Starting the user's broker: one at a time (a lock file), as a daemon of its own session,
 * waiting for its readiness over a pipe. introd is the one installed or built beside us, so
 * that a build tree never starts an older broker found in PATH.
 */
#include "spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "cli.h"
#include "fd.h"

#ifndef LIBEXECDIR
#define LIBEXECDIR "/usr/local/libexec"
#endif

#define START_SECONDS 10	/* for a program that needs some 10 ms */
#define IDLE_EXIT "--idle-exit=60" /* seconds: a broker is started in less than one again */
#define APPEAR_MS 2000		/* for a switch that is started anew */
#define READY_FD 3
#define LOG_FILE "start.log"	/* what a broker that does not start says */

static int64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* The base directory, ours alone: /tmp is everybody's. A descriptor or a negative errno. */
static int open_base(const char *base)
{
	_cleanup_close_ int fd = -1;
	struct stat st;

	if (mkdir(base, 0700) < 0 && errno != EEXIST) {
		int error = -errno;

		complain("cannot make the broker's directory %s: %s", base, strerror(-error));
		return -ESTALE;
	}
	fd = open(base, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0) {
		complain("cannot open the broker's directory %s: %s", base, strerror(errno));
		return -ESTALE;
	}
	if (st.st_uid != geteuid() || (st.st_mode & 077)) {
		complain("%s is not this user's alone (wanted: uid %u, mode 0700; found: uid %u, "
			 "mode %04o)\nRemove it, or set XDG_RUNTIME_DIR to a directory of your own",
			 base, (unsigned int)geteuid(), (unsigned int)st.st_uid,
			 (unsigned int)st.st_mode & 07777);
		return -ESTALE;
	}
	return fd_steal(&fd);
}

static bool broker_listens(const char *base)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	_cleanup_close_ int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int n = snprintf(sa.sun_path, sizeof sa.sun_path, "%s/control.sock", base);

	if (fd < 0 || n < 0 || (size_t)n >= sizeof sa.sun_path)
		return false;
	return connect(fd, (struct sockaddr *)&sa, sizeof sa) == 0 || errno == EAGAIN;
}

static bool broker_appears(const char *base, int64_t deadline)
{
	static const struct timespec pause = { .tv_nsec = 10 * 1000 * 1000 };

	while (!broker_listens(base)) {
		if (now_ms() >= deadline)
			return false;
		nanosleep(&pause, NULL);
	}
	return true;
}

/* Wait for our turn; the lock goes with the descriptor. -EEXIST when a broker is there. */
static int lock_start(const char *base, int base_fd, int64_t deadline)
{
	static const struct timespec pause = { .tv_nsec = 10 * 1000 * 1000 };
	_cleanup_close_ int fd = -1;

	fd = openat(base_fd, "start.lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return -errno;
	while (flock(fd, LOCK_EX | LOCK_NB) < 0) {
		if (errno != EWOULDBLOCK && errno != EINTR)
			return -errno;
		if (broker_listens(base))
			return -EEXIST;
		if (now_ms() >= deadline)
			return -ETIMEDOUT;
		nanosleep(&pause, NULL);
	}
	return broker_listens(base) ? -EEXIST : fd_steal(&fd);
}

static void exec_beside(char *const argv[])
{
	char path[4096];
	ssize_t n = readlink("/proc/self/exe", path, sizeof path - sizeof "introd");
	char *slash;

	if (n > 0) {
		path[n] = '\0';
		slash = strrchr(path, '/');
		if (slash) {
			strcpy(slash + 1, "introd");
			execv(path, argv);
		}
	}
	execv(LIBEXECDIR "/introd", argv);
	execvp("introd", argv);
}

/* In the grandchild: becomes the broker. */
static _Noreturn void become_broker(const char *base, int ready, int log)
{
	char ready_fd[] = "--ready-fd=3";
	char *argv[] = { "introd", "--user", "--base", (char *)base, IDLE_EXIT, ready_fd,
			 "--log-stderr", NULL };
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	sigset_t none;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	if (null < 0 || dup2(null, 0) < 0 || dup2(null, 1) < 0 || dup2(log, 2) < 0)
		_exit(CODE_TEMPORARY);
	if (ready == READY_FD ? fcntl(ready, F_SETFD, 0) < 0 : dup2(ready, READY_FD) < 0)
		_exit(CODE_TEMPORARY);
	close_range(READY_FD + 1, ~0u, 0);
	if (chdir("/") < 0)
		_exit(CODE_TEMPORARY);
	exec_beside(argv);
	dprintf(2, "cannot run introd (not beside intro, not in " LIBEXECDIR
		   ", not in PATH): %s\n", strerror(errno));
	_exit(CODE_TEMPORARY);
}

/* Twice forked, so that it is nobody's child and holds no terminal. */
static int fork_broker(const char *base, int ready, int log)
{
	pid_t pid = fork();
	int status;

	if (pid < 0)
		return -errno;
	if (pid == 0) {
		setsid();
		pid = fork();
		if (pid == 0)
			become_broker(base, ready, log);
		_exit(pid < 0);
	}
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -EAGAIN;
}

/* One byte says that it is ready, the end of the pipe that it will never be. */
static int wait_ready(int ready, int64_t deadline)
{
	for (;;) {
		struct pollfd p = { .fd = ready, .events = POLLIN };
		int64_t left = deadline - now_ms();
		char byte;

		if (left <= 0)
			return -ETIMEDOUT;
		if (poll(&p, 1, (int)left) <= 0)
			continue;
		return read(ready, &byte, 1) == 1 ? 0 : -ECONNREFUSED;
	}
}

/* The last line of what it said. */
static void say_log(int base_fd, int why)
{
	_cleanup_close_ int fd = openat(base_fd, LOG_FILE, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	char text[1024] = "";
	char *line;
	off_t end;
	ssize_t n = -1;

	if (fd >= 0) {
		end = lseek(fd, 0, SEEK_END);
		n = pread(fd, text, sizeof text - 1,
			  end > (off_t)sizeof text - 1 ? end - (off_t)sizeof text + 1 : 0);
	}
	while (n > 0 && (text[n - 1] == '\n' || text[n - 1] == '\0'))
		n--;
	text[n > 0 ? n : 0] = '\0';
	line = strrchr(text, '\n');
	line = line ? line + 1 : text;
	complain("cannot start the user's broker: %s",
		 *line ? line : why == -ETIMEDOUT ? "it was not ready within 10 s" :
						    "it ended at once");
}

static int start_locked(const char *base, int base_fd, int64_t deadline)
{
	_cleanup_close_ int ready_read = -1, ready_write = -1, log = -1;
	int ready[2], r;

	log = openat(base_fd, LOG_FILE,
		     O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (log < 0 || pipe2(ready, O_CLOEXEC) < 0)
		return -errno;
	ready_read = ready[0];
	ready_write = ready[1];
	r = fork_broker(base, ready_write, log);
	if (r < 0)
		return r;
	closep(&ready_write);
	ready_write = -1;
	r = wait_ready(ready_read, deadline);
	/* it does not start beside another one, whose switch may just be starting anew */
	if (r == -ECONNREFUSED && broker_appears(base, now_ms() + APPEAR_MS))
		return 0;
	if (r < 0) {
		say_log(base_fd, r);
		return -ESTALE;
	}
	return 0;
}

int spawn_broker(const char *base)
{
	int64_t deadline = now_ms() + START_SECONDS * 1000;
	_cleanup_close_ int base_fd = -1, lock = -1;

	base_fd = open_base(base);
	if (base_fd < 0)
		return base_fd;
	lock = lock_start(base, base_fd, deadline);
	if (lock < 0)
		return lock == -EEXIST ? 0 : lock;
	return start_locked(base, base_fd, deadline);
}
