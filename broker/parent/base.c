/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The broker's directories, as base.h says.
 */
#include "base.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/fsuid.h>
#include <sys/stat.h>
#include <syslog.h>
#include <unistd.h>

#include "log.h"

#define SYSTEM_BASE "/run/introd"
#define SYSTEM_HOST "/run/intro"

void base_enter(const struct base *base)
{
	if (!base->system)
		return;
	setfsgid(base->gid);
	setfsuid(base->uid);
}

void base_leave(const struct base *base)
{
	if (!base->system)
		return;
	setfsuid(geteuid());
	setfsgid(getegid());
}

/* Whether an existing directory may be ours. */
static int directory_check(const struct base *base, const char *path, const struct stat *st,
			   mode_t mode)
{
	if (st->st_uid != base->uid && st->st_uid != geteuid()) {
		log_line(LOG_ERR, "%s belongs to uid %u; wanted uid %u: remove it, or name "
			 "another directory", path, st->st_uid, base->uid);
		return -EPERM;
	}
	if (st->st_mode & 022 & ~mode) {
		log_line(LOG_ERR, "%s has mode %04o, so that others may have put things into "
			 "it; wanted %04o: empty it and chmod %o it", path,
			 st->st_mode & 07777, mode, mode);
		return -EPERM;
	}
	return 0;
}

/* Make or check one directory below dirfd and give it its mode and owner. path is how it is
 * called in messages. A descriptor or a negative errno. */
static int directory_open(const struct base *base, int dirfd, const char *name,
			  const char *path, mode_t mode)
{
	struct stat st;
	int fd, r = 0;

	if (mkdirat(dirfd, name, mode) < 0 && errno != EEXIST) {
		r = -errno;
		log_line(LOG_ERR, "cannot make %s: %s", path, strerror(-r));
		return r;
	}
	fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0) {
		r = -errno;
		log_line(LOG_ERR, "%s: %s; wanted a directory, and no symbolic link", path,
			 strerror(-r));
		return r;
	}
	if (fstat(fd, &st) < 0)
		r = -errno;
	if (r == 0)
		r = directory_check(base, path, &st, mode);
	if (r == 0 && ((st.st_uid != base->uid && fchown(fd, base->uid, base->gid) < 0) ||
		       fchmod(fd, mode) < 0)) {
		r = -errno;
		log_line(LOG_ERR, "%s: cannot set its owner and mode: %s", path, strerror(-r));
	}
	if (r < 0) {
		close(fd);
		return r;
	}
	return fd;
}

/* As directory_open(), by a path whose last part need not exist; ret_path (PATH_MAX bytes)
 * becomes absolute, without symbolic links. */
