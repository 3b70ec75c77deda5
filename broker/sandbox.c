/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rooms' permissions: the table, and how a row is put into force.
 */
#include "sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/sockios.h>
#include <malloc.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <stdint.h>
#include <sys/capability.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#if defined(__SANITIZE_ADDRESS__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(memory_sanitizer)
#define SANITIZED 1
#endif
#endif
#ifndef SANITIZED
#define SANITIZED 0
#endif

#define LENGTH(array) (sizeof(array) / sizeof((array)[0]))

/* ---- the switch. Calls without a condition are served by the kernel's bitmap, which makes
 * the filter cost next to nothing; so the calls of an introduction have none. */
static const int switch_calls[] = {
	/* an introduction */
	SCMP_SYS(epoll_wait), SCMP_SYS(epoll_pwait), SCMP_SYS(epoll_ctl),
	SCMP_SYS(recvmsg), SCMP_SYS(sendmsg), SCMP_SYS(socketpair), SCMP_SYS(accept4),
	SCMP_SYS(close), SCMP_SYS(getsockopt), SCMP_SYS(setsockopt), SCMP_SYS(write),
	SCMP_SYS(timerfd_settime), SCMP_SYS(clock_gettime),
	/* doors, and servers' own sockets followed in their directories */
	SCMP_SYS(bind), SCMP_SYS(listen), SCMP_SYS(getsockname), SCMP_SYS(openat),
	SCMP_SYS(newfstatat), SCMP_SYS(fstat), SCMP_SYS(statx), SCMP_SYS(mkdirat),
	SCMP_SYS(linkat), SCMP_SYS(unlinkat), SCMP_SYS(renameat), SCMP_SYS(renameat2),
	SCMP_SYS(getdents64), SCMP_SYS(fchmod), SCMP_SYS(fchmodat), SCMP_SYS(fchdir), SCMP_SYS(umask),
	SCMP_SYS(inotify_init1), SCMP_SYS(inotify_add_watch), SCMP_SYS(inotify_rm_watch),
	/* the rest of its life */
	SCMP_SYS(epoll_create1), SCMP_SYS(timerfd_create), SCMP_SYS(timerfd_gettime),
	SCMP_SYS(eventfd2), SCMP_SYS(pipe2), SCMP_SYS(shutdown), SCMP_SYS(sendto), SCMP_SYS(recvfrom),
	SCMP_SYS(read), SCMP_SYS(poll), SCMP_SYS(writev), SCMP_SYS(ftruncate),
	SCMP_SYS(clock_nanosleep), SCMP_SYS(getrandom), SCMP_SYS(getpid), SCMP_SYS(gettid),
	SCMP_SYS(getuid), SCMP_SYS(getppid),
	/* memory and threads, as the C library needs them */
	SCMP_SYS(futex), SCMP_SYS(munmap), SCMP_SYS(brk), SCMP_SYS(madvise), SCMP_SYS(mremap),
	SCMP_SYS(rt_sigprocmask), SCMP_SYS(rt_sigaction), SCMP_SYS(rt_sigreturn),
	SCMP_SYS(set_robust_list), SCMP_SYS(rseq), SCMP_SYS(sched_yield),
	SCMP_SYS(restart_syscall), SCMP_SYS(exit), SCMP_SYS(exit_group),
};

/* A call that is allowed when (argument & mask) == value; several rows are alternatives. */
struct condition {
	int call;
	unsigned int argument;
	uint64_t mask, value;
};

#define EXACTLY UINT64_C(0xffffffff)	/* the kernel looks at 32 bits of such an argument */

