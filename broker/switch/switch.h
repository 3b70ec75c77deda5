/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The switch: the room in which the whole local path happens. Started by the parent, with the
 * descriptors of channel.h.
 */
#pragma once

#include <stdbool.h>

struct switch_options {
	bool system;			/* system mode: own uid, host door is not open */
	unsigned int idle_exit_sec;	/* 0: never */
	const char *base;		/* the directories' absolute paths, only to be shown */
	const char *host;
};

/* Serve until told to stop or the parent is gone. Returns the process's exit status. */
int switch_run(const struct switch_options *options);
