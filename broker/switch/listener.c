/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The listeners of listener.h.
 */
#include "listener.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "../../libintro/wire/packet.h"
#include "board.h"
#include "door.h"
#include "grant.h"
#include "reserve.h"
#include "wait.h"

/* What the kernel allows (net.core.somaxconn), so that a pause of ours refuses nobody. */
#define BACKLOG 4096

static int set_up(int fd, int dir, const char *name, mode_t mode)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	char temporary[sizeof addr.sun_path];

	/* unix(7): the file gets the socket inode's mode; there is no bindat(2). */
	if (fchmod(fd, mode) < 0 || fchdir(dir) < 0)
		return -errno;
	snprintf(temporary, sizeof temporary, ".intro.new.%s", name);
	strcpy(addr.sun_path, temporary);
	if (unlinkat(dir, temporary, 0) < 0 && errno != ENOENT)
		return -errno;
	if (bind(fd, (struct sockaddr *)&addr, sizeof addr) < 0)
		return -errno;
	if (listen(fd, BACKLOG) < 0 || renameat(dir, temporary, dir, name) < 0) {
		int r = -errno;

		unlinkat(dir, temporary, 0);
		return r;
	}
	return 0;
}

int listener_bind(int dir, const char *name, int type, mode_t mode)
{
	int fd = socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int r;

	if (fd < 0)
		return -errno;
	r = set_up(fd, dir, name, mode);
	if (r < 0) {
		close(fd);
		return r;
	}
	listener_adopt(fd);
	return fd;
}

void listener_adopt(int fd)
{
	int off = 0, type = 0;
	socklen_t len = sizeof type;

	fcntl(fd, F_SETFL, O_NONBLOCK);
	getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len);
	if (type == SOCK_SEQPACKET &&
	    setsockopt(fd, SOL_SOCKET, SO_PASSRIGHTS, &off, sizeof off) == 0)
		board.passrights = true;
}

int listener_accept(int fd)
{
	int conn;

	if (reserve_lent())
		return -EMFILE;
	do
		conn = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	while (conn < 0 && (errno == EINTR || errno == ECONNABORTED));
	return conn < 0 ? -errno : conn;
}

/* How long to leave an exhausted kernel or quota alone. */
#define RETRY_USEC 10000

void listener_retry_soon(void)
{
	if (!timer_armed(&board.retry))
		timer_arm(&board.timers, &board.retry, timer_now() + RETRY_USEC);
}

void listener_retry_door(struct door *door)
{
	source_set(&door->listener, 0);
	door->full = true;
	board.accept_stopped = true;
	listener_retry_soon();
}

void listener_forget_door(struct door *door)
{
	door->full = false;
}

void listener_retry_grant(struct grant *grant)
{
	source_set(&grant->listener, 0);
	list_remove(&grant->in_retries);
	list_append(&board.accept_retries, &grant->in_retries);
	listener_retry_soon();
}

void wait_retry_later(struct wait *wait)
{
	list_remove(&wait->in_queue);
	list_append(&board.retries, &wait->in_queue);
	listener_retry_soon();
}

void listener_retry_all(void)
{
	struct list ready;

	if (board.accept_stopped)
		door_room(board.control);
	while (!list_empty(&board.accept_retries)) {
		struct grant *grant = list_entry(board.accept_retries.next, struct grant,
						 in_retries);

		list_remove(&grant->in_retries);
		grant_update(grant);
	}
	list_init(&ready);
	list_splice(&ready, &board.retries);
	wait_resume_all(&ready);
}
