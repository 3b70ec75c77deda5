/* SPDX-License-Identifier: Apache-2.0 */
/*
 * introd under systemd's own tools: started by systemd-socket-activate for its first client,
 * on the listeners that it is given and leaves in place; and its units, as systemd-analyze
 * understands them.
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

#include "real.h"

#define ACTIVATE "systemd-socket-activate"

static bool in_path(const char *program)
{
	_cleanup_run_ struct run r = { 0 };

	run(&r, &(struct spawn){ .argv = (const char *const[]){
		"sh", "-c", "command -v \"$1\"", "sh", program, NULL } });
	return r.status == 0;
}

/* The service manager's side. */
struct manager {
	struct broker b;	/* pid is the activator's, which becomes introd */
	bool system;
	char control[PATH_BYTES], host[PATH_BYTES], notify_path[PATH_BYTES];
	int notify;
};

static void manager_begin(struct manager *m, bool system)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	*m = (struct manager){ .b.system = system };
	dir_make(m->b.dir);
	MUST(chmod(m->b.dir, 0755));
	snprintf(m->b.base, sizeof m->b.base, "%s/introd", m->b.dir);
	snprintf(m->b.host, sizeof m->b.host, "%s/host", m->b.dir);
	snprintf(m->b.log, sizeof m->b.log, "%s/log", m->b.dir);
	MUST(mkdir(m->b.base, 0700));
	MUST(mkdir(m->b.host, 0755));
	base_path(&m->b, m->control, "control.sock");
	snprintf(m->host, sizeof m->host, "%s/intro.sock", m->b.host);
	dir_path(&m->b, m->notify_path, "notify");
	m->notify = MUST(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
	snprintf(address.sun_path, sizeof address.sun_path, "%s/notify", m->b.dir);
	MUST(bind(m->notify, (struct sockaddr *)&address, sizeof address));
}

static bool is_there(void *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISSOCK(st.st_mode);
}

/* Start the activator; introd comes with the first client. */
static void manager_start(struct manager *m)
{
	char program[PATH_BYTES], base[PATH_BYTES], host[PATH_BYTES], conf[PATH_BYTES + 16],
		notify[PATH_BYTES + 32];
	int log = MUST(open(m->b.log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600));

	program_path("introd", program);
	snprintf(base, sizeof base, "--base=%s", m->b.base);
	snprintf(host, sizeof host, "--host-dir=%s", m->b.host);
	snprintf(conf, sizeof conf, "--config=%s/introd.conf", m->b.dir);
	snprintf(notify, sizeof notify, "NOTIFY_SOCKET=%s", m->notify_path);
	m->b.pid = spawn(&(struct spawn){
		.argv = (const char *const[]){
			ACTIVATE, "--seqpacket", "-l", m->control, "-l", m->host,
			"--fdname=control:host", "-E", notify, program,
			m->b.system ? "--system" : "--user", base, host, conf, "--log-stderr",
			NULL },
		.err = log,
	});
	close(log);
	cr_assert(wait_until(is_there, m->host), "%s makes no socket", ACTIVATE);
}

/* The next word of introd about itself. */
static void cr_told(const struct manager *m, const char *wanted)
{
	char state[256] = "", *log;
	ssize_t n = wait_fd(m->notify, POLLIN) ? recv(m->notify, state, sizeof state - 1, 0) : 0;

	if (n > 0 && strncmp(state, wanted, strlen(wanted)) == 0)
		return;
	log = file_read(m->b.log);
	harness_fail("wanted %s, found \"%s\"; introd said:\n%s", wanted, state, log);
}

/* A service and a client of it, the first of whom starts the broker; and an orderly end that
 * leaves the sockets where they are. */
static void serve_once(struct manager *m)
{
	_cleanup_run_ struct run r = { 0 };
	char door[PATH_BYTES];
	pid_t agent;

	manager_start(m);
	snprintf(door, sizeof door, "INTRO_DOOR=%s", m->b.host);
	agent = agent_start(&m->b, (&(struct spawn){
		.env = (const char *const[]){ door, NULL } }), "hello", "--", "echo", "hello");
	cr_told(m, "READY=1");
	MUST(setenv("INTRO_DOOR", m->b.host, 1));
	run_cli(&m->b, &r, "connect", "--door", m->b.host, "hello");
	cr_assert_str_eq(r.out, "hello\n", "%s", r.err);
	cli_ok(&m->b, "list", "--base", m->b.base);

	MUST(kill(m->b.pid, SIGHUP));
	cr_told(m, "RELOADING=1\n");
	cr_told(m, "READY=1");
	cr_assert(childless(agent));
	cr_assert_eq(agent_stop(agent), 0);
	MUST(kill(m->b.pid, SIGTERM));
	cr_told(m, "STOPPING=1");
	cr_assert_eq(child_wait(m->b.pid), 0);
	cr_assert(is_there(m->control));
	cr_assert(is_there(m->host));
	/* systemd-socket-activate makes its own anew; systemd itself keeps them */
	MUST(unlink(m->control));
	MUST(unlink(m->host));
}

static void activated(bool system, const char *config)
{
	char conf[PATH_BYTES];
	struct manager m;

	manager_begin(&m, system);
	dir_path(&m.b, conf, "introd.conf");
	file_write(conf, config);
	for (int i = 0; i < 2; i++)
		serve_once(&m);
	close(m.notify);
	dir_remove(m.b.dir);
}

TEST(systemd, starts_the_users_broker_for_its_first_client)
{
	NEED(in_path(ACTIVATE), "there is no " ACTIVATE);
	activated(false, "");
}

TEST(systemd, starts_the_systems_broker_for_its_first_client)
{
	NEED(in_path(ACTIVATE), "there is no " ACTIVATE);
	NEED(geteuid() == 0, "the system's broker is started by root");
	activated(true, "user = nobody\n"
			"door host { grant hello { rights = { serve, connect } } }\n");
}

/* With the programs where they are built: what is not there would be an error, too. */
TEST(systemd, understands_the_units)
{
	_cleanup_run_ struct run filled = { 0 }, verified = { 0 };
	char dir[DIR_BYTES], build[PATH_BYTES];

	NEED(in_path("systemd-analyze"), "there is no systemd-analyze");
	dir_make(dir);
	program_path("", build);
	run(&filled, &(struct spawn){ .argv = (const char *const[]){
		"sh", "-ec", "cd \"$1\"; mkdir system user; "
		"for unit in \"$2\"/broker/*.service.in \"$2\"/broker/*.socket.in; do "
		"sed \"s|@BINDIR@|$3|\" \"$unit\" >system/\"$(basename \"$unit\" .in)\"; done; "
		"for unit in \"$2\"/broker/user/*.in; do "
		"sed \"s|@BINDIR@|$3|\" \"$unit\" >user/\"$(basename \"$unit\" .in)\"; done",
		"sh", dir, SOURCE_DIR, build, NULL } });
	cr_assert_eq(filled.status, 0, "%s", filled.err);
	run(&verified, &(struct spawn){
		.argv = (const char *const[]){
			"sh", "-c", "cd \"$1\"; export XDG_RUNTIME_DIR=\"$1\"; "
			"systemd-analyze verify --man=no system/* && "
			"systemd-analyze verify --man=no --user user/*", "sh", dir, NULL } });
	cr_assert_eq(verified.status, 0, "%s", verified.err);
	cr_assert_null(strstr(verified.err, "introd"), "%s", verified.err);
	dir_remove(dir);
}
