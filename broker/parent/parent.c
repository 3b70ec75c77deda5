/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The parent room: what it does first, its loop, and its signals.
 */
#include "parent.h"

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <syslog.h>
#include <unistd.h>

#include "activation.h"
#include "identity.h"
#include "keeper.h"
#include "log.h"

#ifndef SYSCONFDIR
#define SYSCONFDIR "/etc"
#endif

#define EXIT_CONFIG 1
#define EXIT_TEMPORARY 111

#define STOP_US UINT64_C(5000000)	/* the switch has so long to end, then it is killed */
#define KILL_US UINT64_C(2000000)	/* and so long to be dead */
#define START_FAILURES_MAX 5u		/* before the first time that it was ready */
#define FDS_RESERVE 128u		/* descriptors that are not the store's */

struct parent {
	struct keeper keeper;
	const struct parent_options *options;
	char config_path[PATH_MAX];
	struct sandbox_options reader;	/* whom introd-config becomes */
	int signals;
	int ready_fd;
	bool was_ready;
	uint64_t kill_us;		/* stopping: when patience ends */
	bool killed;			/* it has ended once */
};

/* ---- the configuration */

static void config_path_choose(struct parent *p)
{
	const char *home = getenv("HOME"), *xdg = getenv("XDG_CONFIG_HOME");
	size_t size = sizeof p->config_path;

	if (p->options->config)
		snprintf(p->config_path, size, "%s", p->options->config);
	else if (p->options->system)
		snprintf(p->config_path, size, "%s", SYSCONFDIR "/introd.conf");
	else if (xdg && xdg[0] == '/')
		snprintf(p->config_path, size, "%s/introd.conf", xdg);
	else
		snprintf(p->config_path, size, "%s/.config/introd.conf", home ? home : "");
}

static int config_load(struct parent *p, struct config *ret)
{
	return config_read(ret, &(struct config_source){
		.path = p->config_path, .may_be_missing = !p->options->config,
		.sandbox = &p->reader,
	});
}

static void reload(struct parent *p)
{
	struct keeper *k = &p->keeper;
	struct config config;
	int r;

	activation_notify_reloading();
	r = config_load(p, &config);
	if (r == 0) {
		r = config_open(&config);
		if (r == 0)
			r = trail_open(&k->trail, &config, &k->base);
		if (r < 0)
			config_clear(&config);
	}
	if (r == 0) {
		if (strcmp(config.user, k->config.user) != 0)
			log_line(LOG_WARNING, "the user is changed by a restart only");
		config_clear(&k->config);
		k->config = config;
		k->config_number++;
		keeper_configure(k);
	} else {
		log_line(LOG_ERR, "the configuration stays as it was");
	}
	malloc_trim(0);
	activation_notify("READY=1");
}

/* ---- the loop */

static int signals_open(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	/* SIGXFSZ: a log at its limit (setrlimit(2)) is no reason to die. */
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0 || signal(SIGPIPE, SIG_IGN) == SIG_ERR ||
	    signal(SIGXFSZ, SIG_IGN) == SIG_ERR)
		return -errno;
	return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

static void stop(struct parent *p)
{
	if (p->keeper.stopping)
		return;
	activation_notify("STOPPING=1");
	p->kill_us = room_clock_us() + STOP_US;
	keeper_stop(&p->keeper);
}

static void signals_take(struct parent *p)
{
	struct signalfd_siginfo info;

	while (read(p->signals, &info, sizeof info) == sizeof info) {
		if (info.ssi_signo != SIGHUP)
			stop(p);
		else if (!p->keeper.stopping)
			reload(p);
	}
}

static void ready_tell(struct parent *p)
{
	p->was_ready = true;
	activation_notify("READY=1");
	if (p->ready_fd < 0)
		return;
	if (write(p->ready_fd, "\n", 1) < 0)
		log_line(LOG_WARNING, "--ready-fd=%d: %s", p->ready_fd, strerror(errno));
	close(p->ready_fd);
	p->ready_fd = -1;
}

/* Milliseconds to the next thing to do by the clock; -1: there is none. */
static int patience(const struct parent *p)
{
	uint64_t now = room_clock_us();
	uint64_t then = p->kill_us ? p->kill_us : p->keeper.restart_us;

	if (then == 0)
		return -1;
	return then <= now ? 0 : (int)((then - now + 999) / 1000);
}

/* The close of a stranger's file can keep even a killed process from ending (FUSE). */
static void room_leave(struct parent *p)
{
	log_line(LOG_WARNING, "the switch, %d, is killed and does not end: the close of a file "
		 "does not return; it is left behind", p->keeper.room.pid);
	close(p->keeper.room.pidfd);
	p->keeper.room.pid = 0;
}

static void clock_look(struct parent *p)
{
	uint64_t now = room_clock_us();

	if (p->kill_us && now >= p->kill_us && p->killed) {
		room_leave(p);
	} else if (p->kill_us && now >= p->kill_us) {
		log_line(LOG_WARNING, "the switch does not end; it is killed");
		room_signal(&p->keeper.room, SIGKILL);
		p->kill_us = now + KILL_US;
		p->killed = true;
	} else if (p->keeper.restart_us && now >= p->keeper.restart_us) {
		keeper_start(&p->keeper);
	}
}

