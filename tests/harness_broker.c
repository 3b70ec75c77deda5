/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A broker started for real, and the command line run against it: harness.h.
 */
#include "harness.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAX_ARGS 32u

void program_path(const char *name, char ret[static PATH_BYTES])
{
	const char *build = getenv("INTRO_BUILD");
	int n = snprintf(ret, PATH_BYTES, "%s/%s", build && *build ? build : BUILD_DIR, name);

	if (n < 0 || (size_t)n >= PATH_BYTES)
		harness_fail("the build directory's path is too long: %s", build);
}

/* In the child: be the root of a user namespace that we own, so that the test may look into
 * undumpable processes in it. */
static void enter_own_userns(void)
{
	uid_t uid = geteuid();
	gid_t gid = getegid();
	char map[32];

	if (uid == 0)
		return;
	MUST(unshare(CLONE_NEWUSER));
	snprintf(map, sizeof map, "0 %u 1", uid);
	file_write("/proc/self/uid_map", map);
	file_write("/proc/self/setgroups", "deny");
	snprintf(map, sizeof map, "0 %u 1", gid);
	file_write("/proc/self/gid_map", map);
	prctl(PR_SET_PDEATHSIG, SIGKILL);	/* a change of credentials forgets it */
}

_Noreturn static void broker_exec(const struct broker *b, const struct broker_options *o,
				  int ready)
{
	char path[PATH_BYTES], base[PATH_BYTES], host[PATH_BYTES], fd[32], config[PATH_BYTES];
	char state[PATH_BYTES];
	const char *argv[MAX_ARGS] = { path, b->system ? "--system" : "--user", base, fd };
	size_t n = 4;

	program_path("introd", path);
	snprintf(base, sizeof base, "--base=%s", b->base);
	snprintf(host, sizeof host, "--host-dir=%s", b->host);
	snprintf(fd, sizeof fd, "--ready-fd=%d", ready);
	snprintf(config, sizeof config, "--config=%s/introd.conf", b->dir);
	snprintf(state, sizeof state, "--state=%s/state", b->dir);
	argv[n++] = state;
	if (b->system)
		argv[n++] = host;
	if (o->config)
		argv[n++] = config;
	for (const char *const *arg = o->args; arg && *arg && n < MAX_ARGS - 1; arg++)
		argv[n++] = *arg;

	if (o->uid)
		child_become(o->uid);
	if (o->nofile)
		MUST(setrlimit(RLIMIT_NOFILE, &(struct rlimit){ o->nofile, o->nofile }));
	if (o->countable)
		enter_own_userns();
	spawn_exec(&(struct spawn){
		.argv = argv,
		.env = (const char *const[]){ "LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES",
					      "NOTIFY_SOCKET", NULL },
		.keep = (const int[]){ ready, -1 },
		.err = getenv("TEST_LOG") ? 2 : MUST(open(b->log, O_WRONLY | O_CREAT |
							  O_APPEND | O_CLOEXEC, 0600)),
	});
}

/* Start what b says, and wait until it is ready. */
static void launch(struct broker *b, const struct broker_options *o)
{
	char byte, *log;
	bool ready;
	int pair[2];

	MUST(pipe2(pair, O_CLOEXEC));
	b->pid = child_fork();
	if (b->pid == 0)
		broker_exec(b, o, pair[1]);
	close(pair[1]);
	ready = wait_fd(pair[0], POLLIN) && read(pair[0], &byte, 1) == 1;
	close(pair[0]);
	if (!ready) {
		log = file_read(b->log);
		kill(b->pid, SIGKILL);
		harness_fail("introd did not start; it said:\n%s", log ? log : "(nothing)");
	}
}

void broker_start(struct broker *b, const struct broker_options *options)
{
	static const struct broker_options none;
	const struct broker_options *o = options ? options : &none;
	char path[PATH_BYTES];

	*b = (struct broker){ .system = o->system };
	dir_make(b->dir);
	/* others come through the system's door */
	if (b->system)
		MUST(chmod(b->dir, 0755));
	if (o->uid)
		MUST(chown(b->dir, o->uid, o->uid));
	snprintf(b->base, sizeof b->base, "%s/introd", b->dir);
	snprintf(b->host, sizeof b->host, "%s%s", b->system ? b->dir : b->base,
		 b->system ? "/host" : "/doors/host");
	snprintf(b->log, sizeof b->log, "%s/log", b->dir);
	if (o->config) {
		snprintf(path, sizeof path, "%s/introd.conf", b->dir);
		file_write(path, o->config);
	}
	launch(b, o);
}

void broker_start_again(struct broker *b, const struct broker_options *options)
{
	static const struct broker_options none;

	launch(b, options ? options : &none);
}

void broker_end(struct broker *b)
{
	int status;
	char *log;

	kill(b->pid, SIGTERM);
	status = child_wait(b->pid);
	if (status != 0) {
		log = file_read(b->log);
		harness_fail("introd ended with status %d; it said:\n%s", status,
			     log ? log : "(nothing)");
	}
	b->pid = 0;
}

void broker_stop(struct broker *b)
{
	broker_end(b);
	dir_remove(b->dir);
}

void broker_kill(struct broker *b)
{
	child_kill(b->pid);
	dir_remove(b->dir);
	b->pid = 0;
}

/* ---- its processes ---- */

pid_t broker_pid(const struct broker *b)
{
	return b->pid;
}

