/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The command line without a broker: values, targets, copying, exit codes and complaints.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../../cli/copy.h"
#include "../../cli/parse.h"
#include "../../cli/target.h"
#include "harness.h"

TEST(cli_words, durations)
{
	static const struct {
		const char *text;
		uint64_t usec;
	} good[] = {
		{ "250ms", 250000 },	       { "90s", 90000000 },
		{ "5", 5000000 },	       { "10m", 600000000 },
		{ "2h", UINT64_C(7200000000) }, { "7d", UINT64_C(604800000000) },
		{ "0", 0 },		       { "forever", UINT64_MAX },
	};
	static const char *const bad[] = { "", "s", "-1s", "1.5s", "1 s", "1x", "1000000001s",
					   "99999999999999999999s", "forever1" };
	uint64_t usec;
	int ms;

	for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
		cr_assert_eq(parse_duration(good[i].text, &usec), 0, "%s", good[i].text);
		cr_assert_eq(usec, good[i].usec, "%s", good[i].text);
	}
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		usec = 42;
		cr_assert_eq(parse_duration(bad[i], &usec), -EINVAL, "%s", bad[i]);
		cr_assert_eq(usec, 42, "untouched on failure");
	}
	cr_assert_eq(parse_timeout("1000000000s", &ms), 0);
	cr_assert_gt(ms, 1000000, "capped, not overflowed");
	cr_assert_eq(parse_timeout("forever", &ms), 0);
	cr_assert_eq(ms, -1);
}

TEST(cli_words, limits)
{
	struct limits l = { 0 };
	const char *wrong = NULL;

	cr_assert_eq(parse_limits("connections=5,waits=0", &l, &wrong), 0);
	cr_assert(l.given[0] && l.given[4] && !l.given[1] && !l.given[2] && !l.given[3]);
	cr_assert_eq(l.value[0], 5);
	cr_assert_eq(l.value[4], 0);
	cr_assert_eq(parse_limits("held=1,doors=2", &l, &wrong), -EINVAL);
	cr_assert_str_eq(wrong, "doors=2");
	cr_assert_eq(parse_limits("held=4294967296", &l, &wrong), -EINVAL);
	cr_assert_eq(parse_limits("held=", &l, &wrong), -EINVAL);
	cr_assert_eq(parse_limits("held", &l, &wrong), -EINVAL);
	cr_assert_eq(parse_limits("", &l, &wrong), -EINVAL);
}

TEST(cli_words, targets)
{
	static const char *const bad[] = { "", "tcp:", "tcp:x", "tcp::1", "tcp:x:", "tcp:x:http",
					   "tcp:::1:80", "unix:", "udp:x:1", "/path" };
	struct target t;
	const char *wanted;

	cr_assert_eq(target_parse("tcp:127.0.0.1:80", &t, &wanted), 0);
	cr_assert(t.numeric && t.naddresses == 1);
	cr_assert_eq(t.address[0].sa.ss_family, AF_INET);
	cr_assert_eq(target_parse("tcp:[::1]:80", &t, &wanted), 0);
	cr_assert(t.numeric && t.address[0].sa.ss_family == AF_INET6);
	cr_assert_eq(target_parse("tcp:host.example:80", &t, &wanted), 0);
	cr_assert(!t.numeric && !target_is_fresh(&t));
	cr_assert_eq(target_parse("unix:/a/b", &t, &wanted), 0);
	cr_assert(target_is_fresh(&t));
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		wanted = NULL;
		cr_assert_eq(target_parse(bad[i], &t, &wanted), -EINVAL, "%s", bad[i]);
		cr_assert_not_null(wanted);
	}
}

/* ---- copying: child copies between a and b, the test holds their other ends ---- */

struct ends {
	int ours[2], theirs[2];
};

static void make_ends(struct ends *e, int type)
{
	for (int i = 0; i < 2; i++) {
		int pair[2];

		MUST(socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, pair));
		e->ours[i] = pair[0];
		e->theirs[i] = pair[1];
	}
}

static pid_t start_copy(struct ends *e, enum copy_until until)
{
	pid_t pid = child_fork();

	if (pid == 0) {
		signal(SIGPIPE, SIG_IGN);
		close(e->ours[0]);
		close(e->ours[1]);
		for (int i = 0; i < 2; i++)
			fcntl(e->theirs[i], F_SETFL, O_NONBLOCK);
		_exit(-copy_both((struct copy_end){ e->theirs[0], e->theirs[0] },
				 (struct copy_end){ e->theirs[1], e->theirs[1] }, until));
	}
	close(e->theirs[0]);
	close(e->theirs[1]);
	return pid;
}

