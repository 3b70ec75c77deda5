/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The reserve of reserve.h: copies of the epoll descriptor.
 */
#include "reserve.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "board.h"
#include "handover.h"

#define RESERVED 2

static int reserved[RESERVED] = { -1, -1 };
static bool used;

void reserve_refill(void)
{
	if (!used)
		return;
	used = false;
	for (int i = 0; i < RESERVED; i++) {
		if (reserved[i] < 0)
			reserved[i] = fcntl(board.epoll, F_DUPFD_CLOEXEC, 0);
		if (reserved[i] < 0)
			used = true;
	}
}

int reserve_start(void)
{
	used = true;
	reserve_refill();
	return used ? -errno : 0;
}

bool reserve_lent(void)
{
	return used;
}

int reserve_pair(int type, int pair[2])
{
	if (socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, pair) == 0)
		return 0;
	if (errno != EMFILE)
		return -errno;
	/* What this round has made already can be handed over, and give its places back. */
	if (used) {
		handover_flush_all();
		reserve_refill();
	}
	if (used)
		return -EMFILE;
	for (int i = 0; i < RESERVED; i++) {
		close(reserved[i]);
		reserved[i] = -1;
	}
	used = true;
	return socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, pair) < 0 ? -errno : 0;
}
