/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the tests of libintro share: a broker, a service and a client, both of this process.
 */
#pragma once

#include "../../libintro/intro.h"
#include "harness.h"

extern struct broker broker;
extern struct intro *service, *client;
extern struct intro_ref *served, *found;

void parties_begin(void);
void parties_end(void);

/* The answer to a request, which must be of this kind; the next event, whatever it answers. */
struct intro_event answer(struct intro *in, int request, enum intro_what what);
struct intro_event next_event(struct intro *in, enum intro_what what);

/* Serve a name: served is its reference. */
void serve(const char *name, const struct intro_service *options);

/* SO_TYPE */
int type_of(int fd);

/* Introduce the client by found to the service, and look at both ends. */
void check_pair(int type);
