/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The process that is the box, and how it is started and told: box.h.
 */
#include "box.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "box_way.h"
#include "space.h"

int box_tun(const char *name)
{
	struct ifreq request = { .ifr_flags = IFF_TUN | IFF_NO_PI };
	int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK);

	if (fd < 0)
		return -errno;
	snprintf(request.ifr_name, sizeof request.ifr_name, "%s", name);
	if (ioctl(fd, TUNSETIFF, &request) < 0) {
		int error = -errno;

		close(fd);
		return error;
	}
	return fd;
}

/* It keeps its ports and its control alone. */
static void keep_only(const struct box_config *config, int control)
{
	syscall(SYS_close_range, 3u, ~0u, 1u << 2 /* CLOSE_RANGE_CLOEXEC */);
	for (int fd = 3; fd < 1024; fd++) {
		bool kept = fd == control;

		for (size_t i = 0; i < config->ports_n; i++)
			kept = kept || config->ports[i].tun == fd;
		if (!kept)
			close(fd);
	}
}

int box_start(struct box *ret, const struct box_config *config)
{
	pid_t pid;
	struct box_counters *counters;
	int pair[2];

	counters = mmap(NULL, sizeof *counters, PROT_READ | PROT_WRITE,
			MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (counters == MAP_FAILED)
		return -errno;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0) {
		int error = -errno;

		munmap(counters, sizeof *counters);
		return error;
	}
	pid = space_fork();
	if (pid == 0) {
		/* The kernel may not be late on purpose. */
		prctl(PR_SET_TIMERSLACK, 1);
		keep_only(config, pair[1]);
		box_way(config, counters, pair[1]);
		_exit(0);
	}
	close(pair[1]);
	if (pid < 0) {
		close(pair[0]);
		munmap(counters, sizeof *counters);
		return pid;
	}
	*ret = (struct box){ .pid = pid, .control = pair[0], .counters = counters };
	return 0;
}

void box_stop(struct box *box)
{
	if (box->pid <= 0)
		return;
	/* It ends where its control does. */
	close(box->control);
	space_wait(box->pid, 1000);
	munmap(box->counters, sizeof *box->counters);
	*box = (struct box){ .control = -1 };
}

int box_reboot(struct box *box, unsigned int nat)
{
	uint8_t which = (uint8_t)nat;

	if (send(box->control, &which, 1, MSG_NOSIGNAL) != 1 ||
	    recv(box->control, &which, 1, 0) != 1)
		return -EPIPE;
	return 0;
}
