/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For tests of the command line: agents (intro serve) that are ready, clients (intro connect)
 * with input, and what the listings print.
 */
#pragma once

#include <jansson.h>

#include "harness.h"

struct agent {
	pid_t pid;
	int err;	/* a file with what it says */
};

/* `intro serve ARGS`, ready. */
void agent_start(const struct broker *b, struct agent *ret, const char *const *args);
#define SERVE(b, ret, ...) agent_start(b, ret, (const char *const[]){ __VA_ARGS__, NULL })

/* End it by SIGTERM: its exit status. */
int agent_stop(struct agent *a);

/* `intro connect ARGS` with this input: what came back. */
void connect_with(const struct broker *b, struct run *ret, const char *input,
		  const char *const *args);
#define CONNECT(b, ret, input, ...) \
	connect_with(b, ret, input, (const char *const[]){ __VA_ARGS__, NULL })

/* A file of these bytes, at its start. */
int memory_file(const void *bytes, size_t len);

/* A new door "web" with this name granted in it, and the name's socket file there. */
void make_web(const struct broker *b, const char *name, char ret_file[static PATH_BYTES]);

/* A server that sends everything back, each client in its turn, with a letter of its own
 * before it (0: none). Takes the listener over; ended by child_kill(). */
pid_t echo_server(int listener, char letter);

/* A listener on the loopback address of AF_INET or AF_INET6, and its port; -1 where there is no
 * such address. */
int tcp_listener(int family, char ret_port[static 8]);

/* Connect to a socket file, send text, then the end; what comes back must be the text. */
void echo_by_path(const char *file, const char *text);

/* Parsed, or the test fails. To be released by json_decref(). */
json_t *json_of(const char *text);
/* The object of an array whose key has this value; borrowed. */
json_t *json_find(json_t *array, const char *key, const char *value);
/* A key's string ("" where there is none), and its number. */
const char *json_text(json_t *object, const char *key);
long long json_number(json_t *object, const char *key);
