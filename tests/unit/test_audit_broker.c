/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The audit of a broker: its file is rotated, and may be kept from growing.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "trail.h"

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
	broker_switch_kill(&b);
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
