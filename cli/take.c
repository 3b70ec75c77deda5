/* SPDX-License-Identifier: Apache-2.0 */
/*
 * intro take: take a held descriptor out of the broker.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "ask.h"
#include "copy.h"
#include "fd.h"
#include "refusal.h"

static const char text[] =
	"Usage: intro take NAME\n"
	"       intro take NAME [--fd N] -- PROGRAM [ARGUMENT…]\n"
	"\n"
	"Takes the descriptor that intro hold left under NAME; the broker has it no longer.\n"
	"Alone it copies what can be read from it to standard output; with a PROGRAM it becomes\n"
	"that program, with the descriptor as standard input.\n"
	"\n"
	"  -f, --fd N           the program has it as descriptor N instead\n"
	DOOR_HELP
	"\n"
	"Examples:\n"
	"  intro hold note </etc/hostname && intro take note\n"
	"  intro take listener --fd 3 -- ./server\n";

/* Whether bytes can be read from it: else it would be lost for nothing. */
static bool is_readable(int fd)
{
	int flags = fcntl(fd, F_GETFL), listens = 0;
	socklen_t len = sizeof listens;

	if (flags < 0 || (flags & O_PATH) || (flags & O_ACCMODE) == O_WRONLY)
		return false;
	return getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &len) < 0 || !listens;
}

static int copy_out(struct intro *in, const char *name, int fd)
{
	struct intro_event event;
	int r;

	if (!is_readable(fd)) {
		r = ask_wait(in, intro_hold(in, name, fd), ANSWER_MS, &event);
		complain("the descriptor held as \"%s\" cannot be read (a listener, or open for "
			 "writing only)%s\nGive it to a program: intro take %s -- PROGRAM", name,
			 r < 0 ? "; it could not be put back" : ": it was put back", name);
		return CODE_FAILED;
	}
	signal(SIGPIPE, SIG_IGN);
	r = copy_one(fd, STDOUT_FILENO);
	if (r < 0) {
		complain("cannot copy what was held as \"%s\": %s", name, strerror(-r));
		return CODE_FAILED;
	}
	return CODE_OK;
}

static int run(const char *name, int number, char **program)
{
	_cleanup_close_ int fd = -1;
	struct intro_event event;
	char door[WHERE_BYTES];
	struct intro *in;
	int r;

	r = ask_open(false, &in, door);
	if (r != CODE_OK)
		return r;
	r = ask_wait(in, intro_take(in, name), ANSWER_MS, &event);
	if (r < 0) {
		intro_close(in);
		return refused(WANTED_TAKE, name, door, r);
	}
	fd = event.fd;
	if (!program)
		r = copy_out(in, name, fd);
	intro_close(in);
	return program ? ask_exec(program, fd_steal(&fd), number, -1, name, 0) : r;
}

int verb_take(int argc, char **argv)
{
	static const struct option options[] = {
		{ "fd", required_argument, NULL, 'f' },
		{ "help", no_argument, NULL, 'h' },
		DOOR_OPTIONS,
		{ 0 },
	};
	int c, r, fd = STDIN_FILENO;
	bool fd_given = false;

	while ((c = getopt_long(argc, argv, ":f:h", options, NULL)) != -1) {
		if (c == 'f') {
			fd_given = true;
			if (ask_fd(optarg, &fd) < 0)
				return usage_error("take", "\"%s\" is no descriptor's number", optarg);
		} else if (c == 'h') {
			return help(text);
		} else if (!where_option(c, optarg)) {
			return option_error("take", c, argv);
		}
	}
	if (optind >= argc)
		return usage_error("take", "wanted: the name it is held under");
	if (fd_given && optind + 1 >= argc)
		return usage_error("take", "--fd wants a program to have it: -- PROGRAM");
	r = ask_name("take", argv[optind]);
	return r != CODE_OK ? r : run(argv[optind], fd, argv[optind + 1] ? argv + optind + 1 : NULL);
}
