/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The switch's whole state. One switch is one process and one thread of control, so it is one
 * object, reached by name.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "account.h"
#include "audit.h"
#include "list.h"
#include "reaper.h"
#include "source.h"
#include "switch.h"
#include "table.h"
#include "timer.h"

struct door;
struct handover;

struct board {
	struct switch_options options;
	int epoll;
	int base_fd, doors_fd, exports_fd, host_fd;	/* directories */
	struct source channel;

	struct source clock;		/* of the timers */
	struct timer_heap timers;
	struct table services;		/* by name */
	struct list service_list;	/* in the order of their ids, for listings */
	struct list doors;
	struct list users;
	struct list conns;
	struct list watchers;		/* administration connections that watch */
	struct list doomed;		/* connections that end with this round */
	struct list handovers;		/* to be sent at the end of this round */
	struct handover *spare_handover;
	struct list retries;		/* waits that the retry timer asks again */
	struct list accept_retries;	/* listeners that the retry timer arms again */
	struct timer retry;
	struct timer idle;

	struct account limits;		/* the defaults for doors and uids */
	struct list flights;		/* connections with descriptors in flight */
	struct list live_sessions;
	struct table sturdy;		/* saved references in use, by their numbers in the store */
	bool sturdy_used;		/* there may be some in the store */
	struct table gifts;		/* by their numbers */
	struct list gift_list;
	uint32_t flight_total, flight_max, flight_unit;
	uint32_t conns_max;		/* connections that the descriptor table allows */
	uint32_t conns_used;
	uint32_t held;			/* descriptors kept */

	uint64_t userns;		/* our user namespace's inode; 0: unknown */
	uint64_t next_session, next_id, next_entry;
	uint32_t config_round;		/* the configuration read last: channel.h's number */
	struct {
		int fd;			/* -1, or from before this switch */
		bool activated;		/* the service manager's */
	} control_listener, host_listener;
	bool configuring;		/* between CONFIG and CONFIG_END */
	bool started, stopping, passrights;
	bool accept_stopped;		/* by what is nobody's own: any door may be full */
	int exit_status;

	struct door *control;		/* stands for control.sock: open, no directory */
	struct door *host;
	struct audit audit;
	struct reaper reaper;
};

extern struct board board;

struct wire_message;

/* Make what is not there after the parent's entries and configuration, and serve. */
void board_start(void);

/* A listener of control.sock or the host door from before (taken over). */
void board_adopt(uint64_t entry, int fd, bool activated);

/* The host door as the last switch had it. fd as configure_restore()'s. */
int board_restore_host(const struct wire_message *m, int *fd);

/* The control and host doors, where the parent's entries did not bring them. */
int board_make_builtin(void);

/* Free an object at the end of the round: the loop may still have an event for it. */
void board_bury(void *object);
