/* SPDX-License-Identifier: Apache-2.0 */
/*
 * OpenSSH: sshd in inetd mode, a process per introduction; ssh, scp and git take the
 * introduced socket from `intro connect --fdpass` (ssh_config(5), ProxyUseFdpass), so that
 * nobody stands between the two, and neither has a network.
 */
#include <fcntl.h>
#include <pwd.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "real.h"

#define SSHD "/usr/sbin/sshd"

struct host {
	struct real r;
	char dir[PATH_BYTES];		/* keys, configurations, passwd: the test's own */
	char config[PATH_BYTES + 16];	/* of ssh */
	char server_config[PATH_BYTES + 16];
	char user[64];
	pid_t agent;
};

/* The rest of a shell's line, with $1 the directory and $2 intro. */
static void shell(const struct host *h, const char *line, struct run *ret)
{
	char intro[PATH_BYTES], door[PATH_BYTES + 16], command[PATH_BYTES + 64];

	program_path("intro", intro);
	snprintf(door, sizeof door, "INTRO_DOOR=%s", h->r.b.host);
	snprintf(command, sizeof command, "GIT_SSH_COMMAND=ssh -F %s", h->config);
	run(ret, &(struct spawn){
		.argv = (const char *const[]){ "sh", "-ec", line, "sh", h->dir, intro, NULL },
		.env = (const char *const[]){ door, command, "GIT_CONFIG_NOSYSTEM=1",
					      "GIT_CONFIG_GLOBAL=/dev/null", "LC_ALL=C", NULL },
	});
}

#define cr_shell(h, line, ret)                                                         \
	do {                                                                           \
		shell(h, line, ret);                                                   \
		cr_assert_eq((ret)->status, 0, "%s%s", (ret)->out, (ret)->err);        \
	} while (0)

static void write_in(const struct host *h, const char *file, const char *text)
{
	char path[PATH_BYTES + 32];

	snprintf(path, sizeof path, "%s/%s", h->dir, file);
	file_write(path, text);
}

/* Root's sshd wants its own user and directory, and a root that is not locked: in a mount
 * namespace of its own it finds these files of the test's in place of the machine's. */
static void see_own_users(const void *arg)
{
	const char *dir = arg;
	char from[PATH_BYTES + 16];

	MUST(unshare(CLONE_NEWNS));
	MUST(mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL));
	MUST(mount("run", "/run", "tmpfs", MS_NOSUID | MS_NODEV, "mode=755"));
	MUST(mkdir("/run/sshd", 0755));
	snprintf(from, sizeof from, "%s/passwd", dir);
	MUST(mount(from, "/etc/passwd", NULL, MS_BIND, NULL));
	snprintf(from, sizeof from, "%s/shadow", dir);
	MUST(mount(from, "/etc/shadow", NULL, MS_BIND, NULL));
}

static int try_mounts(void *unused)
{
	(void)unused;
	return unshare(CLONE_NEWNS) < 0;
}

static bool may_mount(void)
{
	return geteuid() != 0 || child_call(try_mounts, NULL) == 0;
}

static void write_configurations(struct host *h)
{
	char text[4 * PATH_BYTES], intro[PATH_BYTES];

	program_path("intro", intro);
	snprintf(h->config, sizeof h->config, "%s/ssh_config", h->dir);
	snprintf(h->server_config, sizeof h->server_config, "%s/sshd_config", h->dir);
	snprintf(text, sizeof text,
		 "HostKey %s/host\nAuthorizedKeysFile %s/client.pub\nStrictModes no\nUsePAM no\n"
		 "PasswordAuthentication no\nPidFile none\nPermitRootLogin yes\nPrintMotd no\n"
		 "Subsystem sftp internal-sftp\n", h->dir, h->dir);
	write_in(h, "sshd_config", text);
	snprintf(text, sizeof text,
		 "Host *\nProxyUseFdpass yes\nProxyCommand %s connect --fdpass %%h\nUser %s\n"
		 "IdentityFile %s/client\nIdentitiesOnly yes\nUserKnownHostsFile %s/known\n"
		 "StrictHostKeyChecking yes\nLogLevel ERROR\nBatchMode yes\n", intro, h->user,
		 h->dir, h->dir);
	write_in(h, "ssh_config", text);
	snprintf(text, sizeof text,
		 "root:x:0:0:root:%s:/bin/sh\nsshd:x:102:65534::/run/sshd:/usr/sbin/nologin\n"
		 "nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n", h->dir);
	write_in(h, "passwd", text);
	write_in(h, "shadow", "root:*:19000:0:99999:7:::\n");
}

