/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Nameless network namespaces: space.h.
 */
#include "space.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static int fd_or_errno(int fd)
{
	return fd >= 0 ? fd : -errno;
}

static int write_file(const char *path, const char *text)
{
	size_t len = strlen(text);
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	int error = 0;

	if (fd < 0)
		return -errno;
	if (write(fd, text, len) != (ssize_t)len)
		error = -errno;
	close(fd);
	return error;
}

/* ---- one descriptor over a socket pair ---- */

static int fd_send(int sock, int fd)
{
	char byte = 0;
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control = { .bytes = { 0 } };
	struct iovec iov = { .iov_base = &byte, .iov_len = 1 };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control.bytes,
			    .msg_controllen = sizeof control.bytes };
	struct cmsghdr *c = CMSG_FIRSTHDR(&m);

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof fd);
	memcpy(CMSG_DATA(c), &fd, sizeof fd);
	return sendmsg(sock, &m, MSG_NOSIGNAL) == 1 ? 0 : -errno;
}

/* The descriptor, or -EIO when the other end gave none. */
static int fd_receive(int sock)
{
	char byte;
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control;
	struct iovec iov = { .iov_base = &byte, .iov_len = 1 };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control.bytes,
			    .msg_controllen = sizeof control.bytes };
	struct cmsghdr *c;
	int fd;

	if (recvmsg(sock, &m, MSG_CMSG_CLOEXEC) != 1)
		return -EIO;
	c = CMSG_FIRSTHDR(&m);
	if (!c || c->cmsg_type != SCM_RIGHTS || c->cmsg_len != CMSG_LEN(sizeof fd))
		return -EIO;
	memcpy(&fd, CMSG_DATA(c), sizeof fd);
	return fd;
}

/* Run act in a child and receive what it sends: 0 or -errno. The status of a child that fails is
 * its errno, for errnos are below 256 here. */
struct giver {
	int (*act)(const struct giver *giver, int sock);
	const struct space *space;
	int (*open)(const void *arg);
	const void *arg;
	size_t n;
	bool user;
};

static int give(const struct giver *giver, int *ret, size_t n)
{
	int pair[2], status;
	size_t got = 0;
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return -errno;
	pid = space_fork();
	if (pid == 0)
		_exit(-giver->act(giver, pair[1]) & 0xff);
	close(pair[1]);
	for (; pid > 0 && got < n; got++) {
		ret[got] = fd_receive(pair[0]);
		if (ret[got] < 0)
			break;
	}
	close(pair[0]);
	status = pid > 0 ? space_wait(pid, SPACE_HANG_MS) : pid;
	if (got == n && status == 0)
		return 0;
	while (got-- > 0)
		close(ret[got]);
	return status < 0 ? status : -(status ? status : EIO);
}

/* ---- making them ---- */

static int become_root(void)
{
	char map[64];
	unsigned int uid = geteuid(), gid = getegid();
	int error;

	if (unshare(CLONE_NEWUSER) < 0)
		return -errno;
	error = write_file("/proc/self/setgroups", "deny");
	snprintf(map, sizeof map, "0 %u 1\n", uid);
	if (!error)
		error = write_file("/proc/self/uid_map", map);
	snprintf(map, sizeof map, "0 %u 1\n", gid);
	return error ? error : write_file("/proc/self/gid_map", map);
}

static int send_opened(int sock, const char *path)
{
	int fd = fd_or_errno(open(path, O_RDONLY | O_CLOEXEC));
	int error = fd < 0 ? fd : fd_send(sock, fd);

	if (fd >= 0)
		close(fd);
	return error;
}

static int give_spaces(const struct giver *giver, int sock)
{
	int error = giver->user ? become_root() : 0;

	if (!error && giver->user)
		error = send_opened(sock, "/proc/self/ns/user");
	for (size_t i = 0; !error && i < giver->n; i++)
		error = unshare(CLONE_NEWNET) < 0 ? -errno
						  : send_opened(sock, "/proc/self/ns/net");
	return error;
}

int spaces_make(struct space *ret, size_t n)
{
	int fds[SPACES_MAX + 1];
	struct giver giver = { .act = give_spaces, .n = n };
	int error;

	if (n > SPACES_MAX)
		return -EINVAL;
	error = give(&giver, fds, n);
	if (error == -EPERM) {
		giver.user = true;
		error = give(&giver, fds, n + 1);
	}
	if (error)
		return error;
	for (size_t i = 0; i < n; i++) {
		ret[i].user = -1;
		ret[i].net = fds[i + giver.user];
	}
	if (giver.user)
		for (size_t i = 0; i < n; i++)
			ret[i].user = fds[0];
	return 0;
}

void spaces_free(struct space *spaces, size_t n)
{
	if (n > 0 && spaces[0].user >= 0)
		close(spaces[0].user);
	for (size_t i = 0; i < n; i++) {
		if (spaces[i].net >= 0)
			close(spaces[i].net);
		spaces[i].net = spaces[i].user = -1;
	}
}

int space_enter(const struct space *space)
{
	if (space->user >= 0 && setns(space->user, CLONE_NEWUSER) < 0)
		return -errno;
	return setns(space->net, CLONE_NEWNET) < 0 ? -errno : 0;
}

static int give_opened(const struct giver *giver, int sock)
{
	int error = space_enter(giver->space);
	int fd = error ? error : giver->open(giver->arg);

	return fd < 0 ? fd : fd_send(sock, fd);
}

int space_open(const struct space *space, int (*act)(const void *arg), const void *arg)
{
	struct giver giver = { .act = give_opened, .space = space, .open = act, .arg = arg };
	int fd, error = give(&giver, &fd, 1);

	return error ? error : fd;
}

static int open_socket(const void *arg)
{
	const int *family = arg;

	return fd_or_errno(socket(*family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
}

int space_socket(const struct space *space, int family)
{
	return space_open(space, open_socket, &family);
}
