/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The switch's life as its parent sees it, as keeper.h says.
 */
#include "keeper.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <syslog.h>
#include <unistd.h>

#include "../channel.h"
#include "log.h"

/* What could not be told: it has died, which its pidfd says, or hangs. */
static void send_failed(struct keeper *keeper, int r)
{
	if (r == -EPIPE || r == -ECONNRESET)
		return;
	log_line(LOG_ERR, "cannot tell the switch its state: %s; it is started anew",
		 strerror(-r));
	room_signal(&keeper->room, SIGKILL);
}

void keeper_configure(struct keeper *keeper)
{
	int r = keeper->sock < 0 ? 0 : keeper_send_config(keeper);

	if (r < 0)
		send_failed(keeper, r);
}

static int process_start(struct keeper *keeper, int sock)
{
	char uid[32], gid[32], idle[32];
	char base[PATH_MAX + 16], host[PATH_MAX + 16];
	char *argv[] = { "introd", "--room=switch", base, host, idle, uid, gid,
			 keeper->sandbox.system ? "--system" : NULL, NULL };

	snprintf(base, sizeof base, "--base=%s", keeper->base.path);
	snprintf(host, sizeof host, "--host-dir=%s", keeper->base.host_path);
	snprintf(idle, sizeof idle, "--idle-exit=%u", keeper->idle_exit_sec);
	snprintf(uid, sizeof uid, "--uid=%u", keeper->sandbox.uid);
	snprintf(gid, sizeof gid, "--gid=%u", keeper->sandbox.gid);
	return room_start(&keeper->room, &(struct room_plan){
		.exe = keeper->exe, .argv = argv, .stdio = { -1, -1, STDERR_FILENO },
		.fds = (int[]){ sock, keeper->base.fd, keeper->base.host_fd }, .nfds = 3,
	});
}

static void schedule(struct keeper *keeper)
{
	keeper->restart_us = room_backoff(&keeper->backoff, room_clock_us());
}

void keeper_start(struct keeper *keeper)
{
	int pair[2], r;

	/* The last one may have renamed the file, and syslog may have been restarted. */
	if (keeper->backoff.started_us != 0)
		(void)trail_open(&keeper->trail, &keeper->config, &keeper->base);
	keeper->restart_us = 0;
	keeper->ready = false;
	keeper->backoff.started_us = room_clock_us();
	r = socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0 ? -errno : 0;
	if (r == 0) {
		r = process_start(keeper, pair[1]);
		close(pair[1]);
		if (r < 0)
			close(pair[0]);
	}
	if (r < 0) {
		log_line(LOG_ERR, "cannot start the switch: %s", strerror(-r));
		keeper->failures++;
		schedule(keeper);
		return;
	}

	keeper->sock = pair[0];
	r = keeper_send_store(keeper);
	if (r == 0)
		r = keeper_send_config(keeper);
	if (r == 0)
		r = keeper_send_start(keeper);
	if (r < 0)
		send_failed(keeper, r);
}

void keeper_ended(struct keeper *keeper)
{
	int code, status;
	char how[128];

	if (room_reap(&keeper->room, &code, &status) < 0)
		return;
	while (keeper_receive(keeper) > 0)
		;
	keeper_hang_up(keeper);
	if (!keeper->ready)
		keeper->failures++;
	keeper->ready = false;
	if (keeper->stopping && code == CLD_EXITED && status == 0)
		return;
	log_line(LOG_ERR, "the switch %s%s", room_ended(code, status, how, sizeof how),
		 keeper->stopping ? "" : "; it is started anew");
	if (!keeper->stopping)
		schedule(keeper);
}

void keeper_stop(struct keeper *keeper)
{
	keeper->stopping = true;
	keeper->restart_us = 0;
	if (keeper->sock >= 0 && keeper_send_plain(keeper, CHANNEL_STOP) < 0)
		room_signal(&keeper->room, SIGKILL);
}