static const struct condition switch_conditions[] = {
	{ SCMP_SYS(socket), 0, EXACTLY, AF_UNIX },
	{ SCMP_SYS(ioctl), 1, EXACTLY, SIOCOUTQ },
	{ SCMP_SYS(ioctl), 1, EXACTLY, SIOCINQ },
	{ SCMP_SYS(ioctl), 1, EXACTLY, SIOCATMARK },
	{ SCMP_SYS(fcntl), 1, EXACTLY, F_GETFL },
	{ SCMP_SYS(fcntl), 1, EXACTLY, F_SETFL },
	{ SCMP_SYS(fcntl), 1, EXACTLY, F_GETFD },
	{ SCMP_SYS(fcntl), 1, EXACTLY, F_SETFD },
	{ SCMP_SYS(fcntl), 1, EXACTLY, F_DUPFD_CLOEXEC },
	{ SCMP_SYS(mmap), 2, PROT_EXEC, 0 },
	{ SCMP_SYS(mprotect), 2, PROT_EXEC, 0 },
	{ SCMP_SYS(clone), 0, CLONE_THREAD, CLONE_THREAD },	/* no process, only a thread */
	{ SCMP_SYS(prlimit64), 2, UINT64_MAX, 0 },		/* read a limit, set none */
};

/* ---- the store: its files, and the channel. It has no network, and starts nothing. */
static const int store_calls[] = {
	SCMP_SYS(recvmsg), SCMP_SYS(sendmsg), SCMP_SYS(close), SCMP_SYS(clock_gettime),
	SCMP_SYS(gettimeofday), SCMP_SYS(getrandom), SCMP_SYS(read), SCMP_SYS(write),
	/* SQLite, and the key's file */
	SCMP_SYS(openat), SCMP_SYS(open), SCMP_SYS(pread64), SCMP_SYS(pwrite64), SCMP_SYS(lseek),
	SCMP_SYS(fstat), SCMP_SYS(newfstatat), SCMP_SYS(stat), SCMP_SYS(lstat), SCMP_SYS(statx),
	SCMP_SYS(fsync), SCMP_SYS(fdatasync), SCMP_SYS(ftruncate), SCMP_SYS(unlink),
	SCMP_SYS(unlinkat), SCMP_SYS(rename), SCMP_SYS(renameat), SCMP_SYS(renameat2),
	SCMP_SYS(access), SCMP_SYS(faccessat), SCMP_SYS(faccessat2), SCMP_SYS(fchmod),
	SCMP_SYS(fchown), SCMP_SYS(fchdir), SCMP_SYS(getcwd), SCMP_SYS(readlink),
	SCMP_SYS(readlinkat), SCMP_SYS(flock), SCMP_SYS(mlock), SCMP_SYS(munlock), SCMP_SYS(umask),
	SCMP_SYS(geteuid), SCMP_SYS(getuid), SCMP_SYS(getpid), SCMP_SYS(gettid),
	SCMP_SYS(sysinfo), SCMP_SYS(clock_nanosleep),
	/* memory, and the end, as the C library needs them */
	SCMP_SYS(futex), SCMP_SYS(munmap), SCMP_SYS(brk), SCMP_SYS(madvise), SCMP_SYS(mremap),
	SCMP_SYS(rt_sigprocmask), SCMP_SYS(rt_sigaction), SCMP_SYS(rt_sigreturn),
	SCMP_SYS(restart_syscall), SCMP_SYS(exit), SCMP_SYS(exit_group),
};

static const struct condition store_conditions[] = {
	{ SCMP_SYS(fcntl), 1, EXACTLY, F_GETFL },
	{ SCMP_SYS(fcntl), 1, EXACTLY, F_SETFL },
	{ SCMP_SYS(fcntl), 1, EXACTLY, F_GETFD },
	{ SCMP_SYS(fcntl), 1, EXACTLY, F_SETFD },
	{ SCMP_SYS(fcntl), 1, EXACTLY, F_GETLK },
	{ SCMP_SYS(fcntl), 1, EXACTLY, F_SETLK },
	{ SCMP_SYS(fcntl), 1, EXACTLY, F_DUPFD_CLOEXEC },
	{ SCMP_SYS(mmap), 2, PROT_EXEC, 0 },
	{ SCMP_SYS(mprotect), 2, PROT_EXEC, 0 },
	{ SCMP_SYS(prlimit64), 2, UINT64_MAX, 0 },
};

