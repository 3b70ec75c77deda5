/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the tests share: a test that notices leaks, children that cannot outlive it, a broker
 * started for real in a directory of its own, the command line, and a client that speaks the
 * bare protocol. Everything waits for a condition, at most HANG_MS, never for a while.
 *
 * Where something here cannot go on, it fails the test that called it; in a forked child it
 * prints why and ends the child with status CHILD_FAILED (Criterion's assertions hang there).
 */
#pragma once

#include <criterion/criterion.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "../libintro/wire/message.h"
#include "../libintro/wire/packet.h"
#include "../libintro/wire/protocol.h"

#define HANG_MS 10000
#define CHILD_FAILED 99

/* ---- tests, descriptors, waiting (harness.c) ---- */

/* A Criterion test which also fails when it ends with other descriptors than it began with,
 * or with a child that nobody waited for. Options as Test()'s. */
#define TEST(suite, name, ...)                                            \
	static void suite##_##name##_body(void);                          \
	Test(suite, name, ##__VA_ARGS__)                                  \
	{                                                                 \
		struct leak_check before;                                 \
		leak_check_begin(&before);                                \
		suite##_##name##_body();                                  \
		leak_check_end(&before);                                  \
	}                                                                 \
	static void suite##_##name##_body(void)

struct leak_check {
	int fds;
	char names[1024];	/* what was open, to name what leaked */
};
void leak_check_begin(struct leak_check *check);
void leak_check_end(const struct leak_check *check);

/* Leave the test, named and counted as skipped, unless cond. Not in a child. */
#define NEED(cond, ...)                       \
	do {                                  \
		if (!(cond))                  \
			cr_skip(__VA_ARGS__); \
	} while (0)

/* Fail the test, or end the child. */
void harness_fail(const char *format, ...)
	__attribute__((format(printf, 1, 2), noreturn));

/* A measured figure for the reader; a line to stderr. (A warning of Criterion's would fail the
 * whole program.) */
void harness_note(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* A call that must not give -1 with errno: its result, an int. */
#define MUST(call) must((call), __FILE__, __LINE__, #call)
int must(long result, const char *file, int line, const char *call);

/* Open descriptors of this process; of another (-1 with errno where that is not allowed:
 * the broker's rooms are undumpable, see broker_options.countable). */
int fd_count(void);
int fd_count_of(pid_t pid);

/* Poll cond(arg) until it is true: true, or false after HANG_MS. */
bool wait_until(bool (*cond)(void *arg), void *arg);

/* Wait for one of poll(2)'s events: true, or false after HANG_MS. */
bool wait_fd(int fd, short events);

/* Milliseconds of CLOCK_MONOTONIC. */
int64_t now_ms(void);

/* A new directory (mode 0700) below $TMPDIR, in a buffer of DIR_BYTES; removed with all that
 * is in it by dir_remove(). */
#define DIR_BYTES 64u
void dir_make(char ret[static DIR_BYTES]);
void dir_remove(const char *dir);

/* How many entries it has, "." and ".." among them. */
unsigned int dir_entries(const char *dir);

/* Whole contents of a file, NUL-terminated, to be freed; NULL when it cannot be opened. */
char *file_read(const char *path);
void file_write(const char *path, const char *text);
/* The same of an open file, from its start; ret_len (bytes) may be NULL. */
char *fd_read(int fd, size_t *ret_len);

/* ---- children (harness_child.c) ---- */

/* fork() whose child is killed when the test ends. The child must end by _exit(). */
pid_t child_fork(void);

/* Wait for a child: its exit status, or 128 + the signal that ended it. It fails the test to
 * wait longer than HANG_MS (the child is then killed). */
int child_wait(pid_t pid);

/* SIGKILL a child and wait for it. */
void child_kill(pid_t pid);

/* From now on what our children leave running becomes our child. children_end() ends all of
 * them by SIGTERM, expecting exit status 0, and gives their number. */
void children_adopt(void);
int children_end(void);

/* A child that does act(arg, ready), which ends in child_stay(ready) or writes a byte there
 * itself; it has done so when this returns. */
pid_t child_start(void (*act)(const void *arg, int ready), const void *arg);
/* In such a child: all is done; wait for the end. */
_Noreturn void child_stay(int ready);

/* fn(arg) in a child, its return value as the exit status; child_wait()'s answer. */
int child_call(int (*fn)(void *arg), void *arg);

/* For a child of root: become this uid and gid, without other groups or capabilities. */
void child_become(uid_t uid);

/* How a program is started. Zeroed: /dev/null and our stderr, our environment. */
struct spawn {
	const char *const *argv;	/* argv[0] is looked up in PATH; NULL-terminated */
	const char *const *env;		/* "NAME=value" to set, "NAME" to unset; or NULL */
	const int *keep;		/* descriptors to inherit as they are numbered, ended */
					/* by -1; or NULL */
	int in, out, err;		/* 0: as above */
	void (*before)(const void *arg);	/* called in the child first of all; or NULL */
	const void *before_arg;
};
pid_t spawn(const struct spawn *how);
/* The second half of it, in a child: nothing but 0, 1, 2 and what is to be kept survives. */
_Noreturn void spawn_exec(const struct spawn *how);

/* Run a program to its end. status as child_wait(). out and err are NUL-terminated. */
struct run {
	int status;
	char *out, *err;
	size_t out_len;
};
void run(struct run *ret, const struct spawn *how);
void run_free(struct run *r);
#define _cleanup_run_ __attribute__((cleanup(run_free)))

/* ---- the broker and its command line (harness_broker.c) ---- */

#define PATH_BYTES 256u

/* Path of a built program ("introd", "intro"): in $INTRO_BUILD, else where make put it. */
void program_path(const char *name, char ret[static PATH_BYTES]);

struct broker {
	pid_t pid;
	bool system;
	char dir[DIR_BYTES];		/* its own; XDG_RUNTIME_DIR in user mode */
	char base[DIR_BYTES + 16];	/* BASE */
	char host[DIR_BYTES + 32];	/* the host door's directory */
	char log[DIR_BYTES + 16];	/* a file with what it wrote to stderr */
};

struct broker_options {
	bool system;			/* needs root */
	bool countable;			/* broker_fd_count() must work for an ordinary user too:
					 * it then runs in a user namespace, as its root, and
					 * attests no uid to services outside */
	const char *config;		/* text of its configuration file; NULL: none */
	const char *const *args;	/* more arguments; NULL-terminated; or NULL */
	unsigned int nofile;		/* RLIMIT_NOFILE, soft and hard; 0: ours */
	uid_t uid;			/* whose broker it is, where root tests; 0: ours */
};

/* Start introd and wait until it is ready. options may be NULL: user mode. */
void broker_start(struct broker *b, const struct broker_options *options);

/* End it by SIGTERM, expecting exit status 0, and remove its directory. */
void broker_stop(struct broker *b);
/* The same after SIGKILL. */
void broker_kill(struct broker *b);

/* The next broker in the directory of one that was ended by broker_end(), which is
 * broker_stop() that removes nothing. */
void broker_end(struct broker *b);
void broker_start_again(struct broker *b, const struct broker_options *options);

pid_t broker_pid(const struct broker *b);
/* The switch's, once there is one; wait for another one than old (0: for any). */
pid_t broker_switch_pid(const struct broker *b, pid_t old);
/* SIGKILL the switch, and wait for the next one: its pid. */
pid_t broker_switch_kill(const struct broker *b);
/* Descriptors open in a process all of whose threads sleep: nothing is being closed. */
int fd_count_at_rest(pid_t pid);
/* Descriptors open in the switch. -1 where that cannot be read. */
int broker_fd_count(const struct broker *b);
/* Wait until the switch has that many again: true, or false after HANG_MS. */
bool broker_fds_settle(const struct broker *b, int count);

/* BASE/doors/NAME, or the host door's directory for "host". */
void broker_door(const struct broker *b, const char *name, char ret[static PATH_BYTES]);

/* Run `intro ARGS` against this broker. */
#define run_cli(b, ret, ...) \
	broker_cli(b, ret, (const char *const[]){ "intro", __VA_ARGS__, NULL }, 0)
void broker_cli(const struct broker *b, struct run *ret, const char *const *argv, int in);
/* Start it, to run beside the test; ended by child_kill() or child_wait(). */
#define spawn_cli(b, how, ...) \
	broker_cli_spawn(b, how, (const char *const[]){ "intro", __VA_ARGS__, NULL })
pid_t broker_cli_spawn(const struct broker *b, const struct spawn *how,
		       const char *const *argv);

/* ---- the bare protocol (harness_raw.c) ---- */

struct raw {
	uint8_t buf[WIRE_PACKET_MAX];
	size_t len;
	struct wire_message m;
	int fds[WIRE_BATCH_MAX];
	size_t nfds;
};

/* Connect to a socket file: a descriptor or a negative errno. */
int unix_connect(const char *path, int type);
/* The same for a stream to a file in a directory, such as a name's in a door. */
int path_connect(const char *dir, const char *file);
/* Bind and listen: a descriptor. */
int unix_listen(const char *path, int type, int backlog);

/* A connection to a door (its directory), and to the administration. */
int raw_open(const char *door);
int raw_open_control(const struct broker *b);

/* Send what the writer holds (fd borrowed, -1: none), as it is, or fail the test. */
void raw_send(int sock, const struct wire_writer *w, int fd);

/* Receive one packet: its length in bytes, 0 at end-of-file, or a negative errno; after
 * HANG_MS -ETIMEDOUT. Descriptors in ret are the caller's; raw_close() closes them. */
ssize_t raw_recv(int sock, struct raw *ret);
void raw_close(struct raw *r);
#define _cleanup_raw_ __attribute__((cleanup(raw_close)))
/* The first descriptor of a packet, taken out of it: the caller's. -1 when there is none. */
int raw_take_fd(struct raw *r);

/* Receive the reply to serial, which must be the next packet: its ERROR or 0. */
int raw_reply(int sock, uint32_t serial, struct raw *ret);

/* One request and its reply. */
int raw_ask(int sock, const struct wire_writer *w, int fd, struct raw *ret);

/* The commonest requests. serial is any number not in use; ret may be NULL. */
int raw_serve(int sock, uint32_t serial, uint32_t ref, const char *name, enum wire_way way);
int raw_introduce(int sock, uint32_t serial, const char *name, int type, uint64_t wait_us,
		  struct raw *ret);

/* Answer a FETCH of an agent that may send descriptors: our end of what its client gets. */
int raw_fetched(int sock, uint32_t serial);

/* Whether what is written to a can be read from b (both connected streams). */
bool linked(int a, int b);

/* ---- administration, each request on a connection of its own (harness_admin.c) ---- */

/* 0 or a negative errno, as all of these. */
int broker_administer(const struct broker *b, const struct wire_writer *w);
int broker_add_door(const struct broker *b, const char *door);
int broker_remove_door(const struct broker *b, const char *door);
int broker_grant(const struct broker *b, const char *door, const char *name,
		 enum wire_right rights);
/* A grant of a service under another name. */
int broker_grant_as(const struct broker *b, const char *door, const char *name,
		    const char *service, enum wire_right rights);
int broker_ungrant(const struct broker *b, const char *door, const char *name);
/* One limit (TAG_MAX_x) of a door, of all accounts that have none of their own (door NULL), of
 * a uid. */
int broker_limit(const struct broker *b, const char *door, enum wire_tag max, uint32_t value);
int broker_limit_uid(const struct broker *b, uid_t uid, enum wire_tag max, uint32_t value);

/* What an account uses now of one resource (TAG_CONNECTIONS to TAG_REFUSALS, or their TAG_MAX_x):
 * the door's, or with door NULL the uid's (0 where that has no account). */
uint64_t broker_usage(const struct broker *b, const char *door, uid_t uid, enum wire_tag what);
