/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Network namespaces that nothing but descriptors keeps alive: they have no names, no process
 * sits in them, and the kernel removes them when their holder ends, however it ends. For root,
 * and for ordinary users where the kernel gives them user namespaces. lab.h is built of them.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct space {
	int user;		/* user namespace that owns it, to be entered first; -1: ours */
	int net;
};

#define SPACES_MAX 24u
#define SPACE_HANG_MS 10000	/* longest wait for a program's end */

/* Make n empty network namespaces. 0 or a negative errno: -EPERM where neither we nor a user
 * namespace of ours may have them. spaces_free() closes what has been opened. */
int spaces_make(struct space *ret, size_t n);
void spaces_free(struct space *spaces, size_t n);

/* In a child that has one thread: be in it, with every capability there. 0 or -errno. */
int space_enter(const struct space *space);

/* A socket (or whatever act(arg) opens, >= 0, else a negative errno) made inside: a descriptor of
 * ours. */
int space_open(const struct space *space, int (*act)(const void *arg), const void *arg);
/* A UDP socket of that family, close-on-exec and non-blocking. */
int space_socket(const struct space *space, int family);

/* fork() whose child is killed when the thread that called it ends. Its pid, 0 in it, or -errno. */
pid_t space_fork(void);

/* A program inside. Descriptors 0, 1, 2 come from in, out and err (-1: /dev/null; err
 * SPACE_STDERR: our own); no other is inherited, but those in keep, as they are numbered. It is
 * killed when the thread that started it ends. Its pid or -errno. */
#define SPACE_STDERR (-2)
struct space_program {
	const char *const *argv;	/* looked up in PATH and the sbin directories */
	int in, out, err;
	const int *keep;
	size_t keep_n;
	const char *const *sysctls;	/* "net/ipv4/ip_forward=1", ... NULL-terminated: set
					 * before; one that is not there is left out; or NULL */
};
pid_t space_spawn(const struct space *space, const struct space_program *program);

/* The same with text on its standard input. */
pid_t space_feed(const struct space *space, const struct space_program *program,
		 const char *text);

/* Wait for it: its exit status, 128 + the signal that ended it, or -ETIMEDOUT (it is then
 * killed). */
int space_wait(pid_t pid, int timeout_ms);
/* SIGTERM, and SIGKILL for who does not listen. Waits. */
void space_end(pid_t pid);