/* Answered with an error instead of death: ENOSYS makes the C library use clone(). */
static const int switch_missing[] = { SCMP_SYS(clone3) };

/* The parent may change to a room's uid, end a room that has another uid, and empty the
 * bounding sets of the rooms it starts. */
static const cap_value_t parent_capabilities[] = { CAP_SETUID, CAP_SETGID, CAP_KILL,
						   CAP_SETPCAP };

#define UNCHANGED RLIM_INFINITY

static const struct row {
	bool changes_uid;		/* system mode: to sandbox_options.uid */
	const cap_value_t *keeps;	/* capabilities, in system mode */
	size_t nkeeps;
	rlim_t file_bytes;		/* it may write into files; UNCHANGED: any length */
	rlim_t processes;		/* it and its like may start */
	rlim_t cpu_sec;
	bool filter;			/* the lists below, else any system call */
	const int *calls;
	size_t ncalls;
	const struct condition *conditions;
	size_t nconditions;
	const int *missing;
	size_t nmissing;
} table[ROOM_KINDS] = {
	/* Reads nothing hostile. Has no filter, since a filter passes to what it starts. */
	[ROOM_PARENT] = {
		.keeps = parent_capabilities, .nkeeps = LENGTH(parent_capabilities),
		.file_bytes = UNCHANGED, .processes = UNCHANGED, .cpu_sec = UNCHANGED,
	},
	/* Reads what local clients send. Writes the audit log, hence no limit to a file. */
	[ROOM_SWITCH] = {
		.changes_uid = true,
		.file_bytes = UNCHANGED, .processes = UNCHANGED, .cpu_sec = UNCHANGED,
		.filter = true,
		.calls = switch_calls, .ncalls = LENGTH(switch_calls),
		.conditions = switch_conditions, .nconditions = LENGTH(switch_conditions),
		.missing = switch_missing, .nmissing = LENGTH(switch_missing),
	},
	/* Reads what the switch asks, and its own files. */
	[ROOM_STORE] = {
		.changes_uid = true,
		.file_bytes = UNCHANGED, .processes = UNCHANGED, .cpu_sec = UNCHANGED,
		.filter = true,
		.calls = store_calls, .ncalls = LENGTH(store_calls),
		.conditions = store_conditions, .nconditions = LENGTH(store_conditions),
		.missing = switch_missing, .nmissing = LENGTH(switch_missing),
	},
	/* Reads the configuration file once, and writes to two pipes. */
	[ROOM_CONFIG] = {
		.changes_uid = true,
		.file_bytes = 0, .processes = 0, .cpu_sec = 10,
	},
};

bool sandbox_filters(void)
{
	return !SANITIZED;
}

static int limit(__rlimit_resource_t resource, rlim_t value)
{
	struct rlimit l = { value, value };

	if (value == UNCHANGED)
		return 0;
	return setrlimit(resource, &l) < 0 ? -errno : 0;
}

static int limits_set(const struct row *row)
{
	struct rlimit files;
	int r;

	if (getrlimit(RLIMIT_NOFILE, &files) < 0)
		return -errno;
	files.rlim_cur = files.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &files) < 0)
		return -errno;
	r = limit(RLIMIT_CORE, 0);
	if (r == 0)
		r = limit(RLIMIT_CPU, row->cpu_sec);
	/* A sanitizer's runtime writes its report into a file, and starts a process. */
	if (r == 0 && !SANITIZED)
		r = limit(RLIMIT_FSIZE, row->file_bytes);
	if (r == 0 && !SANITIZED)
		r = limit(RLIMIT_NPROC, row->processes);
	return r;
}

static int user_change(const struct sandbox_options *options)
{
	if (setgroups(0, NULL) < 0 || setresgid(options->gid, options->gid, options->gid) < 0 ||
	    setresuid(options->uid, options->uid, options->uid) < 0)
		return -errno;
	return 0;
}

