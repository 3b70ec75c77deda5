/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The audit trail's opening, as trail.h says.
 */
#include "trail.h"

#include <errno.h>
#include <fcntl.h>
#include <paths.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <syslog.h>
#include <unistd.h>

#include "log.h"

static int syslog_connect(int *ret_fd)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX, .sun_path = _PATH_LOG };
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return -errno;
	if (connect(fd, (struct sockaddr *)&address, sizeof address) < 0) {
		int error = errno;

		close(fd);
		return -error;
	}
	*ret_fd = fd;
	return 0;
}

static int file_open(int dirfd, const char *path, int *ret_fd)
{
	struct stat st;
	int fd = openat(dirfd, path, O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_NOCTTY |
				     O_NONBLOCK | O_CLOEXEC, 0600);

	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)) {
		close(fd);
		return -EINVAL;
	}
	*ret_fd = fd;
	return 0;
}

/* BASE/audit.log belongs to the switch's user. */
static int own_file_open(const struct base *base, int *ret_fd)
{
	int r;

	base_enter(base);
	r = file_open(base->fd, "audit.log", ret_fd);
	base_leave(base);
	if (r < 0)
		log_line(LOG_ERR, "cannot open the audit log %s/audit.log: %s", base->path,
			 strerror(-r));
	return r;
}

/* What the mode does when the configuration does not say. */
static int default_open(struct trail *trail, const struct base *base)
{
	int r;

	if (base->system) {
		trail->kind = AUDIT_SYSLOG;
		r = syslog_connect(&trail->fd);
		if (r == 0)
			return 0;
		log_line(LOG_WARNING, "no syslog (%s: %s); audit lines go to %s/audit.log",
			 _PATH_LOG, strerror(-r), base->path);
	}
	trail->kind = AUDIT_FILE;
	return own_file_open(base, &trail->fd);
}

static int said_open(struct trail *trail, const struct config *config)
{
	int r = 0;

	trail->kind = config->audit;
	if (trail->kind == AUDIT_FILE)
		r = file_open(AT_FDCWD, config->audit_path, &trail->fd);
	else if (trail->kind == AUDIT_SYSLOG)
		r = syslog_connect(&trail->fd);
	if (r < 0)
		log_line(LOG_ERR, "cannot open the audit log %s: %s",
			 trail->kind == AUDIT_FILE ? config->audit_path : _PATH_LOG,
			 r == -ELOOP ? "it is a symbolic link" :
			 r == -EINVAL ? "it is no ordinary file" : strerror(-r));
	return r;
}

int trail_open(struct trail *trail, const struct config *config, const struct base *base)
{
	struct trail opened = { AUDIT_NONE, -1 };
	int r;

	r = config->audit_said ? said_open(&opened, config) : default_open(&opened, base);
	if (r < 0)
		return r;
	trail_close(trail);
	*trail = opened;
	return 0;
}

void trail_close(struct trail *trail)
{
	if (trail->fd >= 0)
		close(trail->fd);
	trail->fd = -1;
}
