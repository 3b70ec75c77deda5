/* SPDX-License-Identifier: Apache-2.0 */
/*
 * introd's command line. The same program is the parent room and, executed again by it, the
 * switch.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#include "channel.h"
#include "parent/config.h"
#include "parent/log.h"
#include "parent/parent.h"
#include "room.h"
#include "sandbox.h"
#include "switch/diag.h"
#include "switch/switch.h"

#ifndef VERSION
#define VERSION "0"
#endif

#define EXIT_USAGE 100
#define EXIT_TEMPORARY 111

static const char help[] =
"introd - the broker: introduces programs to services\n"
"\n"
"  introd                   serve this machine (as root), else this user\n"
"  introd --user            serve this user, with no privileges; `intro` starts it by itself\n"
"  introd --check [FILE]    say what is wrong with a configuration, and exit\n"
"\n"
"  --user, --system         the mode; by default system when started by root\n"
"  --config FILE            default: " SYSCONFDIR "/introd.conf, or ~/.config/introd.conf\n"
"  --base DIR               the broker's own directory;\n"
"                           default: /run/introd, or $XDG_RUNTIME_DIR/introd\n"
"  --host-dir DIR           the door of programs in no container;\n"
"                           default: /run/intro, or BASE/doors/host\n"
"  --state DIR              where sturdy references are kept;\n"
"                           default: /var/lib/introd, or $XDG_STATE_HOME/introd\n"
"  --idle-exit SECONDS      user mode: exit after so long without a client or a service\n"
"  --ready-fd N             write a byte to descriptor N once clients are served\n"
"  --log-stderr             log to descriptor 2, not to syslog\n"
"  --version, --help\n"
"\n"
"Signals: HUP reads the configuration again, without dropping a client; TERM ends it.\n"
"Exit status: 0, 1 error in the configuration, 100 usage, 111 not possible now.\n"
"\n"
"To look at a running broker, and to make doors and grants:\n"
"  intro list\n"
"  intro door add web && intro grant web db\n"
"See introd(8), introd.conf(5), intro(1).\n";

enum option_key {
	OPT_USER = 1, OPT_SYSTEM, OPT_BASE, OPT_HOST_DIR, OPT_CONFIG, OPT_IDLE_EXIT, OPT_CHECK,
	OPT_ROOM, OPT_STATE, OPT_READY_FD, OPT_LOG_STDERR, OPT_UID, OPT_GID, OPT_VERSION, OPT_HELP,
};

/* --room, --uid and --gid are said by the parent to the switch only. */
static const struct option long_options[] = {
	{ "user", no_argument, NULL, OPT_USER },
	{ "system", no_argument, NULL, OPT_SYSTEM },
	{ "base", required_argument, NULL, OPT_BASE },
	{ "host-dir", required_argument, NULL, OPT_HOST_DIR },
	{ "config", required_argument, NULL, OPT_CONFIG },
	{ "state", required_argument, NULL, OPT_STATE },
	{ "idle-exit", required_argument, NULL, OPT_IDLE_EXIT },
	{ "check", no_argument, NULL, OPT_CHECK },
	{ "room", required_argument, NULL, OPT_ROOM },
	{ "ready-fd", required_argument, NULL, OPT_READY_FD },
	{ "log-stderr", no_argument, NULL, OPT_LOG_STDERR },
	{ "uid", required_argument, NULL, OPT_UID },
	{ "gid", required_argument, NULL, OPT_GID },
	{ "version", no_argument, NULL, OPT_VERSION },
	{ "help", no_argument, NULL, OPT_HELP },
	{ NULL, 0, NULL, 0 },
};

struct command {
	struct parent_options parent;
	struct sandbox_options sandbox;
	const char *room;	/* NULL: the parent */
	bool user, system, check;
};

static int usage_error(const char *what, const char *found)
{
	fprintf(stderr, "introd: %s%s%s%s; see introd --help\n", what, found ? " \"" : "",
		found ? found : "", found ? "\"" : "");
	return EXIT_USAGE;
}

static int value_error(const char *option, const char *found)
{
	fprintf(stderr, "introd: --%s cannot be \"%s\"; see introd --help\n", option, found);
	return EXIT_USAGE;
}

/* A decimal number up to max. */
static bool number(const char *s, unsigned long max, unsigned long *ret)
{
	unsigned long n;
	char *end;

	if (*s < '0' || *s > '9')
		return false;
	errno = 0;
	n = strtoul(s, &end, 10);
	if (errno != 0 || *end != '\0' || n > max)
		return false;
	*ret = n;
	return true;
}

