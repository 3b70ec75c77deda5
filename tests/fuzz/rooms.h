/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The broker's two rooms as two threads of a fuzzer: the switch as it is, and a parent that
 * keeps nothing. For one fuzzer each, which includes this once.
 */
#pragma once

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../../broker/channel.h"
#include "../../broker/switch/diag.h"
#include "../../broker/switch/switch.h"
#include "../../libintro/wire/message.h"

static char rooms_base[] = "/tmp/introd-fuzz.XXXXXX";
static int rooms_exports;	/* the directory BASE/exports */

static int parent_end;		/* of the channel */
static volatile bool ready;

static void check(bool holds, const char *what)
{
	if (holds)
		return;
	fprintf(stderr, "%s\n", what);
	abort();
}

/* There is no store here: what would be saved is refused. */
static void refuse_store(void)
{
	uint8_t buf[64];
	struct wire_writer w;

	wire_begin(&w, buf, sizeof buf, CHANNEL_STORE, 0, 0, 0);
	wire_put_u32(&w, TAG_ERROR, (uint32_t)-EIO);
	check(channel_send(parent_end, buf, (size_t)wire_finish(&w), -1) == 0, "channel");
}

static void *be_parent(void *arg)
{
	uint8_t buf[WIRE_PACKET_MAX];
	struct wire_message m;
	int fd = -1;
	ssize_t n;

	while ((n = channel_recv(parent_end, buf, 0, &fd)) > 0) {
		if (fd >= 0)
			close(fd);
		if (wire_parse(buf, (size_t)n, &m) == 0 && m.head.type == CHANNEL_READY)
			ready = true;
		else if (m.head.type == CHANNEL_WANT_STORE)
			refuse_store();
	}
	return arg;
}

static void *be_switch(void *arg)
{
	static char host[64];

	diag_start();
	/* it changes its directory, which is not to be the fuzzer's */
	check(unshare(CLONE_FS) == 0, "unshare");
	snprintf(host, sizeof host, "%s/doors/host", rooms_base);
	switch_run(&(struct switch_options){ .base = rooms_base, .host = host });
	return arg;
}

static void tell_switch(unsigned int type, uint32_t what, int fd)
{
	uint8_t buf[64];
	struct wire_writer w;

	wire_begin(&w, buf, sizeof buf, (uint16_t)type, 0, 0, fd >= 0);
	if (what)
		wire_put_u32(&w, TAG_WHAT, what);
	check(channel_send(parent_end, buf, (size_t)wire_finish(&w), fd) == 0, "channel");
}

static int open_base(const char *below, bool make)
{
	char path[128];
	int fd;

	snprintf(path, sizeof path, "%s%s", rooms_base, below);
	if (make)
		mkdir(path, 0755);
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	check(fd >= 0, path);
	return fd;
}

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *where)
{
	(void)st;
	(void)flag;
	(void)where;
	return remove(path);
}

static void remove_base(void)
{
	nftw(rooms_base, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* Start both, and wait until the switch serves. */
static void rooms_start(void)
{
	int pair[2], fds[3], null;
	pthread_t thread;

	check(mkdtemp(rooms_base) != NULL, "mkdtemp");
	atexit(remove_base);
	check(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) == 0, "socketpair");
	fds[1] = open_base("", false);
	close(open_base("/doors", true));
	close(open_base("/exports", true));
	fds[2] = open_base("/doors/host", true);
	rooms_exports = open_base("/exports", false);
	fds[0] = pair[1];
	parent_end = fcntl(pair[0], F_DUPFD_CLOEXEC, 16);
	for (int i = 0; i < 3; i++)
		fds[i] = fcntl(fds[i], F_DUPFD_CLOEXEC, 16);
	for (int i = 0; i < 3; i++)
		check(dup2(fds[i], CHANNEL_FD + i) == CHANNEL_FD + i, "dup2");

	check(pthread_create(&thread, NULL, be_parent, NULL) == 0, "thread");
	check(pthread_create(&thread, NULL, be_switch, NULL) == 0, "thread");
	null = open("/dev/null", O_WRONLY | O_CLOEXEC);
	tell_switch(CHANNEL_CONFIG_END, 0, -1);
	tell_switch(CHANNEL_AUDIT, AUDIT_FILE, null);
	tell_switch(CHANNEL_START, 0, -1);
	close(null);
	while (!ready)
		poll(NULL, 0, 1);
}
