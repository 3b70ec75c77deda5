/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The audit to a syslog: a datagram for each line, and nothing blocks.
 */
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "trail.h"

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

	trail_begin();
	MUST(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, pair));
	audit_open(audit, pair[1], AUDIT_SYSLOG);
	for (int i = 0; i < 3; i++)
		trail_refuse("db", -ENOENT);
	cr_assert_eq(datagram(pair[0], line), -1, "they are collected");
	audit_flush(audit);
	for (int i = 0; i < 3; i++) {
		cr_assert_gt(datagram(pair[0], line), 0);
		cr_assert_eq(strncmp(line, "<86>introd: ", 12), 0, "%s", line);
		cr_assert_str_eq(trail_behind_time(line + 12),
				 "refused door=web uid=1000 pid=4711 name=db error=ENOENT");
	}
	cr_assert_eq(datagram(pair[0], line), -1);
	close(pair[0]);
	trail_end();
}

/* Its queue is full, or it is gone: lines are lost, and counted, and nothing blocks. */
TEST(audit, a_syslog_that_does_not_read)
{
	char line[AUDIT_LINE_MAX + 1], wanted[64];
	int pair[2], got = 0;

	trail_begin();
	MUST(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, pair));
	audit_open(audit, pair[1], AUDIT_SYSLOG);
	for (int i = 0; i < 5000; i++)
		trail_refuse("db", -ENOENT);
	audit_flush(audit);
	while (datagram(pair[0], line) > 0)
		got += strstr(line, "name=db") != NULL;
	cr_assert(got > 0 && got < 5000, "%d", got);
	trail_write("late");
	cr_assert_gt(datagram(pair[0], line), 0);
	snprintf(wanted, sizeof wanted, "lost lines=%d", 5000 - got);
	cr_assert_str_eq(trail_behind_time(line + 12), wanted);
	cr_assert_gt(datagram(pair[0], line), 0);
	cr_assert_not_null(strstr(line, "name=late"));
	cr_assert_eq(datagram(pair[0], line), -1);
	close(pair[0]);
	trail_write("gone");
	trail_end();
}
