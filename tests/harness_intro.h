/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For tests of libintro with a real broker: a connection for the service's side and one for
 * the client's, a reference of each, and the answers that they wait for. A test has one of each,
 * so that they stand here and not in every call.
 */
#pragma once

#include "../libintro/intro.h"
#include "harness.h"

extern struct broker broker;
extern struct intro *service, *client;
extern struct intro_ref *served, *found;

/* A broker in user mode, which INTRO_DOOR names, and both connections to its host door. */
void both_begin(void);
void both_end(void);

/* The answer to a request, or the next event, which must be of this kind. */
struct intro_event get_answer(struct intro *in, int request, enum intro_what what);
struct intro_event get_next(struct intro *in, enum intro_what what);

/* Serve a name on the service's connection, by the reference served. */
void serve_name(const char *name, const struct intro_service *options);

/* Have found introduced to served by the way pair; all that either end is told must be true. */
void check_pair(int type);
