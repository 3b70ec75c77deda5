/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The placements of place.h.
 */
#include "place.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "../../libintro/wire/name.h"
#include "board.h"
#include "conn.h"
#include "handle.h"
#include "door.h"
#include "grant.h"
#include "link.h"
#include "service.h"

/* Links are made here under a temporary name, out of any client's sight. */
#define TEMPORARY ".intro.link"

static struct source notify = { .fd = -1 };
static struct list placements;

int place_of(int fd, struct place *ret)
{
	struct statx stx;

	if (statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_TYPE | STATX_INO, &stx) < 0)
		return -errno;
	*ret = (struct place){
		.dev = makedev(stx.stx_dev_major, stx.stx_dev_minor),
		.inode = stx.stx_ino,
		.mode = stx.stx_mode,
	};
	return 0;
}

int placement_open(const struct placement *p)
{
	int fd = openat(p->dir, p->file, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	struct place place;

	if (fd < 0)
		return -errno;
	if (place_of(fd, &place) == 0 && S_ISSOCK(place.mode))
		return fd;
	close(fd);
	return -ENOENT;
}

static int link_file(const struct placement *p, const struct grant *grant)
{
	struct stat st;
	int r;

	if (unlinkat(board.base_fd, TEMPORARY, 0) < 0 && errno != ENOENT)
		return -errno;
	if (linkat(p->dir, p->file, board.base_fd, TEMPORARY, 0) < 0)
		return -errno;
	/* What was linked is looked at, not what was there before. */
	if (fstatat(board.base_fd, TEMPORARY, &st, AT_SYMLINK_NOFOLLOW) < 0)
		r = -errno;
	else if (!S_ISSOCK(st.st_mode))
		r = -ENOENT;
	else
		r = renameat(board.base_fd, TEMPORARY, grant->door->dir, grant->file) < 0 ?
			    -errno : 0;
	/* Two names of one file: rename(2) leaves both and says nothing. */
	unlinkat(board.base_fd, TEMPORARY, 0);
	return r;
}

/* Path clients go on waiting at the broker's own socket: somebody has to be told why. */
static void complain(struct placement *p, const struct grant *grant, int error)
{
	if (error == p->said || error == -ENOENT)
		return;
	p->said = error;
	link_log("cannot link the socket %s of \"%s\" into the door %s: %s%s", p->file,
		 p->service->name, grant->door->name, strerror(-error), error == -EPERM ?
		 "; wanted one that belongs to the switch's user (proc(5), protected_hardlinks)" :
		 "");
}

int placement_link(struct placement *p, struct grant *grant)
{
	int r = link_file(p, grant);

	if (r < 0)
		complain(p, grant, r);
	else
		p->said = 0;
	return r;
}

static void relink(struct placement *p)
{
	int fd = placement_open(p);

	p->present = fd >= 0;
	if (fd >= 0)
		close(fd);
	if (!p->present)
		return;
	/* Also where there was one before: its end is no event of ours. */
	service_up(p->service);
}

static void notified(const struct inotify_event *ev)
{
	list_foreach_safe(it, &placements) {
		struct placement *p = list_entry(it, struct placement, in_board);

		if (ev->mask & IN_Q_OVERFLOW)
			relink(p);
		else if (p->watch == ev->wd && ev->len > 0 && strcmp(p->file, ev->name) == 0)
			relink(p);
	}
}

static void notify_ready(struct source *source, uint32_t events)
{
	_Alignas(struct inotify_event) char buf[4096];
	ssize_t n = read(source->fd, buf, sizeof buf);

	(void)events;
	for (char *p = buf; n > 0 && p < buf + n;) {
		const struct inotify_event *ev = (const void *)p;

		notified(ev);
		p += sizeof *ev + ev->len;
	}
}

int place_start(void)
{
	list_init(&placements);
	notify.fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	if (notify.fd < 0)
		return -errno;
	notify.ready = notify_ready;
	return source_add(&notify, EPOLLIN);
}

static int watch(struct placement *p)
{
	char path[32];

	/* Watches take a path only; this one cannot be led astray. */
	snprintf(path, sizeof path, "/proc/self/fd/%d", p->dir);
	p->watch = inotify_add_watch(notify.fd, path, IN_CREATE | IN_MOVED_TO | IN_ATTRIB |
				     IN_ONLYDIR);
	return p->watch < 0 ? -errno : 0;
}

/* May a file of that directory be linked into ours at all? Nothing is looked up in it before
 * it is known to be on our filesystem. */
static int linkable(const struct placement *p)
{
	struct place theirs, ours;
	int r = place_of(p->dir, &theirs);

	if (r == 0)
		r = place_of(board.base_fd, &ours);
	if (r < 0)
		return r;
	if (!S_ISDIR(theirs.mode))
		return -EINVAL;
	if (theirs.dev != ours.dev)
		return -EXDEV;
	unlinkat(board.base_fd, TEMPORARY, 0);
	if (linkat(p->dir, p->file, board.base_fd, TEMPORARY, 0) < 0 && errno != ENOENT)
		r = -errno;
	unlinkat(board.base_fd, TEMPORARY, 0);
	return r;
}

int placement_new(struct service *service, struct handle *handle, int dir, const char *file)
{
	struct placement *p;
	int r;

	if (!wire_file_ok(file, strlen(file)))
		return -EINVAL;
	if (service->placement)
		return -EBUSY;
	p = calloc(1, sizeof *p);
	if (!p)
		return -ENOMEM;
	p->service = service;
	p->dir = dir;
	snprintf(p->file, sizeof p->file, "%s", file);
	r = linkable(p);
	if (r == 0)
		r = watch(p);
	if (r < 0) {
		free(p);
		return r;
	}
	p->handle = handle;
	p->round = board.config_round;
	service->placement = p;
	list_append(&placements, &p->in_board);
	relink(p);
	return 0;
}

void placement_sweep(void)
{
	list_foreach_safe(it, &placements) {
		struct placement *p = list_entry(it, struct placement, in_board);

		if (!p->handle && p->round != board.config_round)
			placement_free(p);
	}
}

static bool watch_shared(const struct placement *p)
{
	list_foreach(it, &placements) {
		const struct placement *other = list_entry(it, struct placement, in_board);

		if (other != p && other->watch == p->watch)
			return true;
	}
	return false;
}

void placement_free(struct placement *p)
{
	struct service *service = p->service;

	list_remove(&p->in_board);
	if (!watch_shared(p))
		inotify_rm_watch(notify.fd, p->watch);
	service->placement = NULL;
	if (p->handle) {
		struct conn *conn = p->handle->conn;

		account_give(conn->account, conn->user, RESOURCE_HELD);
	}
	reaper_take(&board.reaper, p->dir);
	free(p);
	service_up(service);
}
