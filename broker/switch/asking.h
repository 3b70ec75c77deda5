/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A request on its way through introduce.c and ways.c: who asks, for what, and how it ends.
 * Nobody else includes this.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "list.h"
#include "wait.h"

struct account;
struct exporter;
struct ref;

struct asking {
	struct conn *conn;
	struct request request;
	struct wait *wait;	/* NULL: it was not parked yet */
	struct ref *ref;
	struct service *service;
};

/* How long a request waits for room in a service's window when its client did not ask for
 * more. */
#define ROOM_WAIT_USEC UINT64_C(5000000)

/* Each of these ends this attempt: refused for good; parked in a queue (of the service, or
 * NULL) for at least so long; parked because nobody is there, or refused with the error where
 * it does not wait; asked again soon, since the kernel or an account is exhausted. */
void asking_refuse(struct asking *a, int error);
void asking_park(struct asking *a, struct list *queue, struct service *service,
		 uint64_t at_least_usec);
void asking_absent(struct asking *a, struct list *queue, struct service *service, int error);
void asking_retry(struct asking *a);

/* Give the client its end (borrowed), and account for it. False: it will be asked again, or
 * is gone. */
bool asking_answer(struct asking *a, int fd, uint64_t session, uint32_t way);

/* An introduction was made: count it, and write its audit line. user may be NULL. */
void introduced(struct ref *ref, struct account *door, struct account *user, const char *who,
		uint32_t who_len, uint64_t session, int way, int path);

/* The ways (ways.c): each makes or finds a socket and answers. */
void by_pair(struct asking *a, struct exporter *e);
void by_fetch(struct asking *a, struct exporter *e);
void by_held(struct asking *a);
void by_placed(struct asking *a);
