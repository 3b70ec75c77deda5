/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The audit of trail.h.
 */
#include "trail.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

struct audit *const audit = &board.audit;
char trail_dir[DIR_BYTES];
char trail_who[AUDIT_WHO_MAX];
uint32_t trail_who_len;

int trail_open(void)
{
	return MUST(openat(board.base_fd, "audit.log", O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC,
			   0600));
}

void trail_begin(void)
{
	struct door door = { .name = "web" };

	dir_make(trail_dir);
	board.base_fd = MUST(open(trail_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	list_init(&board.watchers);
	audit_init(audit);
	trail_who_len = (uint32_t)audit_write_who(&door, 1000, 4711, trail_who);
	audit_open(audit, trail_open(), AUDIT_FILE);
}

void trail_end(void)
{
	audit_open(audit, -1, AUDIT_NONE);
	free(board.timers.timers);
	board.timers = (struct timer_heap){ 0 };
	close(board.base_fd);
	dir_remove(trail_dir);
}

void trail_introduce(uint64_t session, const char *name, const char *label)
{
	audit_introduced(audit, &(struct audit_introduction){
		.session = session, .who = trail_who, .who_len = trail_who_len, .way = WAY_PAIR,
		.path = PATH_LOCAL, .name = name, .name_len = strlen(name),
		.service = "postgres", .service_len = strlen("postgres"), .label = label,
	});
}

void trail_refuse(const char *name, int error)
{
	audit_write(audit, &(struct audit_line){
		.event = "refused", .who = trail_who, .who_len = trail_who_len, .name = name,
		.error = error,
	});
}

void trail_write(const char *name)
{
	trail_refuse(name, -ENOENT);
	audit_flush(audit);
}

char *trail_text(const char *file)
{
	char path[DIR_BYTES + 16], *text;

	snprintf(path, sizeof path, "%s/%s", trail_dir, file);
	text = file_read(path);
	cr_assert_not_null(text, "%s", path);
	return text;
}

off_t trail_size(const char *file)
{
	struct stat st;

	return fstatat(board.base_fd, file, &st, 0) < 0 ? -errno : st.st_size;
}

char *trail_line(char **text)
{
	char *line = *text, *end = strchr(line, '\n');

	if (!*line)
		return NULL;
	cr_assert_not_null(end, "a line without its end: %s", line);
	*end = '\0';
	*text = end + 1;
	return line;
}

const char *trail_behind_time(const char *line)
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