static int path_open(const struct base *base, const char *path, mode_t mode, char *ret_path)
{
	char copy[PATH_MAX], parent[PATH_MAX], *slash;
	const char *name = copy;
	int dirfd, fd;

	if (snprintf(copy, sizeof copy, "%s", path) >= (int)sizeof copy)
		return -ENAMETOOLONG;
	while ((slash = strrchr(copy, '/')) && slash > copy && slash[1] == '\0')
		*slash = '\0';
	slash = strrchr(copy, '/');
	if (slash) {
		*slash = '\0';
		name = slash + 1;
	}
	if (!realpath(slash ? (slash == copy ? "/" : copy) : ".", parent)) {
		int error = errno;

		log_line(LOG_ERR, "cannot make %s: the directory above it: %s", path,
			 strerror(error));
		return -error;
	}
	if (snprintf(ret_path, PATH_MAX, "%s/%s", strcmp(parent, "/") == 0 ? "" : parent,
		     name) >= PATH_MAX)
		return -ENAMETOOLONG;
	dirfd = open(parent, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (dirfd < 0)
		return -errno;
	fd = directory_open(base, dirfd, name, ret_path, mode);
	close(dirfd);
	return fd;
}

/* The user's own place for BASE. */
static int user_base(char *out, size_t size)
{
	const char *runtime = getenv("XDG_RUNTIME_DIR");
	struct stat st;
	char dir[64];
	int n;

	snprintf(dir, sizeof dir, "/run/user/%u", geteuid());
	if (runtime && runtime[0] == '/')
		n = snprintf(out, size, "%s/introd", runtime);
	else if (lstat(dir, &st) == 0 && S_ISDIR(st.st_mode) && st.st_uid == geteuid())
		n = snprintf(out, size, "%s/introd", dir);
	else
		n = snprintf(out, size, "/tmp/introd-%u", geteuid());
	return n < (int)size ? 0 : -ENAMETOOLONG;
}

static int base_lock(struct base *base)
{
	char pid[16] = "";
	ssize_t n;

	base->lock_fd = openat(base->fd, "broker.lock",
			       O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (base->lock_fd < 0) {
		int error = errno;

		log_line(LOG_ERR, "%s/broker.lock: %s", base->path, strerror(error));
		return -error;
	}
	if (flock(base->lock_fd, LOCK_EX | LOCK_NB) < 0) {
		n = pread(base->lock_fd, pid, sizeof pid - 1, 0);
		pid[n > 0 ? strspn(pid, "0123456789") : 0] = '\0';
		log_line(LOG_ERR, "another broker%s%s serves %s; stop it, or name another "
			 "directory by --base", pid[0] ? ", pid " : "", pid, base->path);
		return -EBUSY;
	}
	n = snprintf(pid, sizeof pid, "%d\n", getpid());
	if (ftruncate(base->lock_fd, 0) < 0 || pwrite(base->lock_fd, pid, (size_t)n, 0) != n)
		log_line(LOG_WARNING, "%s/broker.lock: cannot write our pid", base->path);
	return 0;
}

/* BASE's own directories; made as their owner, who could have put a link in their place. */
static int base_fill(struct base *base, const char *host_dir)
{
	char path[PATH_MAX + 16];
	int doors, exports, host = -1;

	snprintf(path, sizeof path, "%s/doors", base->path);
	doors = directory_open(base, base->fd, "doors", path, 0700);
	if (doors < 0)
		return doors;
	snprintf(path, sizeof path, "%s/exports", base->path);
	exports = directory_open(base, base->fd, "exports", path, 0700);
	if (exports >= 0) {
		close(exports);
		if (!host_dir) {
			snprintf(base->host_path, sizeof base->host_path, "%.*s/doors/host",
				 (int)BASE_PATH_MAX, base->path);
			host = directory_open(base, doors, "host", base->host_path, 0755);
		}
	}
	close(doors);
	if (exports < 0 || (!host_dir && host < 0))
		return exports < 0 ? exports : host;
	base->host_fd = host;
	return 0;
}

int base_open(struct base *ret, const struct base_options *options)
{
	struct base base = { .fd = -1, .host_fd = -1, .lock_fd = -1, .system = options->system,
			     .uid = options->uid, .gid = options->gid };
	const char *host_dir = options->host_dir;
	char path[PATH_MAX] = SYSTEM_BASE;
	int r = 0;

	if (options->base)
		r = snprintf(path, sizeof path, "%s", options->base) < (int)sizeof path ?
			    0 : -ENAMETOOLONG;
	else if (!options->system)
		r = user_base(path, sizeof path);
	if (!host_dir && options->system)
		host_dir = SYSTEM_HOST;

	if (r == 0)
		r = base.fd = path_open(&base, path, 0700, base.path);
	if (r >= 0 && strlen(base.path) > BASE_PATH_MAX) {
		log_line(LOG_ERR, "%s is longer than %u bytes, too long for a socket in it; "
			 "name a shorter one by --base", base.path, BASE_PATH_MAX);
		r = -ENAMETOOLONG;
	}
	if (r >= 0) {
		base_enter(&base);
		r = base_lock(&base);
		if (r == 0)
			r = base_fill(&base, host_dir);
		base_leave(&base);
	}
	if (r >= 0 && host_dir)
		r = base.host_fd = path_open(&base, host_dir, 0755, base.host_path);
	if (r < 0) {
		base_close(&base);
		return r;
	}
	*ret = base;
	return 0;
}

void base_close(struct base *base)
{
	int *fds[] = { &base->fd, &base->host_fd, &base->lock_fd };

	for (size_t i = 0; i < sizeof fds / sizeof fds[0]; i++) {
		if (*fds[i] >= 0)
			close(*fds[i]);
		*fds[i] = -1;
	}
}
