/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Leaks, waiting, files: harness.h.
 */
#include "harness.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static pid_t test_pid;	/* the process in which Criterion may be called */

__attribute__((constructor)) static void remember_process(void)
{
	test_pid = getpid();
}

void harness_note(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	flockfile(stderr);
	fputs("# ", stderr);
	vfprintf(stderr, format, args);
	fputc('\n', stderr);
	funlockfile(stderr);
	va_end(args);
}

void harness_fail(const char *format, ...)
{
	char text[2048];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof text, format, args);
	va_end(args);
	if (getpid() == test_pid)
		cr_assert_fail("%s", text);
	dprintf(STDERR_FILENO, "child %d: %s\n", getpid(), text);
	_exit(CHILD_FAILED);
}

int must(long result, const char *file, int line, const char *call)
{
	if (result == -1)
		harness_fail("%s:%d: %s: %m", file, line, call);
	return (int)result;
}

/* ---- descriptors ---- */

int fd_count_of(pid_t pid)
{
	char path[32];
	int n = 0;
	DIR *dir;

	snprintf(path, sizeof path, "/proc/%d/fd", pid);
	dir = opendir(path);
	if (!dir)
		return -1;
	for (const struct dirent *e; (e = readdir(dir));)
		n += e->d_name[0] != '.';
	closedir(dir);
	return n;
}

int fd_count(void)
{
	/* less the one that counts */
	return MUST(fd_count_of(getpid())) - 1;
}

/* "3 → socket:[123], …" of everything open, cut where it does not fit. */
static void fd_names(char *buf, size_t size)
{
	DIR *dir = opendir("/proc/self/fd");
	size_t used = 0;

	buf[0] = '\0';
	for (const struct dirent *e; dir && (e = readdir(dir));) {
		char target[64];
		ssize_t n;
		int put;

		if (e->d_name[0] == '.')
			continue;
		n = readlinkat(dirfd(dir), e->d_name, target, sizeof target - 1);
		target[n < 0 ? 0 : n] = '\0';
		put = snprintf(buf + used, size - used, "%s=%s ", e->d_name, target);
		if (put < 0 || (size_t)put >= size - used)
			break;
		used += (size_t)put;
	}
	if (dir)
		closedir(dir);
}

void leak_check_begin(struct leak_check *check)
{
	check->fds = fd_count();
	fd_names(check->names, sizeof check->names);
}

void leak_check_end(const struct leak_check *check)
{
	char names[sizeof check->names];
	pid_t left;

	if (fd_count() != check->fds) {
		fd_names(names, sizeof names);
		harness_fail("%d descriptors at the end, %d at the beginning\nbefore: %s\n"
			     "after:  %s", fd_count(), check->fds, check->names, names);
	}
	left = waitpid(-1, NULL, WNOHANG);
	if (left != -1 || errno != ECHILD)
		harness_fail("a child was not waited for (%d)", left);
}

/* ---- waiting ---- */

int64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

bool wait_until(bool (*cond)(void *arg), void *arg)
{
	int64_t end = now_ms() + HANG_MS;

	while (!cond(arg)) {
		if (now_ms() >= end)
			return false;
		nanosleep(&(struct timespec){ .tv_nsec = 2000000 }, NULL);
	}
	return true;
}

bool wait_fd(int fd, short events)
{
	struct pollfd p = { .fd = fd, .events = events };
	int64_t end = now_ms() + HANG_MS;
	int n;

	do
		n = poll(&p, 1, (int)(end - now_ms()));
	while (n < 0 && errno == EINTR && now_ms() < end);
	return n > 0;
}

/* ---- files ---- */

void dir_make(char ret[static DIR_BYTES])
{
	const char *tmp = getenv("TMPDIR");
	int n = snprintf(ret, DIR_BYTES, "%s/XXXXXX", tmp && *tmp ? tmp : "/tmp");

	/* the sockets in it have names of their own, and sun_path is short */
	if (n < 0 || (size_t)n >= DIR_BYTES)
		harness_fail("TMPDIR is too long: %s", tmp);
	if (!mkdtemp(ret))
		harness_fail("mkdtemp %s: %m", ret);
}

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *where)
{
	(void)st;
	(void)flag;
	(void)where;
	return remove(path);
}

unsigned int dir_entries(const char *dir)
{
	DIR *entries = opendir(dir);
	unsigned int n = 0;

	if (!entries)
		harness_fail("%s: %m", dir);
	while (readdir(entries))
		n++;
	closedir(entries);
	return n;
}

void dir_remove(const char *dir)
{
	if (nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS | FTW_MOUNT) != 0)
		harness_fail("cannot remove %s: %m", dir);
}

char *fd_read(int fd, size_t *ret_len)
{
	size_t used = 0, size = 0;
	char *text = NULL, *more;
	ssize_t n;

	do {
		if (used == size) {
			size += 65536;
			more = realloc(text, size + 1);
			if (!more)
				harness_fail("no memory");
			text = more;
		}
		n = pread(fd, text + used, size - used, (off_t)used);
		if (n < 0)
			harness_fail("reading a file: %m");
		used += (size_t)n;
	} while (n > 0);
	text[used] = '\0';
	if (ret_len)
		*ret_len = used;
	return text;
}

char *file_read(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	char *text;

	if (fd < 0)
		return NULL;
	text = fd_read(fd, NULL);
	close(fd);
	return text;
}

void file_write(const char *path, const char *text)
{
	int fd = MUST(open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));

	if (write(fd, text, strlen(text)) != (ssize_t)strlen(text))
		harness_fail("writing %s: %m", path);
	close(fd);
}
