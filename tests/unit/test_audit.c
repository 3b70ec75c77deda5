/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The audit: its lines, when they are written, and syslog.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <unistd.h>

#include "audit_log.h"

TEST(audit, lines)
{
	static const char *const wanted[] = {
		"introduced session=1800000000000000 door=web uid=1000 pid=4711 name=db "
		"service=postgres way=pair path=local",
		"introduced session=1800000000000001 door=web uid=1000 pid=4711 name=db "
		"service=postgres label=\"web's database\" way=pair path=local",
		"refused door=web uid=1000 pid=4711 name=db error=ENOENT",
		"refused door=web uid=1000 pid=4711",
		"door-added door=web uid=1000 pid=4711 about=app",
		"introduced session=1 door=web name=db service=db way=listen "
		"path=spliced",
	};
	struct door door = { .name = "web" };
	char nobody[AUDIT_WHO_MAX], *text, *rest;
	size_t n;

	audit_begin();
	write_introduction(SESSION, "db", NULL);
	write_introduction(SESSION + 1, "db", "web's database");
	write_refusal("db", -ENOENT);
	write_refusal("", 0);
	audit_write(audit, &(struct audit_line){ .event = "door-added", .who = who,
						 .who_len = who_len, .about = "app" });
	n = audit_write_who(&door, -1, 0, nobody);
	audit_introduced(audit, &(struct audit_introduction){
		.session = 1, .who = nobody, .who_len = (uint32_t)n, .way = WAY_LISTEN,
		.path = PATH_SPLICED, .name = "db", .name_len = 2, .service = "db",
		.service_len = 2 });
	cr_assert_eq(size_of("audit.log"), 0, "lines are collected");
	audit_flush(audit);
	rest = text = text_of("audit.log");
	for (size_t i = 0; i < sizeof wanted / sizeof wanted[0]; i++)
		cr_expect_str_eq(behind_time(line_of(&rest)), wanted[i]);
	cr_expect_null(line_of(&rest));
	free(text);
	audit_end();
}

TEST(audit, who_fits_at_its_longest)
{
	struct door door;
	char out[AUDIT_WHO_MAX + 16];

	memset(&door, 0, sizeof door);
	memset(door.name, 'd', 64);
	memset(out, '#', sizeof out);
	cr_assert_leq(audit_write_who(&door, UINT32_MAX, UINT32_MAX, out), AUDIT_WHO_MAX);
	cr_assert_leq(audit_write_who(&door, -1, UINT32_MAX, out), AUDIT_WHO_MAX);
	cr_assert_eq(out[AUDIT_WHO_MAX], '#');
}

/* The longest line of all is shorter than what is kept free for it, and none is cut. */
TEST(audit, lines_at_their_longest)
{
	char name[65], label[129], *text, *rest, *line;
	struct door door;
	int n = 0;

	audit_begin();
	memset(&door, 0, sizeof door);
	memset(door.name, 'd', 64);
	memset(name, 'n', 64);
	memset(label, 'l', 128);
	name[64] = label[128] = '\0';
	who_len = (uint32_t)audit_write_who(&door, UINT32_MAX, UINT32_MAX, who);
	for (int i = 0; i < 500; i++) {
		write_introduction(UINT64_MAX - (uint64_t)i, name, label);
		audit_write(audit, &(struct audit_line){
			.event = "limited", .who = who, .who_len = who_len, .about = door.name,
			.name = name, .error = -ETOOMANYREFS });
	}
	audit_flush(audit);
	rest = text = text_of("audit.log");
	while ((line = line_of(&rest))) {
		char wanted[48];

		snprintf(wanted, sizeof wanted, "introduced session=%llu ",
			 (unsigned long long)(UINT64_MAX - (uint64_t)(n / 2)));
		cr_assert_lt(strlen(line), AUDIT_LINE_MAX);
		cr_assert(n % 2 ? strstr(line, " error=ETOOMANYREFS") != NULL :
				  strstr(line, wanted) != NULL, "%s", line);
		n++;
	}
	cr_assert_eq(n, 1000);
	free(text);
	audit_end();
}

/* Numbers are counted up in place: by ones, and by anything else. */
TEST(audit, session_numbers)
{
	static const uint64_t from[] = { 1, 2, 5, 99, 8, 989, SESSION + 95, 12, UINT64_MAX - 40,
					 UINT64_C(9999999999999999998) };
	char *text, *rest;

	audit_begin();
	for (size_t i = 0; i < sizeof from / sizeof from[0]; i++)
		for (uint64_t n = 0; n < 30; n++)
			write_introduction(from[i] + n, "db", NULL);
	audit_flush(audit);
	rest = text = text_of("audit.log");
	for (size_t i = 0; i < sizeof from / sizeof from[0]; i++) {
		for (uint64_t n = 0; n < 30; n++) {
			char wanted[64];

			snprintf(wanted, sizeof wanted, "introduced session=%llu door=",
				 (unsigned long long)(from[i] + n));
			cr_assert_eq(strncmp(behind_time(line_of(&rest)), wanted, strlen(wanted)),
				     0, "wanted %s", wanted);
		}
	}
	free(text);
	audit_end();
}