TEST(cli_words, copy_passes_half_closes_on)
{
	struct ends e;
	char byte;
	pid_t pid;

	make_ends(&e, SOCK_STREAM);
	pid = start_copy(&e, COPY_BOTH_END);
	cr_assert(linked(e.ours[0], e.ours[1]));
	MUST(shutdown(e.ours[0], SHUT_WR));
	cr_assert(wait_fd(e.ours[1], POLLIN));
	cr_assert_eq(read(e.ours[1], &byte, 1), 0, "the end is passed on");
	cr_assert(linked(e.ours[1], e.ours[0]), "and the other direction goes on");
	close(e.ours[1]);
	cr_assert(wait_fd(e.ours[0], POLLIN));
	cr_assert_eq(read(e.ours[0], &byte, 1), 0);
	cr_assert_eq(child_wait(pid), 0);
	close(e.ours[0]);
}

/* Both directions are full at once, and neither may wait for the other. */
TEST(cli_words, copy_does_not_deadlock)
{
	const size_t total = 4u << 20;
	struct ends e;
	size_t sent[2] = { 0 }, got[2] = { 0 };
	static char chunk[65536];
	pid_t pid;

	make_ends(&e, SOCK_STREAM);
	pid = start_copy(&e, COPY_BOTH_END);
	while (sent[0] < total || sent[1] < total || got[0] < sent[1] || got[1] < sent[0]) {
		struct pollfd p[2];
		bool filled = false;

		/* fill both as far as they go before anything is read */
		for (int i = 0; i < 2; i++) {
			ssize_t n = sent[i] < total ? send(e.ours[i], chunk, sizeof chunk,
							   MSG_DONTWAIT) : 0;

			if (n > 0) {
				sent[i] += (size_t)n;
				filled = true;
			}
		}
		if (filled)
			continue;
		for (int i = 0; i < 2; i++)
			p[i] = (struct pollfd){ e.ours[i], POLLIN, 0 };
		cr_assert_gt(poll(p, 2, HANG_MS), 0, "%zu and %zu bytes came", got[0], got[1]);
		for (int i = 0; i < 2; i++) {
			ssize_t n = recv(e.ours[i], chunk, sizeof chunk, MSG_DONTWAIT);

			if (n > 0)
				got[i] += (size_t)n;
		}
	}
	cr_assert(sent[0] == got[1] && sent[1] == got[0]);
	close(e.ours[0]);
	close(e.ours[1]);
	cr_assert_eq(child_wait(pid), 0);
}

TEST(cli_words, copy_keeps_packets_apart)
{
	struct ends e;
	char buf[16];
	pid_t pid;

	make_ends(&e, SOCK_SEQPACKET);
	pid = start_copy(&e, COPY_BOTH_END);
	MUST(send(e.ours[0], "one", 3, 0));
	MUST(send(e.ours[0], "three", 5, 0));
	cr_assert(wait_fd(e.ours[1], POLLIN));
	cr_assert_eq(recv(e.ours[1], buf, sizeof buf, 0), 3);
	cr_assert_eq(recv(e.ours[1], buf, sizeof buf, 0), 5);
	close(e.ours[0]);
	close(e.ours[1]);
	cr_assert_eq(child_wait(pid), 0);
}

/* A file opened for appending takes no splice(): what is in the pipe already must not be lost. */
TEST(cli_words, copy_to_what_takes_no_splice)
{
	char dir[DIR_BYTES], path[DIR_BYTES + 8], *text;
	int pipe_fds[2], out;

	dir_make(dir);
	snprintf(path, sizeof path, "%s/out", dir);
	file_write(path, "a");
	out = MUST(open(path, O_WRONLY | O_APPEND | O_CLOEXEC));
	MUST(pipe2(pipe_fds, O_CLOEXEC));
	MUST(write(pipe_fds[1], "bcd", 3));
	close(pipe_fds[1]);
	cr_assert_eq(copy_one(pipe_fds[0], out), 0);
	text = file_read(path);
	cr_assert_str_eq(text, "abcd");
	free(text);
	close(pipe_fds[0]);
	close(out);
	dir_remove(dir);
}

