/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The audit: the file that is rotated at its limit, and a disk that is full.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <unistd.h>

#include "trail.h"

/* ---- rotation */

/* Make the file just too long, as if it had grown. */
static void fill(const char *file)
{
	int fd = MUST(openat(board.base_fd, file, O_RDWR | O_CREAT | O_CLOEXEC, 0600));

	MUST(ftruncate(fd, ROTATED_BYTES));
	audit_open(audit, MUST(openat(board.base_fd, file, O_WRONLY | O_APPEND | O_CLOEXEC)),
		   AUDIT_FILE);
	close(fd);
}

TEST(audit, is_rotated_at_its_limit)
{
	char *text;

	trail_begin();
	fill("audit.log");
	trail_write("first");
	cr_assert_gt(trail_size("audit.log.1"), ROTATED_BYTES);
	cr_assert_eq(trail_size("audit.log"), 0);
	trail_write("second");
	text = trail_text("audit.log");
	cr_expect(strstr(text, "name=second") && !strstr(text, "name=first"));
	free(text);

	/* the one before is gone: there are two at most */
	fill("audit.log");
	trail_write("third");
	trail_write("fourth");
	cr_assert_gt(trail_size("audit.log.1"), ROTATED_BYTES);
	cr_assert_lt(trail_size("audit.log"), 1000);
	cr_assert_eq(trail_size("audit.log.2"), -ENOENT);
	trail_end();
}

/* Bytes of lines count, not only what was there. */
TEST(audit, is_rotated_when_it_has_grown)
{
	trail_begin();
	for (int i = 0; trail_size("audit.log.1") < 0; i++) {
		cr_assert_lt(i, 200000);
		trail_refuse("db", -ENOENT);
	}
	cr_assert_gt(trail_size("audit.log.1"), ROTATED_BYTES);
	cr_assert_lt(trail_size("audit.log.1"), ROTATED_BYTES + (off_t)AUDIT_BUFFER_BYTES);
	trail_end();
}

/* A file elsewhere is somebody else's to rotate. */
TEST(audit, rotates_its_own_only)
{
	trail_begin();
	fill("other");
	trail_write("db");
	cr_assert_gt(trail_size("other"), ROTATED_BYTES);
	cr_assert_eq(trail_size("other.1"), -ENOENT);
	trail_end();
}

/* No descriptor for the new file just now: the lines go on, and later it is made. */
TEST(audit, rotates_later_when_it_cannot_now)
{
	struct rlimit all, none;
	int lowest;

	trail_begin();
	fill("audit.log");
	MUST(getrlimit(RLIMIT_NOFILE, &all));
	lowest = MUST(fcntl(0, F_DUPFD_CLOEXEC, 0));
	close(lowest);
	none = all;
	none.rlim_cur = (rlim_t)lowest;
	MUST(setrlimit(RLIMIT_NOFILE, &none));
	trail_write("during");
	MUST(setrlimit(RLIMIT_NOFILE, &all));
	trail_write("after");
	cr_assert_geq(trail_size("audit.log"), 0, "there is a new file");
	trail_write("then");
	cr_assert_gt(trail_size("audit.log"), 0);
	cr_assert_lt(trail_size("audit.log"), 1000);
	trail_end();
}

/* ---- a full disk */

/* Every line is whole, or at most one is cut short where the disk was full: a name never
 * stands in a line with another. The number of lines that say this. */
static int lines_saying(const char *text, const char *word)
{
	char *copy = strdup(text), *rest = copy, *line;
	int n = 0;

	while (*rest && (line = trail_line(&rest))) {
		char *at = strstr(line, "refused"), *lost = strstr(line, " lost lines=");

		cr_assert(!at || !strstr(at + 1, "refused"), "two lines in one: %s", line);
		cr_assert(!lost || lost == line + AUDIT_TIME_LEN, "two lines in one: %s", line);
		n += strstr(line, word) != NULL;
	}
	free(copy);
	return n;
}

/* make_room: of what keeps the disk full. */
static void check_full_disk(void (*make_room)(void))
{
	char *text, wanted[64];
	int early, said;

	for (int i = 0; i < 2000; i++)
		trail_refuse("early", -ENOENT);
	audit_flush(audit);
	cr_assert_eq(audit->used, 0, "what cannot be written is not kept");
	for (int i = 0; i < 100; i++)
		trail_refuse("early", -ENOENT);
	make_room();
	trail_write("late");
	trail_write("later");
	text = trail_text("audit.log");
	cr_assert_eq(lines_saying(text, "name=late "), 1);
	cr_assert_eq(lines_saying(text, "name=later "), 1);
	early = lines_saying(text, "name=early error=ENOENT");
	cr_assert_lt(early, 2100);
	/* and the log says what is missing in it */
	snprintf(wanted, sizeof wanted, " lost lines=%d", 2100 - early);
	said = lines_saying(text, wanted);
	cr_assert_eq(said, 1, "%s", wanted);
	cr_assert_eq(lines_saying(text, " lost lines="), 1);
	free(text);
}

static struct rlimit unlimited;

static void allow_long_files(void)
{
	MUST(setrlimit(RLIMIT_FSIZE, &unlimited));
}

/* 20,000 bytes are a buffer that fits and a part of the next one. */
TEST(audit, survives_a_limit_to_files)
{
	trail_begin();
	MUST(getrlimit(RLIMIT_FSIZE, &unlimited));
	MUST(setrlimit(RLIMIT_FSIZE, &(struct rlimit){ 20000, unlimited.rlim_max }));
	check_full_disk(allow_long_files);
	trail_end();
}

static void remove_filler(void)
{
	MUST(unlinkat(board.base_fd, "filler", 0));
}

TEST(audit, survives_a_full_disk)
{
	static const char page[4096];
	off_t used = 0;
	int fd;

	NEED(geteuid() == 0, "mounts need root");
	MUST(unshare(CLONE_NEWNS));
	MUST(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL));
	trail_begin();
	audit_open(audit, -1, AUDIT_NONE);
	MUST(close(board.base_fd));
	MUST(mount("tiny", trail_dir, "tmpfs", 0, "size=512k"));
	board.base_fd = MUST(open(trail_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	audit_open(audit, trail_open(), AUDIT_FILE);
	/* all but one page, which takes a part of a buffer */
	fd = MUST(openat(board.base_fd, "filler", O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
	while (write(fd, page, sizeof page) == (ssize_t)sizeof page)
		used += (off_t)sizeof page;
	cr_assert_eq(errno, ENOSPC);
	MUST(ftruncate(fd, used - (off_t)sizeof page));
	close(fd);
	check_full_disk(remove_filler);
	audit_open(audit, -1, AUDIT_NONE);
	MUST(close(board.base_fd));
	MUST(umount(trail_dir));
	board.base_fd = MUST(open(trail_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	trail_end();
}