static bool flushed(void *arg)
{
	(void)arg;
	timer_run(&board.timers);
	return size_of("audit.log") > 0;
}

TEST(audit, is_written_after_a_while_or_when_there_is_much)
{
	audit_begin();
	write_refusal("db", -ENOENT);
	cr_assert(wait_until(flushed, NULL), "its timer writes it");
	cr_assert(!timer_armed(&audit->flush));
	cr_assert_eq(audit->used, 0);
	for (int i = 0; i < 1000; i++)
		write_refusal("db", -ENOENT);
	cr_assert_gt(size_of("audit.log"), 50000, "a full buffer is written without a timer");
	audit_end();
}

TEST(audit, nobody_wants_lines)
{
	audit_begin();
	audit_open(audit, -1, AUDIT_FILE);
	for (int i = 0; i < 1000; i++)
		write_introduction(SESSION, "db", NULL);
	cr_assert_eq(audit->used, 0);
	cr_assert_eq(size_of("audit.log"), 0);
	cr_assert(!timer_armed(&audit->flush));
	audit_end();
}

/* What was collected belongs to the file that was open then. */
TEST(audit, another_file)
{
	char *text;
	int fd;

	audit_begin();
	write_refusal("old", -ENOENT);
	fd = MUST(openat(board.base_fd, "other", O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600));
	audit_open(audit, fd, AUDIT_FILE);
	write_refusal("new", -ENOENT);
	audit_flush(audit);
	text = text_of("audit.log");
	cr_expect(strstr(text, "name=old") && !strstr(text, "name=new"));
	free(text);
	text = text_of("other");
	cr_expect(strstr(text, "name=new") && !strstr(text, "name=old"));
	free(text);
	audit_end();
}

/* ---- syslog */

/* Read a datagram into buf: its length, -1 when there is none. */
static ssize_t datagram(int sock, char buf[static AUDIT_LINE_MAX + 1])
{
	ssize_t n = recv(sock, buf, AUDIT_LINE_MAX, MSG_DONTWAIT);

	buf[n < 0 ? 0 : n] = '\0';
	return n;
}

TEST(audit, one_datagram_for_each_line)
{
	char line[AUDIT_LINE_MAX + 1];
	int pair[2];

	audit_begin();
	MUST(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, pair));
	audit_open(audit, pair[1], AUDIT_SYSLOG);
	for (int i = 0; i < 3; i++)
		write_refusal("db", -ENOENT);
	cr_assert_eq(datagram(pair[0], line), -1, "they are collected");
	audit_flush(audit);
	for (int i = 0; i < 3; i++) {
		cr_assert_gt(datagram(pair[0], line), 0);
		cr_assert_eq(strncmp(line, "<86>introd: ", 12), 0, "%s", line);
		cr_assert_str_eq(behind_time(line + 12),
				 "refused door=web uid=1000 pid=4711 name=db error=ENOENT");
	}
	cr_assert_eq(datagram(pair[0], line), -1);
	close(pair[0]);
	audit_end();
}

/* Its queue is full, or it is gone: lines are lost, and counted, and nothing blocks. */
TEST(audit, a_syslog_that_does_not_read)
{
	char line[AUDIT_LINE_MAX + 1], wanted[64];
	int pair[2], got = 0;

	audit_begin();
	MUST(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, pair));
	audit_open(audit, pair[1], AUDIT_SYSLOG);
	for (int i = 0; i < 5000; i++)
		write_refusal("db", -ENOENT);
	audit_flush(audit);
	while (datagram(pair[0], line) > 0)
		got += strstr(line, "name=db") != NULL;
	cr_assert(got > 0 && got < 5000, "%d", got);
	write_line("late");
	cr_assert_gt(datagram(pair[0], line), 0);
	snprintf(wanted, sizeof wanted, "lost lines=%d", 5000 - got);
	cr_assert_str_eq(behind_time(line + 12), wanted);
	cr_assert_gt(datagram(pair[0], line), 0);
	cr_assert_not_null(strstr(line, "name=late"));
	cr_assert_eq(datagram(pair[0], line), -1);
	close(pair[0]);
	write_line("gone");
	audit_end();
}
