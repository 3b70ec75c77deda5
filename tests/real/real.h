/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the tests with real programs share: a broker that leaks nothing over the whole test,
 * agents that are known to serve, servers that are known to answer, places to run them in,
 * and what the audit says.
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "harness.h"

/* ---- a broker, and what it has open (real.c) ---- */

struct real {
	struct broker b;
	int fds;	/* open in the switch before anything was done; -1: cannot be seen */
};

/* options may be NULL: user mode, with descriptors that can be counted. */
void real_begin(struct real *r, const struct broker_options *options);
/* Stops it, after it has as many descriptors open again as in the beginning. */
void real_end(struct real *r);

/* `intro ARGS` that must succeed. */
#define cli_ok(b, ...) cli_must_succeed(b, (const char *const[]){ "intro", __VA_ARGS__, NULL })
void cli_must_succeed(const struct broker *b, const char *const *argv);

/* A path below the broker's directory BASE, such as "doors/web/redis". */
void base_path(const struct broker *b, char ret[static PATH_BYTES], const char *format, ...)
	__attribute__((format(printf, 3, 4)));
/* A path in the test's own directory, in which BASE is, too. */
void dir_path(const struct broker *b, char ret[static PATH_BYTES], const char *file);

/* ---- agents ---- */

/* Start `intro serve NAME …` and return when the name is served: its pid. how may be NULL.
 * What it and its program say goes to a file beside the broker's, unless how has an err. */
#define agent_start(b, how, name, ...) \
	agent_run_ready(b, how, (const char *const[]){ "intro", "serve", name, "--ready-fd", \
						       "", __VA_ARGS__, NULL })
pid_t agent_run_ready(const struct broker *b, const struct spawn *how,
		      const char *const *argv);
/* End it by SIGTERM; what its program makes of that is the program's: the status. */
int agent_stop(pid_t agent);

/* The one child of a process, which may yet have to be started: an agent's program. */
pid_t only_child(pid_t pid);
/* Wait until it has none: an agent's sessions in inetd style have ended. */
bool childless(pid_t pid);

/* ---- audit ---- */

/* Of a system broker: in "audit.log" of its directory, to which its configuration has to send
 * it. */
/* Wait for an audit line that has all of these words ("introduced", "way=fetch"). */
#define audit_says(b, ...) \
	audit_find(b, (const char *const[]){ __VA_ARGS__, NULL })
bool audit_find(const struct broker *b, const char *const *words);
/* How many there are now, once at least `least` of them were written. */
#define audit_count(b, least, ...) \
	audit_lines(b, least, (const char *const[]){ __VA_ARGS__, NULL })
int audit_lines(const struct broker *b, int least, const char *const *words);

/* ---- places to run programs in, for spawn.before ---- */

/* A network namespace of its own with a loopback; an ordinary user's is in a user namespace
 * in which the uid is the same. Two programs that are to meet there: one starts the other. */
void net_alone(const void *unused);
bool net_alone_works(void);

/* A process group of its own, of which group_kill() leaves nobody: for servers whose workers
 * outlive a master that is killed. */
void own_group(const void *unused);
void group_kill(pid_t leader);

/* Root becomes another uid: arg points to a uid_t. */
void become_uid(const void *uid);

/* Whether bubblewrap can make a sandbox here. */
bool sandbox_works(void);
#define NEED_SANDBOX NEED(sandbox_works(), "bubblewrap cannot make namespaces here")

/* ---- sockets ---- */

/* Wait until somebody accepts connections there. */
bool answers(const char *path);
/* Whether writing say ("": nothing) to fd brings back text beginning with wanted. */
bool speaks(int fd, const char *say, const char *wanted);
