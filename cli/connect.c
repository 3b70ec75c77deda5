/* SPDX-License-Identifier: Apache-2.0 */
/*
 * intro connect: be introduced, then copy, hand the socket on, or become a program that has
 * it in place.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "ask.h"
#include "copy.h"
#include "fd.h"
#include "parse.h"
#include "refusal.h"
#include "rows.h"
#include "secret.h"

static const char text[] =
	"Usage: intro connect NAME | INTRODUCER/…/NAME | @FILE [options]\n"
	"       intro connect NAME [options] -- PROGRAM [ARGUMENT…]\n"
	"\n"
	"Connects to the service NAME. Alone it copies: standard input to the service, what the\n"
	"service says to standard output; the end of input is passed on, and it ends when the\n"
	"service closes. With a PROGRAM it becomes that program, with the connected socket as\n"
	"standard input and output (a held file: as standard input).\n"
	"\n"
	"INTRODUCER/NAME is what is called NAME by the broker to which the introducer leads (see\n"
	"intro serve --to door:DIR), which may be in another container.\n"
	"\n"
	"@FILE (or fd:N) is a saved reference: what `intro lend NAME --save FILE` has made.\n"
	"\n"
	"  -w, --wait TIME      wait so long for NAME to be granted and served: 500ms, 30s, 5m,\n"
	"                       forever. Else 5s for a name that is granted but not served just\n"
	"                       now, and not at all for one that is not there\n"
	"  -t, --type TYPE      stream (the default), seqpacket or dgram\n"
	"  -f, --fd N           the program has the socket as descriptor N instead\n"
	"  -F, --fdpass         pass the socket over standard output: OpenSSH's ProxyUseFdpass\n"
	"  -v, --verbose        say which session it is, and how its bytes travel\n"
	DOOR_HELP
	"\n"
	"The program's environment has INTRO_NAME and INTRO_SESSION. Exits 111 when no broker\n"
	"runs, or the time is over; 1 when it is refused.\n"
	"\n"
	"Examples:\n"
	"  echo PING | intro connect redis\n"
	"  intro connect --wait 30s db -- ./client --fd=0\n"
	"  ssh -o ProxyUseFdpass=yes -o 'ProxyCommand=intro connect --fdpass sshd' any\n";

#define PATIENCE_MS 5000	/* for a server that is being restarted */

struct connect_options {
	const char *name;
	char saved[WIRE_TEXT_MAX + 1];	/* a saved reference; "": by name */
	char **program;
	int wait_ms, type, fd;
	bool wait_given, fdpass, verbose;
};

static int request(struct intro *in, const struct connect_options *o, int wait_ms,
		   struct intro_event *ret)
{
	struct intro_ref *ref;
	int r;

	if (o->saved[0]) {
		struct intro_event ev;

		r = ask_wait(in, intro_restore(in, o->saved, &ref), ANSWER_MS, &ev);
	} else {
		r = intro_find(in, o->name, &ref);
	}
	if (r < 0)
		return r;
	r = ask_wait(in, intro_connect(ref, o->type, wait_ms),
		     wait_ms < 0 ? -1 : wait_ms + ANSWER_MS, ret);
	intro_unref(ref);
	return r;
}

/* From broker to broker. Complains: CODE_OK or an exit code. */
static int walk(const struct connect_options *o, struct intro_event *ret)
{
	char door[WHERE_BYTES];
	int r = where_door(o->wait_given && o->wait_ms != 0, door);

	if (r < 0)
		return where_failed(r);
	setenv("INTRO_DOOR", door, 1);
	r = intro_dial(o->name, o->type, o->wait_given ? o->wait_ms : 0);
	if (r == -ECONNREFUSED && !o->wait_given)
		r = intro_dial(o->name, o->type, PATIENCE_MS);
	if (r < 0)
		return refused(WANTED_CONNECT, o->name, door, r);
	*ret = (struct intro_event){ .fd = r, .path = INTRO_LOCAL };
	return CODE_OK;
}

/* Be introduced. Complains: CODE_OK or an exit code. */
static int introduce(const struct connect_options *o, struct intro_event *ret)
{
	char door[WHERE_BYTES];
	struct intro *in;
	int r;

	if (strchr(o->name, '/') && !o->saved[0])
		return walk(o, ret);
	/* who says that it will wait may come before everybody else */
	r = ask_open(o->wait_given && o->wait_ms != 0, &in, door);
	if (r != CODE_OK)
		return r;
	r = request(in, o, o->wait_given ? o->wait_ms : 0, ret);
	if (r == -ECONNREFUSED && !o->wait_given) {
		r = request(in, o, PATIENCE_MS, ret);
		if (r == -ETIMEDOUT)
			r = -ECONNREFUSED;
	}
	intro_close(in);
	if (r == -ETIMEDOUT && o->wait_given)
		return failed(r, "waited for \"%s\" in vain: it is not granted in the door %s, or "
			      "nobody serves it", o->name, door);
	return r < 0 ? refused(WANTED_CONNECT, o->name, door, r) : CODE_OK;
}

