/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Starting and reaping rooms: fork and exec, so that no room shares a heap or a canary with
 * another, with exactly the descriptors it is meant to have. For the parent room only.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct sandbox_options;

/* What to execute and what it starts with. */
struct room_plan {
	int exe;			/* O_PATH descriptor of the program */
	char *const *argv;
	int stdio[3];			/* descriptors for 0, 1, 2; -1: /dev/null */
	const int *fds;			/* become 3, 4, 5, … */
	size_t nfds;
	const struct sandbox_options *config_sandbox; /* enter ROOM_CONFIG before the exec;
						       * NULL: the program enters its own */
};

/* A running process. */
struct room {
	pid_t pid;			/* 0: not running */
	int pidfd;			/* readable when it has ended */
};

/* How often a room may be started: at once when it has lived for a second, else after a delay
 * that doubles from 10 ms to 1 s. All in microseconds of CLOCK_MONOTONIC. */
struct room_backoff {
	uint64_t started_us;
	uint64_t delay_us;
};

/* The program of a room: beside this one, so that a build tree never starts an installed one,
 * else in LIBEXECDIR. An O_PATH descriptor or a negative errno. */
int room_program(const char *name);

/* Start a room; its ends of the descriptors are borrowed. The room is killed when this
 * process ends. 0 or a negative errno; a program that cannot be executed ends with status
 * 127 after a line on its descriptor 2. */
int room_start(struct room *room, const struct room_plan *plan);

/* Take the status of a room that has ended (waitid's code and status in *ret_code and
 * *ret_status). 0, or -EAGAIN when it still runs. */
int room_reap(struct room *room, int *ret_code, int *ret_status);

/* Send a signal; nothing happens when it is not running. */
void room_signal(const struct room *room, int signal);

/* SIGKILL and wait. */
void room_kill(struct room *room);

/* When to start it again, having ended at now_us: the time, and the delay is remembered. */
uint64_t room_backoff(struct room_backoff *backoff, uint64_t now_us);

/* "exited with status 1", "was killed by signal 31 (Bad system call)" for a log line. */
const char *room_ended(int code, int status, char *buf, size_t size);

/* Microseconds of CLOCK_MONOTONIC. */
uint64_t room_clock_us(void);