static bool keeps(const struct row *row, bool system, cap_value_t c)
{
	for (size_t i = 0; system && i < row->nkeeps; i++)
		if (row->keeps[i] == c)
			return true;
	return false;
}

/* The bounding set goes while CAP_SETPCAP is still there. Without it (user mode, as an
 * ordinary user) the set stays, and no_new_privs makes it meaningless. */
static void bounding_set_drop(const struct row *row, bool system)
{
	for (cap_value_t c = 0; c < cap_max_bits(); c++)
		if (!keeps(row, system, c) && cap_get_bound(c) > 0)
			(void)cap_drop_bound(c);
}

static int capabilities_drop(const struct row *row, bool system)
{
	cap_t caps = cap_init();
	int r = 0;

	if (!caps)
		return -ENOMEM;
	for (cap_value_t c = 0; c < cap_max_bits(); c++) {
		if (!keeps(row, system, c))
			continue;
		if (cap_set_flag(caps, CAP_PERMITTED, 1, &c, CAP_SET) < 0 ||
		    cap_set_flag(caps, CAP_EFFECTIVE, 1, &c, CAP_SET) < 0)
			r = -errno;
	}
	(void)cap_reset_ambient();
	if (r == 0 && cap_set_proc(caps) < 0)
		r = -errno;
	cap_free(caps);
	return r;
}

static int filter_fill(scmp_filter_ctx filter, const struct row *row)
{
	int r;

	for (size_t i = 0; i < row->ncalls; i++) {
		r = seccomp_rule_add(filter, SCMP_ACT_ALLOW, row->calls[i], 0);
		if (r < 0 && r != -EDOM)	/* -EDOM: this machine has no such call */
			return r;
	}
	for (size_t i = 0; i < row->nconditions; i++) {
		const struct condition *c = &row->conditions[i];

		r = seccomp_rule_add(filter, SCMP_ACT_ALLOW, c->call, 1,
				     SCMP_CMP(c->argument, SCMP_CMP_MASKED_EQ, c->mask,
					      c->value));
		if (r < 0)
			return r;
	}
	for (size_t i = 0; i < row->nmissing; i++) {
		r = seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), row->missing[i], 0);
		if (r < 0)
			return r;
	}
	/* Of the calls with a condition, the one that introductions make is looked at first. */
	r = seccomp_syscall_priority(filter, SCMP_SYS(ioctl), UINT8_MAX);
	if (r < 0)
		return r;
	/* abort(), and no signal to anybody else */
	return seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(tgkill), 1,
				SCMP_CMP(0, SCMP_CMP_MASKED_EQ, EXACTLY, (uint64_t)getpid()));
}

static int filter_install(const struct row *row)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_KILL_PROCESS);
	int r;

	if (!filter)
		return -ENOMEM;
	r = seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
	if (r == 0)
		r = filter_fill(filter, row);
	if (r == 0)
		r = seccomp_load(filter);
	seccomp_release(filter);
	/* Building a filter takes a heap that is never needed again. */
	malloc_trim(0);
	return r;
}

int sandbox_enter(enum room_kind room, const struct sandbox_options *options)
{
	const struct row *row = &table[room];
	int r = 0;

	bounding_set_drop(row, options->system);
	if (options->system && row->changes_uid)
		r = user_change(options);
	if (r == 0)
		r = capabilities_drop(row, options->system);
	if (r == 0)
		r = limits_set(row);
	if (r == 0 && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		r = -errno;
	if (r == 0 && !SANITIZED && prctl(PR_SET_DUMPABLE, 0) < 0)
		r = -errno;
	/* Changing the uid has cleared it. */
	if (r == 0 && room != ROOM_PARENT && prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
		r = -errno;
	if (r == 0 && row->filter && !SANITIZED)
		r = filter_install(row);
	return r;
}