static int loop(struct parent *p)
{
	struct keeper *k = &p->keeper;

	for (;;) {
		/* -1 is left out by poll() */
		struct pollfd fds[] = {
			{ p->signals, POLLIN, 0 },
			{ k->sock, POLLIN, 0 },
			{ k->room.pid ? k->room.pidfd : -1, POLLIN, 0 },
			{ k->storeroom.room.pid ? k->storeroom.room.pidfd : -1, POLLIN, 0 },
		};

		if (poll(fds, 4, patience(p)) < 0 && errno != EINTR)
			return EXIT_TEMPORARY;
		if (fds[1].revents)
			keeper_receive(k);
		if (fds[2].revents)
			keeper_ended(k);
		if (fds[3].revents)
			storeroom_ended(&k->storeroom);
		if (k->ready && !p->was_ready)
			ready_tell(p);
		if (k->idle)
			stop(p);
		if (fds[0].revents)
			signals_take(p);
		clock_look(p);
		if (k->stopping && k->room.pid == 0)
			return 0;
		if (!p->was_ready && k->failures >= START_FAILURES_MAX) {
			log_line(LOG_ERR, "the switch does not start; giving up");
			return EXIT_TEMPORARY;
		}
	}
}

/* ---- the beginning */

/* Of what was inherited, keep the standard descriptors, --ready-fd and the service manager's
 * listeners. Whoever waits for the end of a pipe of our caller's would wait for ours. */
static void descriptors_reduce(int ready_fd)
{
	unsigned int from = 3 + activation_count();

	if (ready_fd >= (int)from) {
		if (ready_fd > (int)from)
			close_range(from, (unsigned int)ready_fd - 1, 0);
		from = (unsigned int)ready_fd + 1;
	}
	close_range(from, ~0U, 0);
}

static int activation_keep(struct keeper *k)
{
	struct rlimit files = { 0 };

	getrlimit(RLIMIT_NOFILE, &files);	/* soft will become hard */
	k->store.fds_max = files.rlim_max > 2 * FDS_RESERVE ? files.rlim_max - FDS_RESERVE :
							      files.rlim_max / 2;
	return activation_take(&k->store);
}

static int prepare(struct parent *p)
{
	const struct parent_options *o = p->options;
	struct keeper *k = &p->keeper;
	int r, chosen = 0;

	if (activation_keep(k) < 0)
		return EXIT_CONFIG;
	p->reader = k->sandbox = (struct sandbox_options){ false, geteuid(), getegid() };
	if (o->system)
		chosen = identity_choose("", &p->reader);
	if (chosen < 0)
		return EXIT_TEMPORARY;
	config_path_choose(p);
	if (config_load(p, &k->config) < 0)
		return EXIT_CONFIG;
	if (chosen > 0 && !k->config.user[0])
		identity_warn();
	if (o->system && !k->config.user[0])
		k->sandbox = p->reader;
	else if (o->system && identity_choose(k->config.user, &k->sandbox) < 0)
		return EXIT_CONFIG;
	k->exe = open("/proc/self/exe", O_PATH | O_CLOEXEC);
	if (k->exe < 0) {
		log_line(LOG_ERR, "/proc/self/exe: %s; wanted a mounted /proc",
			 strerror(errno));
		return EXIT_TEMPORARY;
	}
	if (base_open(&k->base, &(struct base_options){
		.base = o->base, .host_dir = o->host_dir, .system = o->system,
		.uid = k->sandbox.uid, .gid = k->sandbox.gid }) < 0)
		return EXIT_TEMPORARY;
	storeroom_prepare(&k->storeroom, &k->sandbox, o->state);

	r = sandbox_enter(ROOM_PARENT, &k->sandbox);
	if (r < 0) {
		log_line(LOG_ERR, "cannot give up privileges: %s", strerror(-r));
		return EXIT_TEMPORARY;
	}
	if (!sandbox_filters())
		log_line(LOG_WARNING, "built with a sanitizer: rooms have no system-call "
			 "filter");
	/* What a reload will be able to open is what we can open now, with what is left. */
	if (config_open(&k->config) < 0 ||
	    trail_open(&k->trail, &k->config, &k->base) < 0)
		return EXIT_CONFIG;
	malloc_trim(0);
	return 0;
}

int parent_run(const struct parent_options *options)
{
	struct parent p = {
		.options = options, .signals = -1, .ready_fd = options->ready_fd,
		.keeper = { .base = { .fd = -1, .host_fd = -1, .lock_fd = -1 }, .exe = -1,
			    .trail = { AUDIT_NONE, -1 }, .sock = -1, .storeroom.dir = -1,
			    .idle_exit_sec = options->idle_exit_sec },
	};
	struct keeper *k = &p.keeper;
	int status;

	descriptors_reduce(options->ready_fd);
	log_open(options->log_stderr || !options->system || isatty(STDERR_FILENO));
	activation_notify_open();
	status = prepare(&p);
	if (status == 0) {
		p.signals = signals_open();
		keeper_start(k);
		status = p.signals < 0 ? EXIT_TEMPORARY : loop(&p);
	}

	room_kill(&k->room);
	storeroom_close(&k->storeroom);
	store_clear(&k->store);
	config_clear(&k->config);
	base_close(&k->base);
	trail_close(&k->trail);
	return status;
}
