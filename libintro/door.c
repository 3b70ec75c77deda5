/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Doors of door.h.
 */
#include "door.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "cleanup.h"
#include "clock.h"
#include "timeout.h"
#include "wire/message.h"
#include "wire/packet.h"

#define SOCKET_NAME "intro.sock"
#define SYSTEM_DOOR "/run/intro"

/* Whether fd is a connected packet socket of the kind that intro_share() makes. */
static bool shared_ok(int fd)
{
	int domain = 0, type = 0;
	socklen_t len = sizeof domain;

	if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &len) < 0 || domain != AF_UNIX)
		return false;
	len = sizeof type;
	return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) == 0 &&
	       type == SOCK_SEQPACKET;
}

static int parse_shared(struct in_door *ret, const char *digits)
{
	char *end;
	long n;

	errno = 0;
	n = strtol(digits, &end, 10);
	if (*digits < '0' || *digits > '9' || *end != '\0' || errno != 0 || n > INT_MAX)
		return -EINVAL;
	if (!shared_ok((int)n))
		return -EBADF;
	*ret = (struct in_door){ .shared = (int)n };
	return 1;
}

static int join(char *out, const char *dir, const char *file)
{
	int n = snprintf(out, IN_DOOR_PATH, "%s/%s", dir, file);

	return n < 0 || (unsigned int)n >= IN_DOOR_PATH ? -ENAMETOOLONG : 0;
}

/* A path that still means the same after chdir(). */
static int make_absolute(char *out, const char *path)
{
	char cwd[IN_DOOR_PATH];

	if (path[0] == '/') {
		if (strlen(path) >= IN_DOOR_PATH)
			return -ENAMETOOLONG;
		strcpy(out, path);
		return 0;
	}
	if (!getcwd(cwd, sizeof cwd))
		return errno == ERANGE ? -ENAMETOOLONG : -errno;
	return join(out, cwd, path);
}