static void host_begin(struct host *h)
{
	_cleanup_run_ struct run keys = { 0 };
	const struct passwd *pw = getpwuid(geteuid());

	*h = (struct host){ 0 };
	snprintf(h->user, sizeof h->user, "%s", pw->pw_name);
	real_begin(&h->r, NULL);
	dir_path(&h->r.b, h->dir, "ssh");
	MUST(mkdir(h->dir, 0755));
	write_configurations(h);
	cr_shell(h, "for key in host client; do ssh-keygen -q -t ed25519 -N '' -f \"$1/$key\"; "
		    "done; printf 'ssh %s\\n' \"$(cut -d' ' -f1,2 \"$1/host.pub\")\" "
		    ">\"$1/known\"", &keys);
	h->agent = agent_start(&h->r.b, (&(struct spawn){
		.before = geteuid() == 0 ? see_own_users : NULL,
		.before_arg = h->dir,
	}), "ssh", "--", SSHD, "-i", "-f", h->server_config);
}

static void host_end(struct host *h)
{
	cr_assert(childless(h->agent));
	cr_assert_eq(agent_stop(h->agent), 0);
	real_end(&h->r);
}

#define NEED_SSHD                                                                         \
	do {                                                                              \
		const struct passwd *pw = getpwuid(geteuid());                            \
		NEED(may_mount(), "this root may not make mount namespaces");             \
		NEED(geteuid() == 0 || (pw && !strstr(pw->pw_shell, "nologin") &&         \
					!strstr(pw->pw_shell, "false")),                  \
		     "sshd lets nobody in without a login shell");                        \
	} while (0)

TEST(openssh, ssh_runs_a_command)
{
	_cleanup_run_ struct run r = { 0 };
	struct host h;

	NEED_SSHD;
	host_begin(&h);
	cr_shell(&h, "echo to the other side | ssh -F \"$1/ssh_config\" ssh 'cat; echo and back'",
		 &r);
	cr_assert_str_eq(r.out, "to the other side\nand back\n");
	cr_assert(audit_says(&h.r.b, "introduced", "name=ssh", "way=pair", "path=local"));
	host_end(&h);
}

/* ssh's own exit status comes through, and a name that is not there is said to be so. */
TEST(openssh, failures_are_told_apart)
{
	_cleanup_run_ struct run status = { 0 }, name = { 0 };
	struct host h;

	NEED_SSHD;
	host_begin(&h);
	shell(&h, "ssh -F \"$1/ssh_config\" ssh 'exit 7'", &status);
	cr_assert_eq(status.status, 7);
	shell(&h, "ssh -F \"$1/ssh_config\" nothere true", &name);
	cr_assert_eq(name.status, 255);
	cr_assert_not_null(strstr(name.err, "cannot connect to \"nothere\""), "%s", name.err);
	host_end(&h);
}

TEST(openssh, scp_copies_there_and_back)
{
	_cleanup_run_ struct run r = { 0 };
	struct host h;

	NEED_SSHD;
	host_begin(&h);
	cr_shell(&h, "cd \"$1\"; head -c 20000000 /dev/urandom >sent; "
		     "scp -q -F ssh_config sent ssh:\"$1/stored\"; "
		     "scp -q -F ssh_config ssh:\"$1/stored\" received; cmp sent received", &r);
	host_end(&h);
}

TEST(openssh, git_pushes_and_clones)
{
	_cleanup_run_ struct run r = { 0 };
	struct host h;

	NEED_SSHD;
	host_begin(&h);
	cr_shell(&h, "cd \"$1\"; git init -q --bare far.git; git init -q near; cd near; "
		     "echo text >file; git add file; "
		     "git -c user.name=x -c user.email=x@x.invalid commit -q -m one; "
		     "git push -q \"ssh://ssh$1/far.git\" HEAD:refs/heads/main; "
		     "cd ..; git clone -q -b main \"ssh://ssh$1/far.git\" again; "
		     "cmp near/file again/file", &r);
	host_end(&h);
}

/* Without --fdpass, intro connect copies; the conversation is the same. */
TEST(openssh, works_through_a_proxy_command_that_copies)
{
	_cleanup_run_ struct run r = { 0 };
	struct host h;

	NEED_SSHD;
	host_begin(&h);
	cr_shell(&h, "ssh -F \"$1/ssh_config\" -o ProxyUseFdpass=no "
		     "-o \"ProxyCommand=$2 connect ssh\" ssh 'echo copied'", &r);
	cr_assert_str_eq(r.out, "copied\n");
	host_end(&h);
}
