/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Claim 10: the secret of a saved reference is in nobody's argv or environment, in no log, and
 * in none of the broker's files; no room can be dumped.
 */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "harness_cli.h"

#define SECRET_BYTES 26u

static struct broker b;

/* Is the secret in these bytes? */
static bool is_in(const char *bytes, size_t len, const char *secret)
{
	return memmem(bytes, len, secret, SECRET_BYTES) != NULL;
}

static void look_at(const char *path, const char *secret)
{
	FILE *f = fopen(path, "re");
	static char bytes[1 << 20];
	size_t len;

	if (!f)
		return;
	len = fread(bytes, 1, sizeof bytes, f);
	fclose(f);
	cr_expect_not(is_in(bytes, len, secret), "%s", path);
}

static void look_below(const char *dir, const char *secret)
{
	char path[512];
	struct dirent *e;
	struct stat st;
	DIR *d = opendir(dir);

	while (d && (e = readdir(d))) {
		snprintf(path, sizeof path, "%s/%s", dir, e->d_name);
		if (e->d_name[0] == '.' || lstat(path, &st) < 0)
			continue;
		if (S_ISDIR(st.st_mode))
			look_below(path, secret);
		else if (S_ISREG(st.st_mode))
			look_at(path, secret);
	}
	if (d)
		closedir(d);
}

/* Every process of ours: a room, an agent, or a client that waits. */
static void look_at_processes(const char *secret)
{
	char path[64];
	struct dirent *e;
	DIR *d = opendir("/proc");

	cr_assert_not_null(d);
	while ((e = readdir(d))) {
		if (e->d_name[0] < '0' || e->d_name[0] > '9')
			continue;
		snprintf(path, sizeof path, "/proc/%.20s/cmdline", e->d_name);
		look_at(path, secret);
		snprintf(path, sizeof path, "/proc/%.20s/environ", e->d_name);
		look_at(path, secret);
	}
	closedir(d);
}

TEST(claim_10, secrets_are_nowhere)
{
	_cleanup_run_ struct run saved, used, argv, list, show;
	char file[PATH_BYTES], from[PATH_BYTES + 1], secret[SECRET_BYTES + 1];
	struct agent agent;
	char *line;
	pid_t waits;

	broker_start(&b, NULL);
	SERVE(&b, &agent, "db", "--", "true");
	snprintf(file, sizeof file, "%s/secret.ref", b.dir);
	snprintf(from, sizeof from, "@%.200s", file);
	run_cli(&b, &saved, "lend", "db", "--save", file);
	cr_assert_eq(saved.status, 0, "%s", saved.err);
	line = file_read(file);
	cr_assert_not_null(line);
	cr_assert_eq(strncmp(line, "intro:", 6), 0);
	memcpy(secret, strchr(line, '/') + 1, SECRET_BYTES);
	secret[SECRET_BYTES] = '\0';
	CONNECT(&b, &used, "", from);
	cr_assert_eq(used.status, 0, "%s", used.err);
	line[strcspn(line, "\n")] = '\0';
	CONNECT(&b, &argv, "", line);
	cr_expect_eq(argv.status, 100, "refused on the command line");
	cr_expect_null(strstr(argv.err, secret), "and not repeated");
	run_cli(&b, &list, "list", "references", "--json");
	run_cli(&b, &show, "show", "db", "--json");
	cr_expect_null(strstr(list.out, secret));
	cr_expect_null(strstr(show.out, secret));
	waits = spawn_cli(&b, (&(struct spawn){ .in = 0 }), "connect", from, "--wait", "forever", "--type", "dgram");
	look_at_processes(secret);
	child_kill(waits);
	cr_assert_eq(agent_stop(&agent), 0);
	broker_end(&b);		/* its log is written */
	MUST(unlink(file));
	look_below(b.dir, secret);
	free(line);
	dir_remove(b.dir);
}
