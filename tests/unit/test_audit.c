/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The audit: its lines, and when they are written.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "trail.h"

#define SESSION UINT64_C(1800000000000000)

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

	trail_begin();
	trail_introduce(SESSION, "db", NULL);
	trail_introduce(SESSION + 1, "db", "web's database");
	trail_refuse("db", -ENOENT);
	trail_refuse("", 0);
	audit_write(audit, &(struct audit_line){ .event = "door-added", .who = trail_who,
						 .who_len = trail_who_len, .about = "app" });
	n = audit_write_who(&door, -1, 0, nobody);
	audit_introduced(audit, &(struct audit_introduction){
		.session = 1, .who = nobody, .who_len = (uint32_t)n, .way = WAY_LISTEN,
		.path = PATH_SPLICED, .name = "db", .name_len = 2, .service = "db",
		.service_len = 2 });
	cr_assert_eq(trail_size("audit.log"), 0, "lines are collected");
	audit_flush(audit);
	rest = text = trail_text("audit.log");
	for (size_t i = 0; i < sizeof wanted / sizeof wanted[0]; i++)
		cr_expect_str_eq(trail_behind_time(trail_line(&rest)), wanted[i]);
	cr_expect_null(trail_line(&rest));
	free(text);
	trail_end();
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

	trail_begin();
	memset(&door, 0, sizeof door);
	memset(door.name, 'd', 64);
	memset(name, 'n', 64);
	memset(label, 'l', 128);
	name[64] = label[128] = '\0';
	trail_who_len = (uint32_t)audit_write_who(&door, UINT32_MAX, UINT32_MAX, trail_who);
	for (int i = 0; i < 500; i++) {
		trail_introduce(UINT64_MAX - (uint64_t)i, name, label);
		audit_write(audit, &(struct audit_line){
			.event = "limited", .who = trail_who, .who_len = trail_who_len,
			.about = door.name,
			.name = name, .error = -ETOOMANYREFS });
	}
	audit_flush(audit);
	rest = text = trail_text("audit.log");
	while ((line = trail_line(&rest))) {
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
	trail_end();
}

/* Numbers are counted up in place: by ones, and by anything else. */
TEST(audit, session_numbers)
{
	static const uint64_t from[] = { 1, 2, 5, 99, 8, 989, SESSION + 95, 12, UINT64_MAX - 40,
					 UINT64_C(9999999999999999998) };
	char *text, *rest;

	trail_begin();
	for (size_t i = 0; i < sizeof from / sizeof from[0]; i++)
		for (uint64_t n = 0; n < 30; n++)
			trail_introduce(from[i] + n, "db", NULL);
	audit_flush(audit);
	rest = text = trail_text("audit.log");
	for (size_t i = 0; i < sizeof from / sizeof from[0]; i++) {
		for (uint64_t n = 0; n < 30; n++) {
			char wanted[64];

			snprintf(wanted, sizeof wanted, "introduced session=%llu door=",
				 (unsigned long long)(from[i] + n));
			cr_assert_eq(strncmp(trail_behind_time(trail_line(&rest)), wanted, strlen(wanted)),
				     0, "wanted %s", wanted);
		}
	}
	free(text);
	trail_end();
}

static bool flushed(void *arg)
{
	(void)arg;
	timer_run(&board.timers);
	return trail_size("audit.log") > 0;
}

TEST(audit, is_written_after_a_while_or_when_there_is_much)
{
	trail_begin();
	trail_refuse("db", -ENOENT);
	cr_assert(wait_until(flushed, NULL), "its timer writes it");
	cr_assert(!timer_armed(&audit->flush));
	cr_assert_eq(audit->used, 0);
	for (int i = 0; i < 1000; i++)
		trail_refuse("db", -ENOENT);
	cr_assert_gt(trail_size("audit.log"), 50000, "a full buffer is written without a timer");
	trail_end();
}

TEST(audit, nobody_wants_lines)
{
	trail_begin();
	audit_open(audit, -1, AUDIT_FILE);
	for (int i = 0; i < 1000; i++)
		trail_introduce(SESSION, "db", NULL);
	cr_assert_eq(audit->used, 0);
	cr_assert_eq(trail_size("audit.log"), 0);
	cr_assert(!timer_armed(&audit->flush));
	trail_end();
}

/* What was collected belongs to the file that was open then. */
TEST(audit, another_file)
{
	char *text;
	int fd;

	trail_begin();
	trail_refuse("old", -ENOENT);
	fd = MUST(openat(board.base_fd, "other", O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600));
	audit_open(audit, fd, AUDIT_FILE);
	trail_refuse("new", -ENOENT);
	audit_flush(audit);
	text = trail_text("audit.log");
	cr_expect(strstr(text, "name=old") && !strstr(text, "name=new"));
	free(text);
	text = trail_text("other");
	cr_expect(strstr(text, "name=new") && !strstr(text, "name=old"));
	free(text);
	trail_end();
}
