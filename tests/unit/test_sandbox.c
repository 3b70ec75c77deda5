/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rooms' permissions (broker/sandbox.h): each call runs in a child that has entered the
 * switch's sandbox, which it survives or does not.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/capability.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

#include "broker/sandbox.h"
#include "harness.h"

#define KILLED (128 + SIGSYS)

static const struct sandbox_options user_mode;

struct trial {
	enum room_kind room;
	void (*act)(void);
};

static int enter_and_act(void *arg)
{
	const struct trial *t = arg;
	int r = sandbox_enter(t->room, &user_mode);

	if (r < 0)
		return CHILD_FAILED;
	t->act();
	return 0;
}

/* The status of a child that did it in the room. */
static int status_of(enum room_kind room, void (*act)(void))
{
	struct trial t = { room, act };

	return child_call(enter_and_act, &t);
}

#define NEED_FILTER() NEED(sandbox_filters(), "a build with a sanitizer has no filter")

/* ---- what must kill; each by number, so that no library goes another way */

#define FORBIDDEN(name, ...)                                                      \
	static void do_##name(void)                                               \
	{                                                                         \
		syscall(__VA_ARGS__);                                             \
	}                                                                         \
	TEST(sandbox, kills_##name)                                               \
	{                                                                         \
		NEED_FILTER();                                                    \
		cr_assert_eq(status_of(ROOM_SWITCH, do_##name), KILLED);          \
	}

FORBIDDEN(execve, SYS_execve, "/bin/true", NULL, NULL)
FORBIDDEN(execveat, SYS_execveat, -1, "/bin/true", NULL, NULL, 0)
FORBIDDEN(fork, SYS_clone, SIGCHLD, 0, 0, 0, 0)
FORBIDDEN(new_user_namespace, SYS_clone, CLONE_NEWUSER | SIGCHLD, 0, 0, 0, 0)
FORBIDDEN(unshare, SYS_unshare, CLONE_NEWUSER)
FORBIDDEN(setns, SYS_setns, -1, 0)
FORBIDDEN(ptrace, SYS_ptrace, PTRACE_TRACEME, 0, 0, 0)
FORBIDDEN(process_vm_readv, SYS_process_vm_readv, getpid(), NULL, 0, NULL, 0, 0)
FORBIDDEN(process_vm_writev, SYS_process_vm_writev, getpid(), NULL, 0, NULL, 0, 0)
FORBIDDEN(pidfd_open, SYS_pidfd_open, 1, 0)
FORBIDDEN(pidfd_getfd, SYS_pidfd_getfd, -1, 0, 0)
FORBIDDEN(kill, SYS_kill, 1, 0)
FORBIDDEN(tgkill_others, SYS_tgkill, 1, 1, 0)
FORBIDDEN(socket_inet, SYS_socket, AF_INET, SOCK_STREAM, 0)
FORBIDDEN(socket_netlink, SYS_socket, AF_NETLINK, SOCK_RAW, 0)
FORBIDDEN(socket_packet, SYS_socket, AF_PACKET, SOCK_RAW, 0)
FORBIDDEN(connect, SYS_connect, -1, NULL, 0)
FORBIDDEN(ioctl_other, SYS_ioctl, 0, TIOCSTI, NULL)
FORBIDDEN(fcntl_other, SYS_fcntl, 0, F_SETOWN, 1)
FORBIDDEN(mmap_exec, SYS_mmap, 0, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
FORBIDDEN(mprotect_exec, SYS_mprotect, 0, 4096, PROT_EXEC)
FORBIDDEN(memfd_create, SYS_memfd_create, "x", 0)
FORBIDDEN(io_uring, SYS_io_uring_setup, 1, NULL)
FORBIDDEN(bpf, SYS_bpf, 0, NULL, 0)
FORBIDDEN(mount, SYS_mount, NULL, NULL, NULL, 0, NULL)
FORBIDDEN(chroot, SYS_chroot, "/")
FORBIDDEN(setuid, SYS_setuid, 0)
FORBIDDEN(setgroups, SYS_setgroups, 0, NULL)
FORBIDDEN(capset, SYS_capset, NULL, NULL)
FORBIDDEN(set_limit, SYS_prlimit64, 0, RLIMIT_NOFILE, "", NULL)
FORBIDDEN(dumpable_again, SYS_prctl, PR_SET_DUMPABLE, 1, 0, 0, 0)
FORBIDDEN(keyctl, SYS_keyctl, 0, 0, 0, 0, 0)
FORBIDDEN(userfaultfd, SYS_userfaultfd, 0)
FORBIDDEN(perf_event_open, SYS_perf_event_open, NULL, 0, 0, 0, 0)
FORBIDDEN(symlinkat, SYS_symlinkat, "a", -1, "b")
FORBIDDEN(fchownat, SYS_fchownat, -1, "a", 0, 0, 0)
FORBIDDEN(mknodat, SYS_mknodat, -1, "a", S_IFIFO, 0)
FORBIDDEN(sendmmsg, SYS_sendmmsg, -1, NULL, 0, 0)
FORBIDDEN(unknown, 100000)

/* ---- what must pass */

static void check(bool good)
{
	if (!good)
		_exit(CHILD_FAILED);
}

static void act_introduce(void)
{
	int pair[2], to[2], epoll = epoll_create1(EPOLL_CLOEXEC), queued = -1;
	struct epoll_event event = { .events = EPOLLIN };
	char buf[WIRE_PACKET_MAX];
	size_t nfds = 0;
	int fd = -1;

	check(epoll >= 0);
	check(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0);
	check(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, to) == 0);
	check(epoll_ctl(epoll, EPOLL_CTL_ADD, to[1], &event) == 0);
	check(packet_send(to[0], "packet", 6, pair, 1) == 0);
	check(epoll_wait(epoll, &event, 1, HANG_MS) == 1);
	check(ioctl(to[0], SIOCOUTQ, &queued) == 0 && queued > 0);
	check(packet_recv(to[1], buf, &fd, 1, &nfds) == 6 && nfds == 1);
	check(close(fd) == 0);
}

static void act_door(void)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	socklen_t len = sizeof address;
	int watch, sock, dir, one = 1;
	struct stat st;

	umask(077);
	check(mkdirat(AT_FDCWD, "door", 0700) == 0);
	dir = openat(AT_FDCWD, "door", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	check(dir >= 0 && fchdir(dir) == 0 && fchmod(dir, 0755) == 0);
	watch = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	check(watch >= 0 && inotify_add_watch(watch, ".", IN_CREATE) >= 0);
	sock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	memcpy(address.sun_path, "a.new", 6);
	check(sock >= 0 && bind(sock, (struct sockaddr *)&address, sizeof address) == 0);
	check(listen(sock, 5) == 0 && getsockname(sock, (struct sockaddr *)&address, &len) == 0);
	check(setsockopt(sock, SOL_SOCKET, SO_PASSCRED, &one, sizeof one) == 0);
	check(fcntl(sock, F_SETFL, fcntl(sock, F_GETFL) | O_NONBLOCK) == 0);
	check(accept4(sock, NULL, NULL, SOCK_CLOEXEC) < 0 && errno == EAGAIN);
	check(fchmodat(dir, "a.new", 0666, 0) == 0);
	check(renameat(dir, "a.new", dir, "a") == 0 && linkat(dir, "a", dir, "b", 0) == 0);
	check(fstatat(dir, "b", &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISSOCK(st.st_mode));
	check(unlinkat(dir, "a", 0) == 0 && unlinkat(dir, "b", 0) == 0);
	check(fcntl(dir, F_DUPFD_CLOEXEC, 3) >= 0);
}

static void *act_in_thread(void *arg)
{
	char *p = malloc(1 << 20);

	check(p != NULL);
	memset(p, 1, 1 << 20);
	free(p);
	return arg;
}

static void act_thread(void)
{
	pthread_t thread;
	struct timespec tick = { 0, 1 };

	check(pthread_create(&thread, NULL, act_in_thread, NULL) == 0);
	check(pthread_join(thread, NULL) == 0);
	check(clock_nanosleep(CLOCK_MONOTONIC, 0, &tick, NULL) == 0);
	check(sched_yield() == 0);
}

static void act_timers_and_memory(void)
{
	struct itimerspec soon = { .it_value = { 0, 1 } };
	int timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
	struct rlimit files;
	uint64_t ticks;
	char *p;

	check(timer >= 0 && timerfd_settime(timer, 0, &soon, NULL) == 0);
	check(read(timer, &ticks, sizeof ticks) == sizeof ticks);
	p = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	check(p != MAP_FAILED && mprotect(p, 4096, PROT_READ) == 0 && munmap(p, 8192) == 0);
	check(getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur == files.rlim_max);
	check(getrlimit(RLIMIT_CORE, &files) == 0 && files.rlim_max == 0);
	check(syscall(SYS_clone3, NULL, 0) < 0 && (errno == ENOSYS || !sandbox_filters()));
}

TEST(sandbox, lets_an_introduction_pass)
{
	cr_assert_eq(status_of(ROOM_SWITCH, act_introduce), 0);
}

TEST(sandbox, lets_a_door_be_made)
{
	char dir[DIR_BYTES];
	int old = MUST(open(".", O_PATH | O_CLOEXEC));

	dir_make(dir);
	MUST(chdir(dir));
	cr_assert_eq(status_of(ROOM_SWITCH, act_door), 0);
	MUST(fchdir(old));
	close(old);
	dir_remove(dir);
}

TEST(sandbox, lets_threads_pass)
{
	cr_assert_eq(status_of(ROOM_SWITCH, act_thread), 0);
}

TEST(sandbox, lets_timers_and_memory_pass)
{
	cr_assert_eq(status_of(ROOM_SWITCH, act_timers_and_memory), 0);
}

TEST(sandbox, lets_abort_abort)
{
	cr_assert_eq(status_of(ROOM_SWITCH, abort), 128 + SIGABRT);
}

/* ---- privileges */

static void act_look_at_privileges(void)
{
	cap_t caps = cap_get_proc(), none = cap_init();

	check(caps && none && cap_compare(caps, none) == 0);
	cap_free(caps);
	cap_free(none);
	check(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1);
	check(prctl(PR_GET_DUMPABLE) == 0 || !sandbox_filters());
}

TEST(sandbox, leaves_no_capability_in_user_mode)
{
	cr_assert_eq(status_of(ROOM_PARENT, act_look_at_privileges), 0);
	cr_assert_eq(status_of(ROOM_CONFIG, act_look_at_privileges), 0);
}

static const cap_value_t kept_by_parent[] = { CAP_SETUID, CAP_SETGID, CAP_KILL, CAP_SETPCAP };

static int parent_in_system_mode(void *arg)
{
	struct sandbox_options system = { true, 65534, 65534 };
	cap_t expected = cap_init(), caps;
	int kept = (int)(sizeof kept_by_parent / sizeof kept_by_parent[0]);

	(void)arg;
	check(sandbox_enter(ROOM_PARENT, &system) == 0);
	check(cap_set_flag(expected, CAP_PERMITTED, kept, kept_by_parent, CAP_SET) == 0);
	check(cap_set_flag(expected, CAP_EFFECTIVE, kept, kept_by_parent, CAP_SET) == 0);
	caps = cap_get_proc();
	check(cap_compare(caps, expected) == 0);
	cap_free(caps);
	cap_free(expected);
	for (cap_value_t c = 0; c < cap_max_bits(); c++) {
		bool keeps = c == CAP_SETUID || c == CAP_SETGID || c == CAP_KILL ||
			     c == CAP_SETPCAP;

		check(cap_get_bound(c) == 0 || keeps);
	}
	check(geteuid() == 0);
	/* and what it starts can go on to nothing */
	check(sandbox_enter(ROOM_CONFIG, &system) == 0);
	for (cap_value_t c = 0; c < cap_max_bits(); c++)
		check(cap_get_bound(c) == 0);
	act_look_at_privileges();
	check(getuid() == 65534 && getegid() == 65534 && getgroups(0, NULL) == 0);
	check(setuid(0) < 0 && setgid(0) < 0);
	return 0;
}

TEST(sandbox, reduces_root_in_system_mode)
{
	NEED(geteuid() == 0, "needs root");
	cr_assert_eq(child_call(parent_in_system_mode, NULL), 0);
}

/* Whom a file belongs to that the switch makes: getuid() would kill it. */
static int switch_in_system_mode(void *arg)
{
	struct sandbox_options system = { true, 65534, 65534 };
	struct stat st;
	int fd;

	check(sandbox_enter(ROOM_SWITCH, &system) == 0);
	fd = openat(*(int *)arg, "mine", O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	check(fd >= 0 && fstat(fd, &st) == 0 && st.st_uid == 65534 && st.st_gid == 65534);
	check(openat(*(int *)arg, "root's", O_RDONLY | O_CLOEXEC) < 0 && errno == EACCES);
	return 0;
}

TEST(sandbox, leaves_root_behind_in_the_switch)
{
	char dir[DIR_BYTES];
	int fd;

	NEED(geteuid() == 0, "needs root");
	dir_make(dir);
	MUST(chmod(dir, 0777));
	fd = MUST(open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	close(MUST(openat(fd, "root's", O_RDWR | O_CREAT | O_CLOEXEC, 0600)));
	cr_assert_eq(child_call(switch_in_system_mode, &fd), 0);
	close(fd);
	dir_remove(dir);
}
