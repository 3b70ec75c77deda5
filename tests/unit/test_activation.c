/* SPDX-License-Identifier: Apache-2.0 */
/*
 * introd and the service manager: listeners passed in, and what it says about itself
 * (sd_listen_fds(3), sd_notify(3)). The test is the service manager.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "harness.h"

struct manager {
	char dir[DIR_BYTES];
	char base[DIR_BYTES + 16], host_dir[DIR_BYTES + 16];
	char control_path[DIR_BYTES + 32], host_path[DIR_BYTES + 32];
	char notify_path[DIR_BYTES + 16], log_path[DIR_BYTES + 16];
	int control, host, notify;
	pid_t pid;
};

static int notify_listen(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = MUST(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));

	strcpy(address.sun_path, path);
	MUST(bind(fd, (struct sockaddr *)&address, sizeof address));
	return fd;
}

static void manager_begin(struct manager *m)
{
	*m = (struct manager){ .control = -1 };
	dir_make(m->dir);
	snprintf(m->base, sizeof m->base, "%s/introd", m->dir);
	snprintf(m->control_path, sizeof m->control_path, "%s/control.sock", m->base);
	snprintf(m->host_dir, sizeof m->host_dir, "%s/host", m->dir);
	snprintf(m->host_path, sizeof m->host_path, "%s/intro.sock", m->host_dir);
	snprintf(m->notify_path, sizeof m->notify_path, "%s/notify", m->dir);
	snprintf(m->log_path, sizeof m->log_path, "%s/log", m->dir);
	MUST(mkdir(m->base, 0700));
	MUST(mkdir(m->host_dir, 0755));
	m->control = unix_listen(m->control_path, SOCK_SEQPACKET, 16);
	m->host = unix_listen(m->host_path, SOCK_SEQPACKET, 16);
	m->notify = notify_listen(m->notify_path);
}

/* Descriptors 3 and on are those of fds; names as LISTEN_FDNAMES. */
_Noreturn static void become_introd(const struct manager *m, const int *fds, int n,
				    const char *names)
{
	char program[PATH_BYTES], base[PATH_BYTES], host[PATH_BYTES];
	char pid[32], count[32], list[128];
	char notify[PATH_BYTES];
	int keep[8], moved[8];

	program_path("introd", program);
	snprintf(base, sizeof base, "--base=%s", m->base);
	snprintf(host, sizeof host, "--host-dir=%s", m->host_dir);
	snprintf(pid, sizeof pid, "LISTEN_PID=%d", getpid());
	snprintf(count, sizeof count, "LISTEN_FDS=%d", n);
	snprintf(list, sizeof list, "LISTEN_FDNAMES=%s", names);
	snprintf(notify, sizeof notify, "NOTIFY_SOCKET=%s", m->notify_path);
	for (int i = 0; i < n; i++)
		moved[i] = MUST(fcntl(fds[i], F_DUPFD_CLOEXEC, 64));
	for (int i = 0; i < n; i++)
		keep[i] = MUST(dup2(moved[i], 3 + i));
	keep[n] = -1;
	spawn_exec(&(struct spawn){
		.argv = (const char *const[]){ program, "--user", base, host, NULL },
		.env = (const char *const[]){ pid, count, list, notify, NULL },
		.keep = keep,
		.err = MUST(open(m->log_path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600)),
	});
}

static void manager_start(struct manager *m, const char *names)
{
	int fds[] = { m->control, m->host };

	m->pid = child_fork();
	if (m->pid == 0)
		become_introd(m, fds, 2, names);
}

static void manager_end(struct manager *m)
{
	close(m->control);
	close(m->host);
	close(m->notify);
	dir_remove(m->dir);
}

/* The next word of introd about itself. */
static void told(const struct manager *m, const char *wanted)
{
	char state[256];
	ssize_t n;

	cr_assert(wait_fd(m->notify, POLLIN), "wanted %s, nothing came", wanted);
	n = recv(m->notify, state, sizeof state - 1, 0);
	cr_assert_gt(n, 0);
	state[n] = '\0';
	cr_assert_eq(strncmp(state, wanted, strlen(wanted)), 0, "wanted %s, found %s", wanted,
		     state);
}

/* Whether a broker answers at this door: by a refusal, since there is no such name. */
static void answered(const char *path)
{
	int sock = MUST(unix_connect(path, SOCK_SEQPACKET));

	cr_assert_eq(raw_introduce(sock, 1, "nosuchname", SOCK_STREAM, 0, NULL), -ENOENT);
	close(sock);
}

TEST(activation, serves_the_listeners_that_it_was_given)
{
	struct manager m;

	manager_begin(&m);
	manager_start(&m, "control:host");
	/* a client that came before the broker was there */
	answered(m.host_path);
	told(&m, "READY=1");
	answered(m.host_path);

	kill(m.pid, SIGHUP);
	told(&m, "RELOADING=1\nMONOTONIC_USEC=");
	told(&m, "READY=1");
	answered(m.host_path);

	kill(m.pid, SIGTERM);
	told(&m, "STOPPING=1");
	cr_assert_eq(child_wait(m.pid), 0);
	manager_end(&m);
}

/* They are not the broker's to unlink, and serve for its next start. */
TEST(activation, leaves_the_service_managers_sockets_in_place)
{
	struct manager m;

	manager_begin(&m);
	for (int i = 0; i < 2; i++) {
		manager_start(&m, "control:host");
		answered(m.host_path);
		told(&m, "READY=1");
		kill(m.pid, SIGTERM);
		told(&m, "STOPPING=1");
		cr_assert_eq(child_wait(m.pid), 0);
		cr_assert_eq(access(m.host_path, F_OK), 0);
		cr_assert_eq(access(m.control_path, F_OK), 0);
	}
	manager_end(&m);
}

TEST(activation, keeps_the_listeners_when_the_switch_dies)
{
	struct broker looked_at = { 0 };
	struct manager m;
	pid_t old;

	manager_begin(&m);
	manager_start(&m, "control:host");
	told(&m, "READY=1");
	looked_at.pid = m.pid;
	old = broker_switch_pid(&looked_at, 0);
	MUST(kill(old, SIGKILL));
	answered(m.host_path);
	cr_assert_neq(broker_switch_pid(&looked_at, old), old);
	kill(m.pid, SIGTERM);
	cr_assert_eq(child_wait(m.pid), 0);
	manager_end(&m);
}

TEST(activation, refuses_a_listener_of_another_type)
{
	struct manager m;
	char path[DIR_BYTES + 16], *log;

	manager_begin(&m);
	close(m.host);
	snprintf(path, sizeof path, "%s/stream", m.dir);
	m.host = unix_listen(path, SOCK_STREAM, 16);
	manager_start(&m, "control:host");
	cr_assert_eq(child_wait(m.pid), 1);
	log = file_read(m.log_path);
	cr_assert_not_null(strstr(log, "\"host\" wants one ListenSequentialPacket="), "%s", log);
	free(log);
	manager_end(&m);
}

TEST(activation, closes_listeners_of_other_names)
{
	struct manager m;
	char *log;

	manager_begin(&m);
	manager_start(&m, "control:other");
	told(&m, "READY=1");
	answered(m.host_path);
	log = file_read(m.log_path);
	cr_assert_not_null(strstr(log, "a listener is named \"other\""), "%s", log);
	free(log);
	kill(m.pid, SIGTERM);
	cr_assert_eq(child_wait(m.pid), 0);
	manager_end(&m);
}
