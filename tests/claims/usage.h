/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Limits and what is used of them, asked of a real broker's administration, for the claims
 * about quotas; and the uses of every resource by one client.
 */
#pragma once

#include "../harness.h"

/* Set one limit (TAG_MAX_x) of a door, or of all accounts without limits of their own: NULL. */
void limit_set(const struct broker *b, const char *door, enum wire_tag max, uint32_t value);

/* What an account uses now of one resource (TAG_CONNECTIONS to TAG_WAITS, or their TAG_MAX_x):
 * the door's, or with door NULL the uid's (0 where that has no account). */
uint32_t usage_of(const struct broker *b, const char *door, uid_t uid, enum wire_tag what);

/* Wait until it is so many; fails the test after HANG_MS. */
void usage_await(const struct broker *b, const char *door, uid_t uid, enum wire_tag what,
		 uint32_t wanted);

/* Descriptors of the switch, less those of connections that have ended: it has seen their end
 * before it answers this. To be counted before the first introduction: an end of a session that
 * is over already may be left to the reaper, which is not waited for. */
int broker_fds_at_rest(const struct broker *b);

/* Descriptors of the parent, once it sleeps: until then it still takes what the switch, before
 * it answered us, has had it keep. */
int parent_fds_at_rest(const struct broker *b);
/* Wait until it has so many, where what it was to keep or forget has no answer to us. */
bool parent_fds_settle(const struct broker *b, int count);

/* A child that serves a name through a door and writes one byte to each client; ready when this
 * returns. To be ended by child_kill(). */
pid_t greeter(const char *door, const char *name);

/* Take one introduction to a greeter, over a connection of its own, and its byte. */
void be_greeted(const char *door, const char *name);

/* HOLD fd (borrowed) under a name; TAKE it again (the caller's, or a negative errno). */
int raw_hold(int sock, uint32_t serial, const char *name, int fd);
int raw_take(int sock, uint32_t serial, const char *name);
/* Send an ALLOW, and expect its success. */
void raw_allow(int sock);
/* Bind ref to a name. */
int raw_find(int sock, uint32_t serial, uint32_t ref, const char *name);
/* Send a CONNECT and do not wait for its answer. */
void raw_ask_connect(int sock, uint32_t serial, const char *name, uint64_t wait_us);
