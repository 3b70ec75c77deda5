/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One request through a door and its answer, for the verbs that make a request and are done.
 */
#pragma once

#include <stdbool.h>

#include "../libintro/intro.h"
#include "start.h"

/* How long a broker may take for what needs no waiting for a server; it includes that the
 * broker is restarted meanwhile. */
#define ANSWER_MS 10000

/* Find a door and open a connection through it. Complains itself: CODE_OK or an exit code. */
int ask_open(bool start, struct intro **ret, char ret_door[static WHERE_BYTES]);

/* Wait for the answer to request (negative: an error to be handed on). 0 with *ret written,
 * or what refused it; -ETIMEDOUT. */
int ask_wait(struct intro *in, int request, int timeout_ms, struct intro_event *ret);

/* CODE_OK when it may be a name, else CODE_USAGE. */
int ask_name(const char *verb, const char *name);

/* The fd of "--fd N". 0 or -EINVAL. */
int ask_fd(const char *s, int *ret);

/* Put fd (taken over) in place: at number, and at also unless that is -1; not close-on-exec
 * there, and blocking. Then become argv, with INTRO_NAME and INTRO_SESSION (where not 0) set.
 * Returns an exit code after complaining. */
int ask_exec(char **argv, int fd, int number, int also, const char *name, uint64_t session);
