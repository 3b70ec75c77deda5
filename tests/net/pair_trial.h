/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One introduction while it lasts: pair.c starts it all and waits, pair_talk.c carries what the
 * peers say, pair_echo.c proves their path. For these three.
 */
#pragma once

#include <time.h>

#include "pair.h"

enum {
	TRIAL_LINE_BYTES = 8192,
	TRIAL_LETTERS_MAX = 64,	/* on their way at a time */
	TRIAL_ECHO_PORT = 5555,	/* where A's peer takes datagrams for the path */
	TRIAL_ECHOES = 5,	/* that are proof */
};

/* A line on its way to a peer. */
struct letter {
	uint64_t due_us;
	enum lab_end to;
	char *text;
};

struct peer {
	pid_t pid;
	int in, out;		/* its standard input and output; -1: closed */
	uint64_t start_us;
	char line[TRIAL_LINE_BYTES];
	size_t used;
	bool told;		/* a signal of the other end's was delivered */
	bool over;		/* it failed, or ended */
	char reflexive[64];
};

struct trial {
	const struct pair_config *config;
	struct pair_result *result;
	struct lab lab;
	struct peer peer[2];
	struct letter letters[TRIAL_LETTERS_MAX];
	size_t letters_n;
	uint64_t known_us, done_us;	/* both know; all is as wanted; 0: not yet */
	int echo;			/* a socket on host A's loopback */
	uint64_t echo_next_us;
	unsigned int echoes;		/* that came back */
	uint64_t end_us, shaken_us;	/* when to give up; 0: nothing has happened yet */
};

/* Microseconds of CLOCK_MONOTONIC. */
static inline uint64_t trial_now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000u + (uint64_t)t.tv_nsec / 1000u;
}

/* Write to each peer what has come as far as it. */
void trial_deliver(struct trial *t, uint64_t now);
/* Take what a peer says. */
void trial_read(struct trial *t, enum lab_end from);

/* Datagrams from A through the path to B, and back: open, send one when it is time, take those
 * that are back. 0 or -errno. */
int trial_echo_open(struct trial *t);
void trial_echo_send(struct trial *t, uint64_t now);
void trial_echo_read(struct trial *t, uint64_t now);
