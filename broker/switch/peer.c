/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The peers of peer.h.
 */
#include "peer.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#define OVERFLOW_UID 65534	/* unless the system says otherwise */
#define ALL_UIDS UINT32_MAX	/* but the last number, which is none */

/* What is shown instead of a uid without a number; -1: every uid has one. Where the number is
 * also somebody's own, nobody can tell the two apart, and neither do we. */
static int64_t overflow = OVERFLOW_UID;

/* The beginning of a file; "" when it cannot be read. */
static void read_text(const char *path, char *out, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd >= 0 ? read(fd, out, size - 1) : -1;

	out[n > 0 ? n : 0] = '\0';
	if (fd >= 0)
		close(fd);
}

void peer_start(void)
{
	uint32_t here, there, count;
	char text[128];

	read_text("/proc/self/uid_map", text, sizeof text);
	if (sscanf(text, "%" SCNu32 " %" SCNu32 " %" SCNu32, &here, &there, &count) == 3 &&
	    count == ALL_UIDS) {
		overflow = -1;
		return;
	}
	read_text("/proc/sys/kernel/overflowuid", text, sizeof text);
	if (sscanf(text, "%" SCNu32, &count) == 1)
		overflow = count;
}

int peer_of(int sock, struct peer *ret)
{
	struct ucred cred;
	socklen_t len = sizeof cred;

	if (getsockopt(sock, SOL_SOCKET, SO_PEERCRED, &cred, &len) < 0)
		return -errno;
	ret->uid = (int64_t)cred.uid;
	if (ret->uid == overflow || cred.uid == ALL_UIDS)
		ret->uid = -1;
	ret->pid = cred.pid > 0 ? (uint32_t)cred.pid : 0;
	return 0;
}
