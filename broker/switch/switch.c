/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The switch's life: its state, its start, its loop, its end.
 */
#include "switch.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "../../libintro/wire/message.h"
#include "../channel.h"
#include "board.h"
#include "conn.h"
#include "door.h"
#include "flight.h"
#include "grant.h"
#include "handover.h"
#include "link.h"
#include "listener.h"
#include "orphans.h"
#include "peer.h"
#include "place.h"
#include "reserve.h"
#include "service.h"

struct board board;

#define EVENTS_AT_ONCE 64

/* Objects that ended in this round. */
static struct {
	void **objects;
	size_t used, size;
} graves;

void board_bury(void *object)
{
	if (graves.used == graves.size) {
		size_t size = graves.size ? graves.size * 2 : 16;
		void **objects = reallocarray(graves.objects, size, sizeof *objects);

		/* Out of memory: an object that is never freed is better than one that an
		 * event of this round still means. */
		if (!objects)
			return;
		graves.objects = objects;
		graves.size = size;
	}
	graves.objects[graves.used++] = object;
}

/* What events and timers have left to do. Whoever ends may let others go on. */
static void end_round(void)
{
	handover_flush_all();
	while (!list_empty(&board.doomed)) {
		conn_close(list_entry(board.doomed.next, struct conn, in_doomed));
		handover_flush_all();
	}
	reserve_refill();
	reaper_flush(&board.reaper);
	while (graves.used > 0)
		free(graves.objects[--graves.used]);
}

static void timers_ready(struct source *source, uint32_t events)
{
	(void)source;
	(void)events;
	timer_run(&board.timers);
}

static int timers_start(void)
{
	int r = timer_start(&board.timers);

	if (r < 0)
		return r;
	board.clock.fd = board.timers.fd;
	board.clock.ready = timers_ready;
	return source_add(&board.clock, EPOLLIN | EPOLLET);
}

static void retry_due(struct timer *t)
{
	(void)t;
	listener_retry_all();
}

/* Idle: nobody was here over a whole period, and nothing is kept for anybody. */
static void idle_due(struct timer *t)
{
	static uint64_t last_id;
	bool idle = board.conns_used == 0 && board.held == 0 && last_id == board.next_id;

	list_foreach(it, &board.doors)
		if (list_entry(it, struct door, in_board)->origin != ORIGIN_BUILTIN)
			idle = false;
	last_id = board.next_id;
	if (idle)
		link_say(CHANNEL_IDLE);
	timer_arm(&board.timers, t, timer_now() + board.options.idle_exit_sec * UINT64_C(1000000));
}

void board_adopt(uint64_t entry, int fd, bool activated)
{
	if (entry == CHANNEL_ENTRY_CONTROL) {
		board.control_listener.fd = fd;
		board.control_listener.activated = activated;
	} else {
		board.host_listener.fd = fd;
		board.host_listener.activated = activated;
	}
}

static int make_control(void)
{
	int r;

	if (board.control)
		return 0;
	r = door_new_control(board.control_listener.fd, board.control_listener.activated,
			     &board.control);
	board.control_listener.fd = -1;
	if (r == 0)
		link_keep_door(board.control);
	return r;
}

static int make_host(bool restored, bool open)
{
	struct door_options options = {
		.name = "host",
		.origin = ORIGIN_BUILTIN,
		.open = open,
		.activated = board.host_listener.activated,
		.dir = board.host_fd,
		.listener = board.host_listener.fd,
		.entry = CHANNEL_ENTRY_HOST,
	};
	int r;

	if (board.host)
		return 0;
	r = door_new(&options, &board.host);
	board.host_listener.fd = -1;
	if (r == 0 && !restored)
		link_keep_door(board.host);
	return r;
}

int board_restore_host(const struct wire_message *m, int *fd)
{
	int r;

	board_adopt(CHANNEL_ENTRY_HOST, *fd,
		    wire_u32(m, TAG_WHAT, 0) == ENTRY_LISTENER_ACTIVATED);
	*fd = -1;
	r = make_host(true, wire_u32(m, TAG_OPEN, 0));
	if (r == 0)
		account_restore(&board.host->account, m);
	return r;
}

int board_make_builtin(void)
{
	int r = make_control();

	return r < 0 ? r : make_host(false, !board.options.system);
}

void board_start(void)
{
	int r = board_make_builtin();

	if (r < 0) {
		link_log("cannot make the broker's own sockets: %s", strerror(-r));
		board.stopping = true;
		board.exit_status = 1;
		return;
	}
	board.started = true;
	source_set(&board.control->listener, EPOLLIN);
	list_foreach(it, &board.doors) {
		struct door *door = list_entry(it, struct door, in_board);

		source_set(&door->listener, EPOLLIN);
		list_foreach(jt, &door->grant_list)
			grant_update(list_entry(jt, struct grant, in_door));
	}
	orphans_start();
	link_say(CHANNEL_READY);
}

