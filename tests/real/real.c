/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Programs of real.h.
 */
#include "real.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define MAX_WORDS 16u

/* ---- a broker ---- */

void real_begin(struct real *r, const struct broker_options *options)
{
	broker_start(&r->b, options ? options : &(struct broker_options){ .countable = true });
	r->fds = broker_fd_count(&r->b);
}

void real_end(struct real *r)
{
	if (r->fds >= 0 && !broker_fds_settle(&r->b, r->fds))
		harness_fail("the switch has %d descriptors open, %d at the beginning",
			     broker_fd_count(&r->b), r->fds);
	broker_stop(&r->b);
}

void cli_must_succeed(const struct broker *b, const char *const *argv)
{
	_cleanup_run_ struct run r = { 0 };

	broker_cli(b, &r, argv, 0);
	if (r.status != 0)
		harness_fail("intro %s %s: status %d: %s", argv[1], argv[2], r.status, r.err);
}

void base_path(const struct broker *b, char ret[static PATH_BYTES], const char *format, ...)
{
	int n = snprintf(ret, PATH_BYTES, "%s/", b->base), more;
	va_list args;

	va_start(args, format);
	more = vsnprintf(ret + n, PATH_BYTES - (size_t)n, format, args);
	va_end(args);
	if (more < 0 || (size_t)(n + more) >= PATH_BYTES)
		harness_fail("a path is too long: %s", ret);
}

void dir_path(const struct broker *b, char ret[static PATH_BYTES], const char *file)
{
	int n = snprintf(ret, PATH_BYTES, "%s/%s", b->dir, file);

	if (n < 0 || (size_t)n >= PATH_BYTES)
		harness_fail("a path is too long: %s", ret);
}

/* ---- agents ---- */

/* argv[4] is the place for the descriptor's number. */
pid_t agent_run_ready(const struct broker *b, const struct spawn *how,
		      const char *const *argv)
{
	struct spawn with = how ? *how : (struct spawn){ 0 };
	const char *args[64];
	char number[12], log[PATH_BYTES], byte;
	size_t n = 0, kept = 0;
	int ready[2], keep[8], err = -1;
	pid_t pid;
	bool served;

	for (; argv[n] && n < sizeof args / sizeof *args - 1; n++)
		args[n] = argv[n];
	args[n] = NULL;
	MUST(pipe2(ready, O_CLOEXEC));
	snprintf(number, sizeof number, "%d", ready[1]);
	args[4] = number;
	for (const int *fd = with.keep; fd && *fd >= 0 && kept < 6; fd++)
		keep[kept++] = *fd;
	keep[kept++] = ready[1];
	keep[kept] = -1;
	with.keep = keep;
	dir_path(b, log, "agents.log");
	if (!with.err && !getenv("TEST_LOG"))
		with.err = err = MUST(open(log, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0600));
	pid = broker_cli_spawn(b, &with, args);
	close(ready[1]);
	served = wait_fd(ready[0], POLLIN) && read(ready[0], &byte, 1) == 1;
	close(ready[0]);
	if (!served) {
		kill(pid, SIGKILL);
		harness_fail("intro serve %s: not served; it said:\n%s", argv[2],
			     err >= 0 ? fd_read(err, NULL) : "(elsewhere)");
	}
	if (err >= 0)
		close(err);
	return pid;
}

int agent_stop(pid_t agent)
{
	kill(agent, SIGTERM);
	return child_wait(agent);
}

struct child_search {
	pid_t parent, found;
};

static bool has_child(void *arg)
{
	struct child_search *s = arg;
	char path[64], *children;

	snprintf(path, sizeof path, "/proc/%d/task/%d/children", s->parent, s->parent);
	children = file_read(path);
	s->found = children ? (pid_t)atoi(children) : 0;
	free(children);
	return s->found > 0;
}

pid_t only_child(pid_t pid)
{
	struct child_search s = { .parent = pid };

	if (!wait_until(has_child, &s))
		harness_fail("process %d has no child", pid);
	return s.found;
}

static bool has_no_child(void *arg)
{
	struct child_search *s = arg;

	return !has_child(s);
}

bool childless(pid_t pid)
{
	return wait_until(has_no_child, &(struct child_search){ .parent = pid });
}

/* ---- audit ---- */

struct audit_search {
	char path[PATH_BYTES];
	const char *const *words;
	int least, found;
};