/* ---- the program ---- */

static void run_alone(struct run *ret, const char *const *argv)
{
	static char dir[DIR_BYTES], runtime[DIR_BYTES + 16];
	char path[PATH_BYTES];
	const char *words[8] = { path };

	dir_make(dir);
	snprintf(runtime, sizeof runtime, "XDG_RUNTIME_DIR=%s", dir);
	program_path("intro", path);
	for (size_t i = 0; i < 6 && argv[i]; i++)
		words[i + 1] = argv[i];
	run(ret, &(struct spawn){
			 .argv = words,
			 .env = (const char *const[]){ runtime, "INTRO_DOOR", NULL } });
	dir_remove(dir);
}

#define RUN_ALONE(ret, ...) run_alone(ret, (const char *const[]){ __VA_ARGS__, NULL })

TEST(cli_words, wrong_command_lines_are_100_and_point_to_help)
{
	static const char *const lines[][5] = {
		{ "frobnicate" },
		{ "serve" },
		{ "serve", "x" },
		{ "serve", "x", "--to", "nowhere" },
		{ "serve", "x", "--listen" },
		{ "serve", "x", "--listen=window", "true" },
		{ "serve", "a b", "--", "true" },
		{ "serve", "x", "--max", "0", "true" },
		{ "serve", "x", "--to", "unix:/x", "--sockpair" },
		{ "connect" },
		{ "connect", "x", "--wait", "soon" },
		{ "connect", "x", "--fd", "7" },
		{ "connect", "x", "--fdpass", "--", "true" },
		{ "connect", "x", "--type" },
		{ "hold" },
		{ "take", "x", "--fd", "1" },
		{ "door" },
		{ "door", "open", "x" },
		{ "door", "add", "../x" },
		{ "door", "limit", "x", "doors=1" },
		{ "grant", "x" },
		{ "grant", "x", "y", "--uses", "0" },
		{ "grant", "x", "y", "--file", "intro.sock" },
		{ "list", "people" },
		{ "why", "x" },
		{ "status", "now" },
	};

	for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
		_cleanup_run_ struct run r;

		run_alone(&r, lines[i]);
		cr_assert_eq(r.status, 100, "%s %s: %d: %s", lines[i][0],
			     lines[i][1] ? lines[i][1] : "", r.status, r.err);
		cr_assert_str_eq(r.out, "");
		cr_assert_not_null(strstr(r.err, "--help"), "%s", r.err);
	}
}

TEST(cli_words, the_nearest_verb_is_suggested)
{
	_cleanup_run_ struct run r, s;

	RUN_ALONE(&r, "conect");
	cr_assert_not_null(strstr(r.err, "\"connect\""), "%s", r.err);
	RUN_ALONE(&s, "entirely-different");
	cr_assert_null(strstr(s.err, "did you mean"), "%s", s.err);
}

TEST(cli_words, help_and_version)
{
	static const char *const verbs[] = { "nat", "serve", "connect", "hold", "take", "door", "grant",
					     "list",  "show",	 "why",  "watch", "status" };
	_cleanup_run_ struct run all, version;

	RUN_ALONE(&all, "--help");
	cr_assert_eq(all.status, 0);
	for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++) {
		_cleanup_run_ struct run r;

		cr_assert_not_null(strstr(all.out, verbs[i]));
		RUN_ALONE(&r, verbs[i], "--help");
		cr_assert_eq(r.status, 0, "%s", verbs[i]);
		cr_assert(!strncmp(r.out, "Usage: intro ", 13), "%s", r.out);
		cr_assert_str_eq(r.err, "");
	}
	RUN_ALONE(&version, "--version");
	cr_assert(version.status == 0 && !strncmp(version.out, "intro ", 6));
}

TEST(cli_words, without_a_broker_it_is_111_and_says_how_to_start_one)
{
	static const char *const lines[][4] = {
		{ "connect", "x" }, { "take", "x" },	   { "list" },
		{ "show", "x" },    { "why", "host", "x" }, { "watch" },
		{ "status" },	    { "door", "remove", "x" },
	};

	for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
		_cleanup_run_ struct run r;

		run_alone(&r, lines[i]);
		cr_assert_eq(r.status, 111, "%s: %d %s", lines[i][0], r.status, r.err);
		cr_assert_not_null(strstr(r.err, "introd --user"), "%s", r.err);
	}
}