static bool option_take(struct command *command, int key)
{
	unsigned long n = 0;

	switch (key) {
	case OPT_USER:
		command->user = true;
		return true;
	case OPT_SYSTEM:
		command->system = true;
		return true;
	case OPT_CHECK:
		command->check = true;
		return true;
	case OPT_LOG_STDERR:
		command->parent.log_stderr = true;
		return true;
	case OPT_BASE:
		command->parent.base = optarg;
		return *optarg != '\0';
	case OPT_HOST_DIR:
		command->parent.host_dir = optarg;
		return *optarg != '\0';
	case OPT_CONFIG:
		command->parent.config = optarg;
		return *optarg != '\0';
	case OPT_STATE:
		command->parent.state = optarg;
		return *optarg == '/';
	case OPT_ROOM:
		command->room = optarg;
		return strcmp(optarg, "switch") == 0;
	case OPT_IDLE_EXIT:
		if (!number(optarg, 365 * 86400, &n))
			return false;
		command->parent.idle_exit_sec = (unsigned int)n;
		return true;
	case OPT_READY_FD:
		if (!number(optarg, INT_MAX, &n))
			return false;
		command->parent.ready_fd = (int)n;
		return fcntl((int)n, F_SETFD, FD_CLOEXEC) == 0;
	case OPT_UID:
		if (!number(optarg, UINT_MAX - 1, &n))
			return false;
		command->sandbox.uid = (uid_t)n;
		return true;
	case OPT_GID:
		if (!number(optarg, UINT_MAX - 1, &n))
			return false;
		command->sandbox.gid = (gid_t)n;
		return true;
	}
	return false;
}

/* Become introd-config, which looks at the file and says what is wrong with it. */
static int check(const char *file)
{
	char *argv[] = { "introd-config", "--check", (char *)file, NULL };
	int exe = room_program("introd-config");

	if (exe < 0) {
		fprintf(stderr, "introd: introd-config is neither beside introd nor in %s\n",
			LIBEXECDIR);
		return EXIT_TEMPORARY;
	}
	execveat(exe, "", argv, environ, AT_EMPTY_PATH);
	fprintf(stderr, "introd: cannot execute introd-config: %s\n", strerror(errno));
	return EXIT_TEMPORARY;
}

static int room_main(struct command *command)
{
	int r;

	/* It was executed by descriptor, whose number would be its name in ps. */
	prctl(PR_SET_NAME, "introd-switch");
	/* Inherited so far: it executes nothing, and would not pass these on. */
	close_range(CHANNEL_FD, CHANNEL_HOST_FD, CLOSE_RANGE_CLOEXEC);
	log_open(true);
	/* gmtime_r() reads a file of time zones at its first call, by calls not on the list. */
	tzset();
	command->sandbox.system = command->system;
	diag_start();
	r = sandbox_enter(ROOM_SWITCH, &command->sandbox);
	if (r < 0) {
		log_line(LOG_ERR, "switch: cannot give up privileges: %s", strerror(-r));
		return EXIT_TEMPORARY;
	}
	return switch_run(&(struct switch_options){
		.system = command->system,
		.idle_exit_sec = command->parent.idle_exit_sec,
		.base = command->parent.base,
		.host = command->parent.host_dir,
	});
}

/* Descriptors 0 to 2 are open from here on, so that none of ours takes their place. */
static void stdio_open(void)
{
	int fd;

	do
		fd = open("/dev/null", O_RDWR);
	while (fd >= 0 && fd <= 2);
	if (fd > 2)
		close(fd);
}

int main(int argc, char **argv)
{
	struct command command = { .parent.ready_fd = -1 };
	int key, which = 0;

	stdio_open();
	while ((key = getopt_long(argc, argv, "", long_options, &which)) != -1) {
		if (key == '?')
			return usage_error("wrong option", NULL);
		if (key == OPT_HELP)
			return fputs(help, stdout) < 0 || fflush(stdout) != 0;
		if (key == OPT_VERSION)
			return printf("introd %s\n", VERSION) < 0 || fflush(stdout) != 0;
		if (!option_take(&command, key))
			return value_error(long_options[which].name, optarg);
	}
	if (command.room)
		return room_main(&command);
	if (command.check) {
		if (argc - optind > 1)
			return usage_error("--check takes one file; found also",
					   argv[optind + 1]);
		return check(optind < argc ? argv[optind] : command.parent.config);
	}
	if (optind < argc)
		return usage_error("no argument is wanted; found", argv[optind]);

	if (command.user && command.system)
		return usage_error("--user and --system exclude each other", NULL);
	command.parent.system = !command.user && (command.system || geteuid() == 0);
	if (command.parent.system && geteuid() != 0)
		return usage_error("--system needs root; --user serves this user alone", NULL);
	if (command.parent.system && command.parent.idle_exit_sec > 0)
		return usage_error("--idle-exit is for user mode", NULL);
	return parent_run(&command.parent);
}