/* Whether word stands in line between blanks. */
static bool has_word(const char *line, size_t len, const char *word)
{
	size_t n = strlen(word);

	for (const char *p = line; (p = memmem(p, len - (size_t)(p - line), word, n)); p++)
		if ((p == line || p[-1] == ' ') &&
		    (p + n == line + len || p[n] == ' '))
			return true;
	return false;
}

static bool has_words(const char *line, size_t len, const char *const *words)
{
	for (; *words; words++)
		if (!has_word(line, len, *words))
			return false;
	return true;
}

static bool count_lines(void *arg)
{
	struct audit_search *s = arg;
	char *text = file_read(s->path);

	s->found = 0;
	for (const char *line = text; line && *line;) {
		size_t len = strcspn(line, "\n");

		s->found += has_words(line, len, s->words);
		line += len + (line[len] == '\n');
	}
	free(text);
	return s->found >= s->least;
}

int audit_lines(const struct broker *b, int least, const char *const *words)
{
	struct audit_search s = { .words = words, .least = least };

	if (b->system)
		dir_path(b, s.path, "audit.log");
	else
		base_path(b, s.path, "audit.log");
	if (!wait_until(count_lines, &s))
		harness_fail("%d audit lines with \"%s %s …\", wanted %d", s.found, words[0],
			     words[1] ? words[1] : "", least);
	return s.found;
}

bool audit_find(const struct broker *b, const char *const *words)
{
	return audit_lines(b, 1, words) > 0;
}

/* ---- places ---- */

static void write_map(const char *path, unsigned int id)
{
	char map[32];

	snprintf(map, sizeof map, "%u %u 1", id, id);
	file_write(path, map);
}

static int enter_net_alone(void)
{
	uid_t uid = geteuid();
	gid_t gid = getegid();
	struct ifreq loopback = { .ifr_name = "lo", .ifr_flags = IFF_UP };
	int sock, r;

	if (unshare(uid == 0 ? CLONE_NEWNET : CLONE_NEWUSER | CLONE_NEWNET) < 0)
		return -errno;
	if (uid != 0) {
		write_map("/proc/self/uid_map", uid);
		file_write("/proc/self/setgroups", "deny");
		write_map("/proc/self/gid_map", gid);
		/* a change of credentials forgets it */
		prctl(PR_SET_PDEATHSIG, SIGKILL);
	}
	sock = MUST(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
	r = ioctl(sock, SIOCSIFFLAGS, &loopback) < 0 ? -errno : 0;
	close(sock);
	return r;
}

void net_alone(const void *unused)
{
	int r = enter_net_alone();

	(void)unused;
	if (r < 0)
		harness_fail("no network namespace: %s", strerror(-r));
}

static int try_net_alone(void *unused)
{
	(void)unused;
	return enter_net_alone() < 0;
}

bool net_alone_works(void)
{
	return child_call(try_net_alone, NULL) == 0;
}

void own_group(const void *unused)
{
	(void)unused;
	MUST(setpgid(0, 0));
}

void group_kill(pid_t leader)
{
	kill(-leader, SIGKILL);
	child_wait(leader);
}

void become_uid(const void *uid)
{
	child_become(*(const uid_t *)uid);
}

bool sandbox_works(void)
{
	_cleanup_run_ struct run r = { 0 };

	run(&r, &(struct spawn){ .argv = (const char *const[]){
		"bwrap", "--unshare-all", "--die-with-parent", "--dev-bind", "/", "/", "true",
		NULL } });
	return r.status == 0;
}

/* ---- sockets ---- */

static bool accepts(void *arg)
{
	int fd = unix_connect(arg, SOCK_STREAM);

	if (fd < 0)
		return false;
	close(fd);
	return true;
}

bool answers(const char *path)
{
	return wait_until(accepts, (void *)path);
}

bool speaks(int fd, const char *say, const char *wanted)
{
	char got[256];
	size_t n = 0;

	if (*say && send(fd, say, strlen(say), MSG_NOSIGNAL) != (ssize_t)strlen(say))
		return false;
	while (n < strlen(wanted)) {
		ssize_t more = wait_fd(fd, POLLIN) ? read(fd, got + n, sizeof got - n) : 0;

		if (more <= 0)
			return false;
		n += (size_t)more;
	}
	return memcmp(got, wanted, strlen(wanted)) == 0;
}
