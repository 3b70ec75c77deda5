/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An agent: the process of `intro serve`, which stands beside a program that knows nothing of
 * introductions. serve.c makes the plan; agent.c is the life of the process, offer.c what it
 * asks of the broker, deliver.c what it does with each introduction.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "../libintro/intro.h"
#include "loop.h"
#include "start.h"
#include "target.h"

/* How an introduction reaches the program. */
enum deliver {
	DELIVER_STDIO,		/* a process each, the socket as stdin and stdout */
	DELIVER_OPEN,		/* a socket opened to the target */
	DELIVER_SOCKPAIR,	/* the descriptor, over a socketpair that the program has */
	DELIVER_NOTHING,	/* placed: clients find the server's own socket */
};

struct plan {
	const char *name;
	char **program;		/* NULL: none */
	enum deliver deliver;
	struct target target;	/* of DELIVER_OPEN; filled in by us where listen */
	const char *place;	/* the server's own socket; NULL: not placed */
	bool listen;		/* the program gets listeners: a private one, */
	bool listen_doors;	/* and those of the doors */
	unsigned int types;	/* bits (1 << SOCK_x) */
	unsigned int max;	/* sessions being opened, run or spliced at once */
	int wait_ms;		/* for the name to be free; -1: for ever */
	int ready_fd;		/* owned; -1: none */
	bool verbose;
};

#define LISTENERS_MAX 64u	/* doors whose listeners one program takes */

struct agent {
	struct plan *plan;
	char door[WHERE_BYTES];
	struct loop loop;
	struct intro *in;
	struct loop_source intro_source, signal_source;

	/* offer.c */
	struct intro_ref *served, *placed;
	int serve_request, place_request, listeners_request;	/* 0: none waits */
	int64_t busy_until_ms;
	struct loop_timer busy_timer;
	int listeners[LISTENERS_MAX];	/* owned until the program has them */
	unsigned int nlisteners;
	char listener_names[LISTENERS_MAX * 72];

	/* deliver.c */
	int private_path;		/* owned: O_PATH of the private listener's socket */
	int sockpair;			/* owned: our end; the program has the other */
	int sockpair_theirs;		/* owned until the program has it */
	struct loop_source sockpair_source;
	struct loop_timer sockpair_timer;
	int sockpair_waiting;		/* owned: what it could not take yet; -1 */
	bool said_spliced;
	int last_open_error;		/* said already; 0: none */

	struct agent_session {
		pid_t pid;
		int leash;		/* owned: its socket, where it may be cut; -1 */
	} *sessions;			/* plan->max of them */
	unsigned int nsessions, nopenings;
	pid_t program;			/* 0: not started, or ended */
	bool ready, ending;
	int code;
};

/* Offer, serve, supervise, until the end; an exit code. */
int agent_run(struct plan *plan);

/* The end, with this exit code, once the program (told to end) has ended. */
void agent_end(struct agent *a, int code);

/* A child that counts as a session was forked (pid may be an error: complained about). leash: its
 * socket (taken over), to be shut down when the child has ended, or -1. */
void agent_add_session(struct agent *a, pid_t pid, int leash);

/* Ask for everything in the plan; agent_offered() is called when all of it was accepted. */
void offer_begin(struct agent *a);
void offer_event(struct agent *a, const struct intro_event *event);
void offer_withdraw(struct agent *a);
void agent_offered(struct agent *a);

/* Make what the program needs to get introductions. CODE_OK or an exit code. */
int deliver_begin(struct agent *a);
/* An INCOMING (its fd is taken over) or a FETCH. */
void deliver_event(struct agent *a, const struct intro_event *event);
void deliver_end(struct agent *a);