/* Whether a process was started with this argument. */
static bool has_argument(pid_t pid, const char *argument)
{
	char path[32], line[1024];
	ssize_t n;
	int fd;

	snprintf(path, sizeof path, "/proc/%d/cmdline", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	n = read(fd, line, sizeof line - 1);
	close(fd);
	line[n < 0 ? 0 : n] = '\0';
	for (ssize_t at = 0; at < n; at += (ssize_t)strlen(line + at) + 1)
		if (strcmp(line + at, argument) == 0)
			return true;
	return false;
}

struct search {
	pid_t parent, old, found;
};

static bool find_switch(void *arg)
{
	struct search *s = arg;
	char path[64], *children, *next;

	snprintf(path, sizeof path, "/proc/%d/task/%d/children", s->parent, s->parent);
	children = file_read(path);
	if (!children)
		harness_fail("%s: %m", path);
	s->found = 0;
	next = children;
	for (pid_t pid; !s->found && (pid = (pid_t)strtol(next, &next, 10)) > 0;)
		if (pid != s->old && has_argument(pid, "--room=switch"))
			s->found = pid;
	free(children);
	return s->found != 0;
}

pid_t broker_switch_pid(const struct broker *b, pid_t old)
{
	struct search s = { .parent = b->pid, .old = old };

	if (!wait_until(find_switch, &s))
		harness_fail("introd %d has no switch", b->pid);
	return s.found;
}

pid_t broker_switch_kill(const struct broker *b)
{
	pid_t old = broker_switch_pid(b, 0);

	MUST(kill(old, SIGKILL));
	return broker_switch_pid(b, old);
}

static bool task_sleeps(const char *pid, const char *task)
{
	char path[320], *stat, *state;
	bool asleep;

	snprintf(path, sizeof path, "/proc/%s/task/%s/stat", pid, task);
	stat = file_read(path);
	state = stat ? strrchr(stat, ')') : NULL;
	/* one that has ended meanwhile does nothing more */
	asleep = !state || state[2] == 'S' || state[2] == 'D';
	free(stat);
	return asleep;
}

static bool process_rests(void *arg)
{
	char pid[16], path[32];
	bool rests = true;
	struct dirent *e;
	DIR *tasks;

	snprintf(pid, sizeof pid, "%d", *(const pid_t *)arg);
	snprintf(path, sizeof path, "/proc/%s/task", pid);
	tasks = opendir(path);
	if (!tasks)
		return true;
	while (rests && (e = readdir(tasks)))
		if (e->d_name[0] != '.')
			rests = task_sleeps(pid, e->d_name);
	closedir(tasks);
	return rests;
}

int fd_count_at_rest(pid_t pid)
{
	if (!wait_until(process_rests, &pid))
		harness_fail("process %d is never at rest", pid);
	return fd_count_of(pid);
}

int broker_fd_count(const struct broker *b)
{
	return fd_count_of(broker_switch_pid(b, 0));
}

struct settle {
	const struct broker *b;
	int count;
};

static bool settled(void *arg)
{
	const struct settle *s = arg;

	return broker_fd_count(s->b) == s->count;
}

bool broker_fds_settle(const struct broker *b, int count)
{
	return wait_until(settled, &(struct settle){ b, count });
}

void broker_door(const struct broker *b, const char *name, char ret[static PATH_BYTES])
{
	if (strcmp(name, "host") == 0)
		snprintf(ret, PATH_BYTES, "%s", b->host);
	else
		snprintf(ret, PATH_BYTES, "%s/doors/%s", b->base, name);
}

/* ---- the command line ---- */

/* What leads `intro` to this broker: the user's directory, and in system mode the door. */
struct way_there {
	char path[PATH_BYTES], runtime[DIR_BYTES + 32], door[PATH_BYTES];
	const char *env[MAX_ARGS], *argv[2 * MAX_ARGS];
};

static void lead(const struct broker *b, const struct spawn *how, const char *const *argv,
		 struct way_there *w, struct spawn *ret)
{
	size_t n = 0;

	program_path(argv[0], w->path);
	snprintf(w->runtime, sizeof w->runtime, "XDG_RUNTIME_DIR=%s", b->dir);
	snprintf(w->door, sizeof w->door, b->system ? "INTRO_DOOR=%s" : "INTRO_DOOR", b->host);
	w->env[n++] = w->runtime;
	w->env[n++] = w->door;
	for (const char *const *set = how->env; set && *set && n < MAX_ARGS - 1; set++)
		w->env[n++] = *set;
	w->env[n] = NULL;

	n = 0;
	w->argv[n++] = w->path;
	for (const char *const *arg = argv + 1; *arg && n < 2 * MAX_ARGS - 1; arg++)
		w->argv[n++] = *arg;
	w->argv[n] = NULL;

	*ret = *how;
	ret->argv = w->argv;
	ret->env = w->env;
}

void broker_cli(const struct broker *b, struct run *ret, const char *const *argv, int in)
{
	struct way_there w;
	struct spawn how;

	lead(b, &(struct spawn){ .in = in }, argv, &w, &how);
	run(ret, &how);
}

pid_t broker_cli_spawn(const struct broker *b, const struct spawn *how,
		       const char *const *argv)
{
	struct way_there w;
	struct spawn with;

	lead(b, how, argv, &w, &with);
	return spawn(&with);
}
