/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The life of the store room, as storeroom.h says.
 */
#include "storeroom.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <syslog.h>
#include <unistd.h>

#include "log.h"

#define SYSTEM_STATE "/var/lib/introd"
#define STORE_USER "introd-store"
#define DATABASE_FILE "references.db"
#define START_US UINT64_C(50000)	/* between two starts, whatever the switch wants */

/* The user's own place, made with what is above it: "" where there is none. */
static void user_state(char *out, size_t size)
{
	const char *state = getenv("XDG_STATE_HOME"), *home = getenv("HOME");

	out[0] = '\0';
	if (state && state[0] == '/')
		snprintf(out, size, "%s/introd", state);
	else if (home && home[0] == '/')
		snprintf(out, size, "%s/.local/state/introd", home);
}

static void make_parents(char *path)
{
	for (char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		(void)mkdir(path, 0700);
		*slash = '/';
	}
}

/* Open the directory, making it. A descriptor or a negative errno after a line in the log. */
static int dir_open(const struct storeroom *store)
{
	char path[PATH_MAX] = SYSTEM_STATE;
	struct stat st;
	int fd;

	if (store->path)
		snprintf(path, sizeof path, "%s", store->path);
	else if (!store->sandbox.system)
		user_state(path, sizeof path);
	if (path[0] != '/') {
		log_line(LOG_ERR, "no directory for sturdy references; wanted --state with an absolute "
			 "path, XDG_STATE_HOME or HOME");
		return -ENOENT;
	}
	make_parents(path);
	if (mkdir(path, 0700) < 0 && errno != EEXIST) {
		int error = errno;

		log_line(LOG_ERR, "cannot make %s: %s", path, strerror(error));
		return -error;
	}
	fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0) {
		int error = errno;

		log_line(LOG_ERR, "%s: %s; wanted a directory, and no symbolic link", path,
			 strerror(error));
		if (fd >= 0)
			close(fd);
		return -error;
	}
	if (st.st_uid != store->sandbox.uid &&
	    (st.st_uid != geteuid() || fchown(fd, store->sandbox.uid, store->sandbox.gid) < 0)) {
		log_line(LOG_ERR, "%s belongs to uid %u; wanted uid %u: chown it, or name another "
			 "directory by --state", path, st.st_uid, store->sandbox.uid);
		close(fd);
		return -EPERM;
	}
	if (st.st_mode & 077 && fchmod(fd, 0700) < 0) {
		log_line(LOG_ERR, "%s is open to others; wanted mode 0700", path);
		close(fd);
		return -EPERM;
	}
	return fd;
}

/* In system mode we may not look any more later. */
static bool is_used(const struct storeroom *store)
{
	char path[PATH_MAX] = "";

	if (store->dir >= 0)
		return faccessat(store->dir, DATABASE_FILE, F_OK, 0) == 0 || errno != ENOENT;
	if (store->path)
		snprintf(path, sizeof path, "%s", store->path);
	else if (!store->sandbox.system)
		user_state(path, sizeof path);
	strncat(path, "/" DATABASE_FILE, sizeof path - strlen(path) - 1);
	return access(path, F_OK) == 0 || (errno != ENOENT && errno != ENOTDIR);
}

void storeroom_prepare(struct storeroom *store, const struct sandbox_options *switch_sandbox,
		      const char *path)
{
	const struct passwd *pw = switch_sandbox->system ? getpwnam(STORE_USER) : NULL;

	store->sandbox = *switch_sandbox;
	store->path = path;
	if (pw && pw->pw_uid != 0) {
		store->sandbox.uid = pw->pw_uid;
		store->sandbox.gid = pw->pw_gid;
		store->own_user = true;
	}
	store->dir = switch_sandbox->system ? dir_open(store) : -1;
	store->used = is_used(store);
}

static int process_start(struct storeroom *store, int sock)
{
	char uid[32], gid[32];
	char *argv[] = { "introd-store", uid, gid, store->sandbox.system ? "--system" : NULL, NULL };
	int exe = room_program("introd-store"), r;

	if (exe < 0)
		return exe;
	snprintf(uid, sizeof uid, "--uid=%u", store->sandbox.uid);
	snprintf(gid, sizeof gid, "--gid=%u", store->sandbox.gid);
	r = room_start(&store->room, &(struct room_plan){
		.exe = exe, .argv = argv, .stdio = { -1, -1, STDERR_FILENO },
		.fds = (int[]){ sock, store->dir }, .nfds = 2,
	});
	close(exe);
	return r;
}

int storeroom_start(struct storeroom *store)
{
	uint64_t now = room_clock_us();
	int pair[2], r;

	if (store->started_us && now - store->started_us < START_US)
		return -EAGAIN;
	store->started_us = now;
	store->used = true;
	/* What it has answered is on the disk; only one at a time can have the files. */
	room_kill(&store->room);
	if (store->dir < 0) {
		r = dir_open(store);
		if (r < 0)
			return r;
		store->dir = r;
	}
	if (store->sandbox.system && !store->own_user)
		log_line(LOG_WARNING, "the store room runs as the switch's user, who can read its "
			 "files; wanted a user of its own: useradd --system " STORE_USER);
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return -errno;
	r = process_start(store, pair[1]);
	close(pair[1]);
	if (r < 0) {
		log_line(LOG_ERR, "cannot start introd-store: %s", strerror(-r));
		close(pair[0]);
		return r;
	}
	return pair[0];
}

void storeroom_ended(struct storeroom *store)
{
	int code, status;
	char how[128];

	if (room_reap(&store->room, &code, &status) == 0 && (code != CLD_EXITED || status != 0))
		log_line(LOG_ERR, "the store room %s", room_ended(code, status, how, sizeof how));
}

void storeroom_close(struct storeroom *store)
{
	room_kill(&store->room);
	if (store->dir >= 0)
		close(store->dir);
	store->dir = -1;
}