/* A number that no earlier switch has given out: they began lower, and no broker makes a
 * million introductions in each of its seconds. */
static uint64_t first_session(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

/* The limits where nobody has said anything. */
static uint32_t limits[RESOURCE_COUNT] = {
	[RESOURCE_CONNECTIONS] = 1024, [RESOURCE_NAMES] = 16384, [RESOURCE_HELD] = 256,
	[RESOURCE_FLIGHT] = 256,       [RESOURCE_WAITS] = 1024,	 [RESOURCE_REFERENCES] = 16384,
};

static void at_most(enum resource what, uint32_t max)
{
	if (limits[what] > max)
		limits[what] = max;
}

/* Raised by the parent; what a flood of connections may use of it is most of it. */
static void learn_limits(void)
{
	struct rlimit limit = { .rlim_cur = 1024 };

	getrlimit(RLIMIT_NOFILE, &limit);
	board.conns_max = limit.rlim_cur > UINT32_MAX ? UINT32_MAX : (uint32_t)limit.rlim_cur;
	/* What costs a descriptor each: nobody has all of a small table. */
	at_most(RESOURCE_CONNECTIONS, board.conns_max / 8);
	at_most(RESOURCE_WAITS, board.conns_max / 8);
	at_most(RESOURCE_HELD, board.conns_max / 16);
	board.conns_max = board.conns_max / 4 * 3;
	account_init(&board.limits, limits);
}

static void init_lists(void)
{
	struct list *lists[] = {
		&board.service_list, &board.doors,   &board.users,   &board.conns,
		&board.watchers,     &board.doomed,  &board.handovers, &board.retries,
		&board.flights,	     &board.accept_retries, &board.live_sessions,
		&board.gift_list,
	};

	for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++)
		list_init(lists[i]);
}

static int open_directories(void)
{
	const int flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;

	board.base_fd = CHANNEL_BASE_FD;
	board.host_fd = CHANNEL_HOST_FD;
	board.doors_fd = openat(board.base_fd, "doors", flags);
	board.exports_fd = openat(board.base_fd, "exports", flags);
	return board.doors_fd < 0 || board.exports_fd < 0 ? -errno : 0;
}

static int set_up(const struct switch_options *options)
{
	struct stat userns;
	int r;

	board.options = *options;
	board.next_id = 1;
	board.next_entry = CHANNEL_ENTRY_FIRST;
	board.next_session = first_session();
	board.control_listener.fd = board.host_listener.fd = -1;
	board.retry.due = retry_due;
	board.idle.due = idle_due;
	init_lists();
	audit_init(&board.audit);
	learn_limits();
	if (stat("/proc/self/ns/user", &userns) == 0)
		board.userns = userns.st_ino;
	board.epoll = epoll_create1(EPOLL_CLOEXEC);
	if (board.epoll < 0)
		return -errno;
	umask(0);
	peer_start();
	(void)((r = timers_start()) < 0 || (r = table_seed()) < 0 || (r = flight_init()) < 0 ||
	       (r = reserve_start()) < 0 || (r = open_directories()) < 0 || (r = place_start()) < 0 ||
	       (r = reaper_start(&board.reaper)) < 0 || (r = link_start(CHANNEL_FD)) < 0);
	return r;
}

static void loop(void)
{
	struct epoll_event events[EVENTS_AT_ONCE];

	while (!board.stopping) {
		int n;

		end_round();
		n = epoll_wait(board.epoll, events, EVENTS_AT_ONCE, -1);
		board.audit.time_known = false;
		for (int i = 0; i < n; i++) {
			struct source *source = events[i].data.ptr;

			if (source->ready)
				source->ready(source, events[i].events);
		}
	}
	end_round();
}

static void leave(void)
{
	audit_flush(&board.audit);
	list_foreach(it, &board.doors)
		door_unlink(list_entry(it, struct door, in_board));
	if (board.control)
		door_unlink(board.control);
}

int switch_run(const struct switch_options *options)
{
	int r = set_up(options);

	if (r < 0) {
		fprintf(stderr, "introd: the switch cannot start: %s\n", strerror(-r));
		return 1;
	}
	if (options->idle_exit_sec)
		idle_due(&board.idle);
	loop();
	if (board.exit_status == 0)
		leave();
	return board.exit_status;
}
