/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Claim 26, the broker's part: every descriptor in either of its rooms is close-on-exec, however
 * it came there.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "harness_intro.h"

/* flags of a descriptor, as /proc/PID/fdinfo says them. */
static unsigned int flags_of(pid_t pid, int fd)
{
	char path[64], *text, *at;
	unsigned int flags;

	snprintf(path, sizeof path, "/proc/%d/fdinfo/%d", pid, fd);
	text = file_read(path);
	if (!text)
		return O_CLOEXEC;	/* closed meanwhile */
	at = strstr(text, "flags:");
	if (!at || sscanf(at, "flags: %o", &flags) != 1)
		harness_fail("%s: %s", path, text);
	free(text);
	return flags;
}

/* All but 0, 1 and 2. Their number. */
static int check_room(pid_t pid, const char *when)
{
	char path[64], target[64];
	int seen = 0;
	DIR *table;

	snprintf(path, sizeof path, "/proc/%d/fd", pid);
	table = opendir(path);
	if (!table)
		harness_fail("%s: %m", path);
	for (const struct dirent *e; (e = readdir(table));) {
		ssize_t n;

		if (e->d_name[0] == '.' || atoi(e->d_name) <= 2)
			continue;
		n = readlinkat(dirfd(table), e->d_name, target, sizeof target - 1);
		target[n < 0 ? 0 : n] = '\0';
		cr_expect(flags_of(pid, atoi(e->d_name)) & O_CLOEXEC, "%s: %s of process %d is %s", when,
			  e->d_name, pid, target);
		seen++;
	}
	closedir(table);
	return seen;
}

static void check_broker(const char *when)
{
	cr_assert_gt(check_room(broker_switch_pid(&broker, 0), when), 8);
	cr_assert_gt(check_room(broker.pid, when), 4);
}

TEST(claim_26, in_the_broker)
{
	char file[PATH_BYTES + 8], door[PATH_BYTES], dir[DIR_BYTES];
	int request, path_client, pipe_[2], dirfd, shared;
	struct broker_options options = { .countable = true };
	struct intro_ref *web, *srv;

	broker_start(&broker, &options);
	MUST(setenv("INTRO_DOOR", broker.host, 1));
	check_broker("at its start");
	cr_assert_eq(intro_open(&service, NULL), 0);
	cr_assert_eq(intro_open(&client, NULL), 0);
	cr_assert_eq(broker_add_door(&broker, "web"), 0);
	cr_assert_eq(broker_grant(&broker, "web", "db", RIGHT_CONNECT), 0);
	broker_door(&broker, "web", door);
	serve_name("db", NULL);
	request = intro_serve(service, "fetch", &(struct intro_service){ .fetch = 1 }, &web);
	get_answer(service, request, INTRO_DONE);
	dir_make(dir);
	dirfd = MUST(open(dir, O_PATH | O_DIRECTORY));
	get_answer(service, intro_place(service, "placed", dirfd, "server", &srv), INTRO_DONE);
	close(dirfd);
	MUST(pipe(pipe_));
	get_answer(service, intro_hold(service, "log", pipe_[1]), INTRO_DONE);
	/* a connection that was deposited without close-on-exec */
	cr_assert_eq(intro_share(client, &shared), 0);
	/* what a service has not read yet is in the switch's hands */
	cr_assert_eq(intro_find(client, "db", &found), 0);
	for (int i = 0; i < 64; i++)
		cr_assert_gt(intro_connect(found, SOCK_STREAM, -1), 0);
	request = intro_take(client, "nothing");
	get_answer(client, request, INTRO_REFUSED);
	snprintf(file, sizeof file, "%s/db", door);
	path_client = unix_connect(file, SOCK_STREAM);
	cr_assert_geq(path_client, 0);
	check_broker("with services and clients");

	broker_switch_kill(&broker);
	cr_expect_eq(intro_dial("nothing", SOCK_STREAM, 0), -ENOENT, "the next one is there");
	check_broker("after the switch has died");

	close(path_client);
	close(shared);
	close(pipe_[0]);
	close(pipe_[1]);
	service = intro_close(service);
	client = intro_close(client);
	dir_remove(dir);
	broker_stop(&broker);
}
