/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The parent's side of the switch: the process, the channel to it, and what is kept for it.
 * All that the parent reads from another process comes through here. For parent.c only.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "../room.h"
#include "../sandbox.h"
#include "base.h"
#include "config.h"
#include "store.h"
#include "storeroom.h"
#include "trail.h"

struct keeper {
	struct base base;
	struct store store;
	struct config config;
	uint64_t config_number;		/* counts those that were read */
	struct sandbox_options sandbox;	/* whom the switch becomes */
	unsigned int idle_exit_sec;
	int exe;			/* our own program, O_PATH */
	struct trail trail;
	struct storeroom storeroom;

	struct room room;
	struct room_backoff backoff;
	int sock;			/* the channel; -1: none */
	uint64_t restart_us;		/* when to start the next; 0: not waiting for that */
	bool ready;			/* the running one serves clients */
	unsigned int failures;		/* died in a row without having been ready */
	bool stopping;
	bool idle;			/* it says that nothing is left to do */
};

/* Start a switch and give it everything. When it cannot be started the next attempt is
 * scheduled. */
void keeper_start(struct keeper *keeper);

/* The process has ended: take what it still sent, say so, schedule the next. */
void keeper_ended(struct keeper *keeper);

/* Tell a running switch of the configuration, and of where audit lines go. */
void keeper_configure(struct keeper *keeper);

/* Ask it to end; no other is started. */
void keeper_stop(struct keeper *keeper);

/* ---- keeper_channel.c */

/* Take one message, if there is one: 1, else 0. A switch that says what is not in its table is
 * killed. */
int keeper_receive(struct keeper *keeper);

/* Tell it, taking what comes meanwhile: 0, or a negative errno: it is dead or hangs. */
int keeper_send_plain(struct keeper *keeper, unsigned int type);
int keeper_send_start(struct keeper *keeper);
int keeper_send_store(struct keeper *keeper);
int keeper_send_config(struct keeper *keeper);

/* Close the channel. */
void keeper_hang_up(struct keeper *keeper);
