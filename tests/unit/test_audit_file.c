/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The audit's file: rotated at its limit, lost on a full disk and found again; and a broker's own.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "audit_log.h"

#define ROTATED_BYTES ((off_t)8 << 20)

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

	audit_begin();
	fill("audit.log");
	write_line("first");
	cr_assert_gt(size_of("audit.log.1"), ROTATED_BYTES);
	cr_assert_eq(size_of("audit.log"), 0);
	write_line("second");
	text = text_of("audit.log");
	cr_expect(strstr(text, "name=second") && !strstr(text, "name=first"));
	free(text);

	/* the one before is gone: there are two at most */
	fill("audit.log");
	write_line("third");
	write_line("fourth");
	cr_assert_gt(size_of("audit.log.1"), ROTATED_BYTES);
	cr_assert_lt(size_of("audit.log"), 1000);
	cr_assert_eq(size_of("audit.log.2"), -ENOENT);
	audit_end();
}

/* Bytes of lines count, not only what was there. */
TEST(audit, is_rotated_when_it_has_grown)
{
	audit_begin();
	for (int i = 0; size_of("audit.log.1") < 0; i++) {
		cr_assert_lt(i, 200000);
		write_refusal("db", -ENOENT);
	}
	cr_assert_gt(size_of("audit.log.1"), ROTATED_BYTES);
	cr_assert_lt(size_of("audit.log.1"), ROTATED_BYTES + (off_t)AUDIT_BUFFER_BYTES);
	audit_end();
}

/* A file elsewhere is somebody else's to rotate. */
TEST(audit, rotates_its_own_only)
{
	audit_begin();
	fill("other");
	write_line("db");
	cr_assert_gt(size_of("other"), ROTATED_BYTES);
	cr_assert_eq(size_of("other.1"), -ENOENT);
	audit_end();
}

/* No descriptor for the new file just now: the lines go on, and later it is made. */
TEST(audit, rotates_later_when_it_cannot_now)
{
	struct rlimit all, none;
	int lowest;

	audit_begin();
	fill("audit.log");
	MUST(getrlimit(RLIMIT_NOFILE, &all));
	lowest = MUST(fcntl(0, F_DUPFD_CLOEXEC, 0));
	close(lowest);
	none = all;
	none.rlim_cur = (rlim_t)lowest;
	MUST(setrlimit(RLIMIT_NOFILE, &none));
	write_line("during");
	MUST(setrlimit(RLIMIT_NOFILE, &all));
	write_line("after");
	cr_assert_geq(size_of("audit.log"), 0, "there is a new file");
	write_line("then");
	cr_assert_gt(size_of("audit.log"), 0);
	cr_assert_lt(size_of("audit.log"), 1000);
	audit_end();
}

/* ---- a full disk */

/* Every line is whole, or at most one is cut short where the disk was full: a name never
 * stands in a line with another. The number of lines that say this. */
static int lines_saying(const char *text, const char *word)
{
	char *copy = strdup(text), *rest = copy, *line;
	int n = 0;

	while (*rest && (line = line_of(&rest))) {
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
		write_refusal("early", -ENOENT);
	audit_flush(audit);
	cr_assert_eq(audit->used, 0, "what cannot be written is not kept");
	for (int i = 0; i < 100; i++)
		write_refusal("early", -ENOENT);
	make_room();
	write_line("late");
	write_line("later");
	text = text_of("audit.log");
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
	audit_begin();
	MUST(getrlimit(RLIMIT_FSIZE, &unlimited));
	MUST(setrlimit(RLIMIT_FSIZE, &(struct rlimit){ 20000, unlimited.rlim_max }));
	check_full_disk(allow_long_files);
	audit_end();
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
	audit_begin();
	audit_open(audit, -1, AUDIT_NONE);
	MUST(close(board.base_fd));
	MUST(mount("tiny", dir, "tmpfs", 0, "size=512k"));
	board.base_fd = MUST(open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	audit_open(audit, open_file(), AUDIT_FILE);
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
	MUST(umount(dir));
	board.base_fd = MUST(open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	audit_end();
}

/* ---- a broker */

struct hope {
	const struct broker *b;
	const char *file, *word;
};

static bool logged(void *arg)
{
	const struct hope *hope = arg;
	char path[PATH_BYTES], *text;
	bool found;

	snprintf(path, sizeof path, "%s/%s", hope->b->base, hope->file);
	text = file_read(path);
	found = text && strstr(text, hope->word);
	free(text);
	return found;
}

static void ask(const struct broker *b, const char *name)
{
	int door = raw_open(b->host);

	cr_assert_eq(raw_introduce(door, 1, name, SOCK_STREAM, 0, NULL), -ENOENT);
	close(door);
}

/* It rotates its file, and the switch after it writes into the new one. */
TEST(audit, of_a_broker_is_rotated)
{
	struct broker b;
	char path[PATH_BYTES], *text;

	broker_start(&b, NULL);
	broker_end(&b);
	snprintf(path, sizeof path, "%s/audit.log", b.base);
	text = malloc((size_t)ROTATED_BYTES + 1);
	memset(text, '\n', (size_t)ROTATED_BYTES);
	text[ROTATED_BYTES] = '\0';
	file_write(path, text);
	free(text);
	broker_start_again(&b, NULL);
	ask(&b, "one");
	cr_assert(wait_until(logged, &(struct hope){ &b, "audit.log.1", "name=one" }));
	ask(&b, "two");
	cr_assert(wait_until(logged, &(struct hope){ &b, "audit.log", "name=two" }));
	broker_kill_switch(&b);
	ask(&b, "three");
	cr_assert(wait_until(logged, &(struct hope){ &b, "audit.log", "name=three" }));
	broker_stop(&b);
}

/* Whoever starts it may have set a limit to files (ulimit -f). */
TEST(audit, of_a_broker_may_not_grow)
{
	struct broker b;
	struct stat st;
	char path[PATH_BYTES], full[16384 + 1];
	pid_t pid;
	int fds;

	memset(full, '\n', sizeof full - 1);
	full[sizeof full - 1] = '\0';
	MUST(setrlimit(RLIMIT_FSIZE, &(struct rlimit){ 16384, RLIM_INFINITY }));
	broker_start(&b, &(struct broker_options){ .countable = true });
	pid = broker_switch_pid(&b, 0);
	fds = broker_fd_count(&b);
	for (int i = 0; i < 1000; i++)
		ask(&b, "db");
	snprintf(path, sizeof path, "%s/audit.log", b.base);
	MUST(stat(path, &st));
	cr_assert_eq(st.st_size, 16384);
	cr_assert_eq(broker_switch_pid(&b, 0), pid, "the switch has died");
	cr_assert(broker_fds_settle(&b, fds));

	/* nor may the parent's log, when it has something to say */
	file_write(b.log, full);
	MUST(kill(pid, SIGKILL));
	cr_assert_neq(broker_switch_pid(&b, pid), pid);
	ask(&b, "db");
	broker_stop(&b);
}
