/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lines in and out of the punch program: however they are cut, whoever reads slowly or no more.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../../cli/punch/lines.h"
#include "../harness.h"

static char seen[4096];
static struct loop loop;
static struct lines_in in;
static struct lines_out out;

static void see(struct lines_in *from, const char *line)
{
	size_t used = strlen(seen);

	cr_assert_eq(from, &in);
	snprintf(seen + used, sizeof seen - used, "%s|", line ? line : "(too long)");
}

static void step(void)
{
	cr_assert_eq(loop_step(&loop), 0);
}

static void say(int fd, const char *text)
{
	cr_assert_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
}

TEST(lines, however_cut)
{
	static char big[LINES_IN_BYTES + 100];
	int pair[2];

	seen[0] = '\0';
	MUST(pipe2(pair, O_CLOEXEC));
	cr_assert_eq(loop_init(&loop), 0);
	cr_assert_eq(lines_in_begin(&in, &loop, pair[0], see), 0);
	say(pair[1], "one\ntw");
	step();
	cr_expect_str_eq(seen, "one|");
	say(pair[1], "o\n\nthree\n");
	step();
	cr_expect_str_eq(seen, "one|two||three|");

	memset(big, 'x', sizeof big - 1);
	say(pair[1], big);
	step();
	say(pair[1], "rest\nfour\n");
	while (!strstr(seen, "four"))
		step();
	cr_expect_str_eq(seen, "one|two||three|(too long)|four|");
	close(pair[1]);
	step();
	cr_expect_eq(in.source.fd, -1, "the end was not seen");
	close(pair[0]);
	loop_end(&loop);
}

TEST(lines, of_a_file)
{
	int fd = MUST(memfd_create("lines", MFD_CLOEXEC));

	seen[0] = '\0';
	say(fd, "one\ntwo\n");
	lseek(fd, 0, SEEK_SET);
	cr_assert_eq(loop_init(&loop), 0);
	cr_assert_eq(lines_in_begin(&in, &loop, fd, see), 0);
	cr_expect_str_eq(seen, "one|two|");
	loop_end(&loop);
	close(fd);
}

/* More than a pipe holds is kept, in order, and nothing waits for it. */
TEST(lines, to_who_reads_later)
{
	enum { LINES = 4000, LENGTH = 32 };
	static char got[LINES * LENGTH + 1], want[LENGTH + 1];
	size_t used = 0;
	int pair[2];

	MUST(pipe2(pair, O_CLOEXEC | O_NONBLOCK));
	/* as it is given to us */
	MUST(fcntl(pair[1], F_SETFL, 0));
	cr_assert_eq(loop_init(&loop), 0);
	lines_out_begin(&out, &loop, pair[1]);
	for (int i = 0; i < LINES; i++) {
		snprintf(want, sizeof want, "%*d\n", LENGTH - 1, i);
		lines_out_put(&out, want, LENGTH);
	}
	cr_assert_not(out.lost);
	cr_assert_geq(out.source.fd, 0, "a pipe holds less");
	while (used < LINES * LENGTH) {
		ssize_t n = read(pair[0], got + used, sizeof got - used);

		cr_assert(n > 0 || out.source.fd >= 0);
		if (n > 0)
			used += (size_t)n;
		else
			step();
	}
	for (int i = 0; i < LINES; i++) {
		snprintf(want, sizeof want, "%*d\n", LENGTH - 1, i);
		cr_assert_arr_eq(got + i * LENGTH, want, LENGTH);
	}
	cr_expect_eq(out.source.fd, -1);
	lines_out_end(&out);
	close(pair[0]);
	close(pair[1]);
	loop_end(&loop);
}

TEST(lines, to_nobody)
{
	struct sigaction ignore = { .sa_handler = SIG_IGN }, before;
	int pair[2];

	sigaction(SIGPIPE, &ignore, &before);
	MUST(pipe2(pair, O_CLOEXEC));
	cr_assert_eq(loop_init(&loop), 0);
	lines_out_begin(&out, &loop, pair[1]);
	close(pair[0]);
	lines_out_put(&out, "x\n", 2);
	cr_expect_eq(out.fd, -1);
	lines_out_put(&out, "y\n", 2);
	cr_expect(out.lost);
	lines_out_end(&out);
	close(pair[1]);
	loop_end(&loop);
	sigaction(SIGPIPE, &before, NULL);
}
