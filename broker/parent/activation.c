/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The protocols of sd_listen_fds(3) and sd_notify(3).
 */
#include "activation.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <syslog.h>
#include <unistd.h>

#include "../channel.h"
#include "../room.h"
#include "log.h"

#define LISTEN_FDS_START 3
#define LISTEN_FDS_MAX 64

static struct sockaddr_un notify_address;
static socklen_t notify_len;

/* A decimal number of the environment, or -1. */
static long variable_number(const char *name)
{
	const char *s = getenv(name);
	char *end;
	long n;

	if (!s || *s < '0' || *s > '9')
		return -1;
	errno = 0;
	n = strtol(s, &end, 10);
	return errno == 0 && *end == '\0' ? n : -1;
}

static bool is_listener(int fd)
{
	int domain = 0, type = 0, listening = 0;
	socklen_t len = sizeof(int);

	return getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &len) == 0 && domain == AF_UNIX &&
	       getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) == 0 &&
	       type == SOCK_SEQPACKET &&
	       getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &len) == 0 && listening;
}

static int listener_take(struct store *store, int fd, const char *name)
{
	uint64_t id;
	int r;

	if (strcmp(name, "control") == 0) {
		id = CHANNEL_ENTRY_CONTROL;
	} else if (strcmp(name, "host") == 0) {
		id = CHANNEL_ENTRY_HOST;
	} else {
		log_line(LOG_WARNING, "socket activation: a listener is named \"%s\"; wanted "
			 "FileDescriptorName=control or host; it is closed", name);
		close(fd);
		return 0;
	}
	r = -EINVAL;
	if (!is_listener(fd) || store_find(store, id))
		log_line(LOG_ERR, "socket activation: \"%s\" wants one ListenSequentialPacket= "
			 "socket of AF_UNIX", name);
	else
		r = store_keep(store, id, NULL, 0, fd);
	if (r < 0)
		close(fd);
	return r;
}

unsigned int activation_count(void)
{
	long n = variable_number("LISTEN_FDS");

	if (variable_number("LISTEN_PID") != getpid() || n < 0)
		return 0;
	return n < LISTEN_FDS_MAX ? (unsigned int)n : LISTEN_FDS_MAX;
}

int activation_take(struct store *store)
{
	int n = (int)activation_count();
	const char *names = getenv("LISTEN_FDNAMES");
	char *copy, *rest, *name;
	int r = 0;

	rest = copy = strdup(names ? names : "");
	unsetenv("LISTEN_PID");
	unsetenv("LISTEN_FDS");
	unsetenv("LISTEN_FDNAMES");
	if (!copy)
		return -ENOMEM;
	for (int i = 0; i < n; i++) {
		int fd = LISTEN_FDS_START + i, flags = fcntl(fd, F_GETFL), q;

		name = strsep(&rest, ":");
		if (flags < 0)
			continue;
		fcntl(fd, F_SETFD, FD_CLOEXEC);
		fcntl(fd, F_SETFL, flags | O_NONBLOCK);
		q = listener_take(store, fd, name ? name : "");
		if (r == 0)
			r = q;
	}
	free(copy);
	return r;
}

void activation_notify_open(void)
{
	const char *path = getenv("NOTIFY_SOCKET");
	size_t len = path ? strlen(path) : 0;

	if (len > 1 && len < sizeof notify_address.sun_path &&
	    (path[0] == '/' || path[0] == '@')) {
		notify_address.sun_family = AF_UNIX;
		memcpy(notify_address.sun_path, path, len);
		if (path[0] == '@')
			notify_address.sun_path[0] = '\0';
		notify_len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len);
	}
	unsetenv("NOTIFY_SOCKET");
}

void activation_notify(const char *state)
{
	int fd;

	if (notify_len == 0)
		return;
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || sendto(fd, state, strlen(state), MSG_NOSIGNAL | MSG_DONTWAIT,
			     (struct sockaddr *)&notify_address, notify_len) < 0)
		log_line(LOG_WARNING, "cannot tell the service manager \"%s\": %s", state,
			 strerror(errno));
	if (fd >= 0)
		close(fd);
}

void activation_notify_reloading(void)
{
	char state[80];

	snprintf(state, sizeof state, "RELOADING=1\nMONOTONIC_USEC=%llu",
		 (unsigned long long)room_clock_us());
	activation_notify(state);
}