/* One byte, and the descriptor with it: what OpenSSH waits for. */
static int pass(int fd)
{
	union {
		struct cmsghdr align;
		char space[CMSG_SPACE(sizeof(int))];
	} control = { 0 };
	char byte = 0;
	struct iovec iov = { &byte, 1 };
	struct msghdr mh = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = CMSG_LEN(sizeof(int)),
	};

	control.align.cmsg_level = SOL_SOCKET;
	control.align.cmsg_type = SCM_RIGHTS;
	control.align.cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(&control.align), &fd, sizeof fd);
	while (sendmsg(STDOUT_FILENO, &mh, MSG_NOSIGNAL) < 0) {
		if (errno == EINTR)
			continue;
		if (errno == ENOTSOCK)
			complain("cannot pass the socket over standard output, which is not a socket\n"
				 "Set ProxyUseFdpass=yes for ssh; without it, leave out --fdpass");
		else
			complain("cannot pass the socket over standard output: %s",
				 strerror(errno));
		return CODE_FAILED;
	}
	return CODE_OK;
}

static int copy(int sock)
{
	struct copy_end user = { STDIN_FILENO, STDOUT_FILENO }, service = { sock, sock };
	int r, flags = fcntl(sock, F_GETFL);

	if (flags < 0 || fcntl(sock, F_SETFL, flags | O_NONBLOCK) < 0)
		return failed(-errno, "cannot use the connected socket");
	signal(SIGPIPE, SIG_IGN);
	r = copy_both(user, service, COPY_B_ENDS);
	/* a service that closes while we still talk has ended the session, as it may */
	if (r == -EPIPE || r == -ECONNREFUSED)
		return CODE_OK;
	if (r < 0) {
		complain("the session broke: %s", strerror(-r));
		return CODE_FAILED;
	}
	return CODE_OK;
}

/* Become the program. A held file, which may be open for reading only, is no place to write. */
static int exec_program(const struct connect_options *o, int fd, uint64_t session)
{
	socklen_t len = sizeof(int);
	int type, also = STDOUT_FILENO;

	if (o->fd >= 0 || getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) < 0)
		also = -1;
	return ask_exec(o->program, fd, o->fd < 0 ? STDIN_FILENO : o->fd, also, o->name, session);
}

static int run(const struct connect_options *o)
{
	struct intro_event event;
	_cleanup_close_ int fd = -1;
	int r;

	r = introduce(o, &event);
	if (r != CODE_OK)
		return r;
	fd = event.fd;
	if (o->verbose)
		complain("session %llu to \"%s\": way %s, path %s",
			 (unsigned long long)event.session, o->name, way_word(event.way),
			 event.path == INTRO_SPLICED ? "spliced" : "local");
	if (o->program)
		return exec_program(o, fd_steal(&fd), event.session);
	if (o->fdpass) {
		r = fd_set_blocking(fd);
		return r < 0 ? failed(r, "cannot use the connected socket") : pass(fd);
	}
	return copy(fd);
}

/* A name, or names with slashes between them. CODE_OK or CODE_USAGE. */
static int check_path(const struct connect_options *o)
{
	char name[WIRE_NAME_MAX + 2];
	const char *at = o->name;
	int hops = 0, r;

	for (;;) {
		size_t len = strcspn(at, "/");

		snprintf(name, sizeof name, "%.*s", (int)len, at);
		r = ask_name("connect", name);
		if (r != CODE_OK || at[len] == '\0')
			return r;
		if (++hops == INTRO_HOPS_MAX)
			return usage_error("connect", "\"%s\" leads through too many brokers (wanted: at "
					   "most %d names)", o->name, INTRO_HOPS_MAX);
		at += len + 1;
	}
}

int verb_connect(int argc, char **argv)
{
	static const struct option options[] = {
		{ "wait", required_argument, NULL, 'w' },
		{ "type", required_argument, NULL, 't' },
		{ "fd", required_argument, NULL, 'f' },
		{ "fdpass", no_argument, NULL, 'F' },
		{ "verbose", no_argument, NULL, 'v' },
		{ "help", no_argument, NULL, 'h' },
		DOOR_OPTIONS,
		{ 0 },
	};
	struct connect_options o = { .type = SOCK_STREAM, .fd = -1 };
	int c, r;

	while ((c = getopt_long(argc, argv, ":w:t:f:Fvh", options, NULL)) != -1) {
		switch (c) {
		case 'w':
			o.wait_given = true;
			if (parse_timeout(optarg, &o.wait_ms) < 0)
				return usage_error("connect", "\"%s\" is no time to wait (wanted: "
						   "500ms, 30s, 5m or forever)", optarg);
			break;
		case 't':
			if (parse_socktype(optarg, &o.type) < 0)
				return usage_error("connect", "\"%s\" is no type (wanted: stream, "
						   "seqpacket or dgram)", optarg);
			break;
		case 'f':
			if (ask_fd(optarg, &o.fd) < 0)
				return usage_error("connect", "\"%s\" is no descriptor's number",
						   optarg);
			break;
		case 'F':
			o.fdpass = true;
			break;
		case 'v':
			o.verbose = true;
			break;
		case 'h':
			return help(text);
		default:
			if (!where_option(c, optarg))
				return option_error("connect", c, argv);
		}
	}
	if (optind >= argc)
		return usage_error("connect", "wanted: the name of a service");
	o.name = argv[optind++];
	o.program = optind < argc ? argv + optind : NULL;
	if (o.fdpass && o.program)
		return usage_error("connect", "either --fdpass or a program");
	if (o.fd >= 0 && !o.program)
		return usage_error("connect", "--fd wants a program to have it: -- PROGRAM");
	if (o.name[0] == '@' || !strncmp(o.name, "fd:", 3) || !strncmp(o.name, "intro:", 6))
		r = secret_read("connect", "a saved reference", o.name, o.saved, sizeof o.saved);
	else
		r = check_path(&o);
	return r != CODE_OK ? r : run(&o);
}
