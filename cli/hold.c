/* SPDX-License-Identifier: Apache-2.0 */
/*
 * intro hold: leave a descriptor with the broker.
 */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "ask.h"
#include "refusal.h"

static const char text[] =
	"Usage: intro hold NAME [--fd N] [<FILE]\n"
	"\n"
	"Leaves standard input (or descriptor N) with the broker under NAME. Whoever is granted\n"
	"NAME gets it with intro connect, any number of times, long after this command has\n"
	"ended; intro take takes it out again.\n"
	"\n"
	"  -f, --fd N           this descriptor instead of standard input\n"
	DOOR_HELP
	"\n"
	"Examples:\n"
	"  intro hold log 3>>/var/log/app.log --fd 3     # any file, device, memfd, listener\n"
	"  intro connect log -- sh -c 'echo started >&0'\n"
	"  intro take log -- cat\n";

static int run(const char *name, int fd)
{
	struct intro_event event;
	char door[WHERE_BYTES];
	struct intro *in;
	int r;

	if (fcntl(fd, F_GETFD) < 0)
		return usage_error("hold", "descriptor %d is not open", fd);
	r = ask_open(true, &in, door);
	if (r != CODE_OK)
		return r;
	r = ask_wait(in, intro_hold(in, name, fd), ANSWER_MS, &event);
	intro_close(in);
	return r < 0 ? refused(WANTED_HOLD, name, door, r) : CODE_OK;
}

int verb_hold(int argc, char **argv)
{
	static const struct option options[] = {
		{ "fd", required_argument, NULL, 'f' },
		{ "help", no_argument, NULL, 'h' },
		DOOR_OPTIONS,
		{ 0 },
	};
	int c, r, fd = STDIN_FILENO;

	while ((c = getopt_long(argc, argv, ":f:h", options, NULL)) != -1) {
		if (c == 'f') {
			if (ask_fd(optarg, &fd) < 0)
				return usage_error("hold", "\"%s\" is no descriptor's number", optarg);
		} else if (c == 'h') {
			return help(text);
		} else if (!where_option(c, optarg)) {
			return option_error("hold", c, argv);
		}
	}
	if (argc - optind != 1)
		return usage_error("hold", "wanted: one name to hold it under");
	r = ask_name("hold", argv[optind]);
	return r != CODE_OK ? r : run(argv[optind], fd);
}