static bool is_directory(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

/* Whether the directory of the file at path (absolute) is there. */
static bool has_directory(const char *path)
{
	const char *slash = strrchr(path, '/');
	char dir[IN_DOOR_PATH];

	memcpy(dir, path, (size_t)(slash - path));
	dir[slash - path] = '\0';
	return is_directory(slash == path ? "/" : dir);
}

bool in_door_expected(const struct in_door *door)
{
	return door->shared >= 0 || has_directory(door->path);
}

static int parse(struct in_door *ret, const char *text)
{
	char path[IN_DOOR_PATH];
	struct stat st;
	int r;

	if (strncmp(text, "fd:", 3) == 0)
		return parse_shared(ret, text + 3);

	r = make_absolute(path, text);
	if (r < 0)
		return r;
	if (stat(path, &st) < 0) {
		if (errno == EACCES)
			return -EACCES;
		/* A broker that is being restarted has no socket for a moment. */
		if (strcmp(strrchr(path, '/') + 1, SOCKET_NAME) != 0 || !has_directory(path))
			return -ENOTCONN;
	} else if (S_ISDIR(st.st_mode)) {
		ret->shared = -1;
		r = join(ret->path, path, SOCKET_NAME);
		return r < 0 ? r : 1;
	} else if (!S_ISSOCK(st.st_mode)) {
		return -ENOTSOCK;
	}
	ret->shared = -1;
	strcpy(ret->path, path);
	return 1;
}

/* Whether a directory that anybody could have made is really this user's. */
static bool is_ours(const char *path)
{
	struct stat st;

	return lstat(path, &st) == 0 && S_ISDIR(st.st_mode) && st.st_uid == geteuid() &&
	       (st.st_mode & (S_IWGRP | S_IWOTH)) == 0;
}

/* The host door of this user's broker: where introd(8) puts its directory. */
static bool user_door(char *out)
{
	const char *runtime = secure_getenv("XDG_RUNTIME_DIR");
	unsigned int uid = geteuid();
	char base[64];
	int n;

	if (runtime && runtime[0] == '/') {
		n = snprintf(out, IN_DOOR_PATH, "%s/introd/doors/host/" SOCKET_NAME, runtime);
		return n > 0 && (unsigned int)n < IN_DOOR_PATH;
	}
	snprintf(base, sizeof base, "/run/user/%u", uid);
	if (is_ours(base)) {
		snprintf(out, IN_DOOR_PATH, "%s/introd/doors/host/" SOCKET_NAME, base);
		return true;
	}
	snprintf(base, sizeof base, "/tmp/introd-%u", uid);
	snprintf(out, IN_DOOR_PATH, "%s/doors/host/" SOCKET_NAME, base);
	return is_ours(base);
}

int in_door_find(struct in_door ret[IN_DOORS], const char *text)
{
	int n = 0;

	if (!text)
		text = secure_getenv("INTRO_DOOR");
	if (text && *text)
		return parse(&ret[0], text);

	ret[0].shared = ret[1].shared = -1;
	if (user_door(ret[0].path))
		n++;
	strcpy(ret[n++].path, SYSTEM_DOOR "/" SOCKET_NAME);
	return n;
}

/* Fill in the address of path; a long one is reached through a descriptor of its directory,
 * which stays open in *dir until the connect. */
static int address(struct sockaddr_un *un, const char *path, int *dir)
{
	const char *slash = strrchr(path, '/');
	char parent[IN_DOOR_PATH];

	*un = (struct sockaddr_un){ .sun_family = AF_UNIX };
	if (strlen(path) < sizeof un->sun_path) {
		strcpy(un->sun_path, path);
		return 0;
	}
	memcpy(parent, path, (size_t)(slash - path));
	parent[slash - path] = '\0';
	*dir = open(parent, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (*dir < 0)
		return -errno;
	if (snprintf(un->sun_path, sizeof un->sun_path, "/proc/self/fd/%d%s", *dir, slash) >=
	    (int)sizeof un->sun_path)
		return -ENAMETOOLONG;
	return 0;
}

static int connect_path(const char *path, uint64_t deadline, int *ret)
{
	_cleanup_(in_closep) int sock = -1, dir = -1;
	struct sockaddr_un un;
	int r;

	r = address(&un, path, &dir);
	if (r < 0)
		return r;
	sock = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (sock < 0)
		return -errno;
	r = in_timeout_connect(sock, &un, deadline);
	if (r < 0)
		return r;
	*ret = in_steal(&sock);
	return 0;
}

/* Deposit one end of a pair of our own with the broker, over a connection on which nothing
 * is ever answered, so that any number of processes may use it at once. */
static int connect_shared(int shared, uint64_t deadline, int *ret)
{
	_cleanup_(in_closep) int ours = -1, theirs = -1;
	uint8_t packet[WIRE_HEADER_BYTES];
	struct wire_writer w;
	int pair[2], r;

	if (!shared_ok(shared))
		return -ECONNRESET;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) < 0)
		return -errno;
	ours = pair[0];
	theirs = pair[1];

	wire_begin(&w, packet, sizeof packet, WIRE_JOIN, 0, 0, 1);
	for (;;) {
		struct pollfd p = { .fd = shared, .events = POLLOUT };

		r = packet_send(shared, packet, sizeof packet, &theirs, 1);
		if (r != -EAGAIN || in_left(deadline) == 0)
			break;
		if (poll(&p, 1, in_left_ms(deadline)) < 0 && errno != EINTR)
			return -errno;
	}
	if (r == -EPIPE || r == -ECONNRESET || r == -ENOTCONN || r == -EPERM)
		return -ECONNRESET;
	if (r == -ETOOMANYREFS)
		return -EAGAIN;
	if (r < 0)
		return r;
	*ret = in_steal(&ours);
	return 0;
}

int in_door_connect(const struct in_door *door, uint64_t deadline, int *ret)
{
	return door->shared >= 0 ? connect_shared(door->shared, deadline, ret)
				 : connect_path(door->path, deadline, ret);
}
