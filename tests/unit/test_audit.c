/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The audit: its lines, the file that is rotated at its limit, a disk that is full, and syslog.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "../../broker/channel.h"
#include "../../broker/switch/board.h"
#include "../../broker/switch/door.h"
#include "harness.h"

#define ROTATED_BYTES ((off_t)8 << 20)
#define SESSION UINT64_C(1800000000000000)

static char dir[DIR_BYTES];
static struct audit *const audit = &board.audit;
static char who[AUDIT_WHO_MAX];
static uint32_t who_len;

static int open_file(void)
{
	return MUST(openat(board.base_fd, "audit.log", O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC,
			   0600));
}

static void begin(void)
{
	struct door door = { .name = "web" };

	dir_make(dir);
	board.base_fd = MUST(open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	list_init(&board.watchers);
	audit_init(audit);
	who_len = (uint32_t)audit_write_who(&door, 1000, 4711, who);
	audit_open(audit, open_file(), AUDIT_FILE);
}

static void end(void)
{
	audit_open(audit, -1, AUDIT_NONE);
	free(board.timers.timers);
	board.timers = (struct timer_heap){ 0 };
	close(board.base_fd);
	dir_remove(dir);
}

static void introduce(uint64_t session, const char *name, const char *label)
{
	audit_introduced(audit, &(struct audit_introduction){
		.session = session, .who = who, .who_len = who_len, .way = WAY_PAIR,
		.path = PATH_LOCAL, .name = name, .name_len = strlen(name),
		.service = "postgres", .service_len = strlen("postgres"), .label = label,
	});
}

static void refuse(const char *name, int error)
{
	audit_write(audit, &(struct audit_line){
		.event = "refused", .who = who, .who_len = who_len, .name = name, .error = error,
	});
}

/* A file of ours, to be freed. */
static char *text_of(const char *file)
{
	char path[DIR_BYTES + 16], *text;

	snprintf(path, sizeof path, "%s/%s", dir, file);
	text = file_read(path);
	cr_assert_not_null(text, "%s", path);
	return text;
}

static off_t size_of(const char *file)
{
	struct stat st;

	return fstatat(board.base_fd, file, &st, 0) < 0 ? -errno : st.st_size;
}

/* The first line, which is cut off: NULL when there is none; it must end. */
static char *line_of(char **text)
{
	char *line = *text, *end = strchr(line, '\n');

	if (!*line)
		return NULL;
	cr_assert_not_null(end, "a line without its end: %s", line);
	*end = '\0';
	*text = end + 1;
	return line;
}

/* What stands behind the time, which must be one, not earlier than the last. */
static const char *behind_time(const char *line)
{
	static char last[AUDIT_TIME_LEN + 1];
	struct tm tm = { 0 };
	char *rest = strptime(line, "%Y-%m-%dT%H:%M:%S", &tm);

	cr_assert(rest && rest == line + 19 && rest[0] == '.' && rest[4] == 'Z' && rest[5] == ' ',
		  "%s", line);
	cr_assert_leq(llabs((long long)(timegm(&tm) - time(NULL))), 60, "%s", line);
	cr_assert_leq(strncmp(last, line, AUDIT_TIME_LEN), 0, "%s after %s", line, last);
	memcpy(last, line, AUDIT_TIME_LEN);
	return line + AUDIT_TIME_LEN + 1;
}

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

	begin();
	introduce(SESSION, "db", NULL);
	introduce(SESSION + 1, "db", "web's database");
	refuse("db", -ENOENT);
	refuse("", 0);
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
	end();
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

	begin();
	memset(&door, 0, sizeof door);
	memset(door.name, 'd', 64);
	memset(name, 'n', 64);
	memset(label, 'l', 128);
	name[64] = label[128] = '\0';
	who_len = (uint32_t)audit_write_who(&door, UINT32_MAX, UINT32_MAX, who);
	for (int i = 0; i < 500; i++) {
		introduce(UINT64_MAX - (uint64_t)i, name, label);
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
	end();
}

/* Numbers are counted up in place: by ones, and by anything else. */
TEST(audit, session_numbers)
{
	static const uint64_t from[] = { 1, 2, 5, 99, 8, 989, SESSION + 95, 12, UINT64_MAX - 40,
					 UINT64_C(9999999999999999998) };
	char *text, *rest;

	begin();
	for (size_t i = 0; i < sizeof from / sizeof from[0]; i++)
		for (uint64_t n = 0; n < 30; n++)
			introduce(from[i] + n, "db", NULL);
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
	end();
}

static bool flushed(void *arg)
{
	(void)arg;
	timer_run(&board.timers);
	return size_of("audit.log") > 0;
}

TEST(audit, is_written_after_a_while_or_when_there_is_much)
{
	begin();
	refuse("db", -ENOENT);
	cr_assert(wait_until(flushed, NULL), "its timer writes it");
	cr_assert(!timer_armed(&audit->flush));
	cr_assert_eq(audit->used, 0);
	for (int i = 0; i < 1000; i++)
		refuse("db", -ENOENT);
	cr_assert_gt(size_of("audit.log"), 50000, "a full buffer is written without a timer");
	end();
}

TEST(audit, nobody_wants_lines)
{
	begin();
	audit_open(audit, -1, AUDIT_FILE);
	for (int i = 0; i < 1000; i++)
		introduce(SESSION, "db", NULL);
	cr_assert_eq(audit->used, 0);
	cr_assert_eq(size_of("audit.log"), 0);
	cr_assert(!timer_armed(&audit->flush));
	end();
}

/* What was collected belongs to the file that was open then. */
TEST(audit, another_file)
{
	char *text;
	int fd;

	begin();
	refuse("old", -ENOENT);
	fd = MUST(openat(board.base_fd, "other", O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600));
	audit_open(audit, fd, AUDIT_FILE);
	refuse("new", -ENOENT);
	audit_flush(audit);
	text = text_of("audit.log");
	cr_expect(strstr(text, "name=old") && !strstr(text, "name=new"));
	free(text);
	text = text_of("other");
	cr_expect(strstr(text, "name=new") && !strstr(text, "name=old"));
	free(text);
	end();
}

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

static void write_line(const char *name)
{
	refuse(name, -ENOENT);
	audit_flush(audit);
}

TEST(audit, is_rotated_at_its_limit)
{
	char *text;

	begin();
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
	end();
}

/* Bytes of lines count, not only what was there. */
TEST(audit, is_rotated_when_it_has_grown)
{
	begin();
	for (int i = 0; size_of("audit.log.1") < 0; i++) {
		cr_assert_lt(i, 200000);
		refuse("db", -ENOENT);
	}
	cr_assert_gt(size_of("audit.log.1"), ROTATED_BYTES);
	cr_assert_lt(size_of("audit.log.1"), ROTATED_BYTES + (off_t)AUDIT_BUFFER_BYTES);
	end();
}

/* A file elsewhere is somebody else's to rotate. */
TEST(audit, rotates_its_own_only)
{
	begin();
	fill("other");
	write_line("db");
	cr_assert_gt(size_of("other"), ROTATED_BYTES);
	cr_assert_eq(size_of("other.1"), -ENOENT);
	end();
}

/* No descriptor for the new file just now: the lines go on, and later it is made. */
TEST(audit, rotates_later_when_it_cannot_now)
{
	struct rlimit all, none;
	int lowest;

	begin();
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
	end();
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
		refuse("early", -ENOENT);
	audit_flush(audit);
	cr_assert_eq(audit->used, 0, "what cannot be written is not kept");
	for (int i = 0; i < 100; i++)
		refuse("early", -ENOENT);
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
	begin();
	MUST(getrlimit(RLIMIT_FSIZE, &unlimited));
	MUST(setrlimit(RLIMIT_FSIZE, &(struct rlimit){ 20000, unlimited.rlim_max }));
	check_full_disk(allow_long_files);
	end();
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
	begin();
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
	end();
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

	begin();
	MUST(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, pair));
	audit_open(audit, pair[1], AUDIT_SYSLOG);
	for (int i = 0; i < 3; i++)
		refuse("db", -ENOENT);
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
	end();
}

/* Its queue is full, or it is gone: lines are lost, and counted, and nothing blocks. */
TEST(audit, a_syslog_that_does_not_read)
{
	char line[AUDIT_LINE_MAX + 1], wanted[64];
	int pair[2], got = 0;

	begin();
	MUST(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, pair));
	audit_open(audit, pair[1], AUDIT_SYSLOG);
	for (int i = 0; i < 5000; i++)
		refuse("db", -ENOENT);
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
	end();
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
	pid_t old;

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
	old = broker_switch_pid(&b, 0);
	MUST(kill(old, SIGKILL));
	broker_switch_pid(&b, old);
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
