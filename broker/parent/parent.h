/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The parent room: starts the switch and starts it again when it dies, keeps for it what must
 * outlive it, reads signals. It parses nothing that a client has written.
 */
#pragma once

#include <stdbool.h>

struct parent_options {
	bool system;
	const char *base;		/* NULL: the mode's own */
	const char *host_dir;		/* NULL: likewise */
	const char *state;		/* of the sturdy references; NULL: likewise */
	const char *config;		/* NULL: likewise, and it may be missing */
	unsigned int idle_exit_sec;	/* 0: never */
	int ready_fd;			/* gets one byte when clients are served; -1: none */
	bool log_stderr;
};

/* The program's exit status: 0 told to stop or idle; 1 an error in the configuration; 111 the
 * machine refuses something now. */
int parent_run(const struct parent_options *options);
