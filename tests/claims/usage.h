/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Limits and what is used of them, asked of a real broker's administration, for the claims
 * about quotas; and the uses of every resource by one client.
 */
#pragma once

#include "../harness.h"

#define MINUTE_US UINT64_C(60000000)

/* Wait until broker_usage() is so much; fails the test after HANG_MS. */
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

/* A socket that leads to a greeter, or a negative errno: its byte comes. The socket is closed. */
void be_greeted_on(int sock);

/* Nothing has come here, not even an end. */
bool is_silent(int fd);

/* HOLD fd (borrowed) under a name; TAKE it again (the caller's, or a negative errno). */
int raw_hold(int sock, uint32_t serial, const char *name, int fd);
int raw_take(int sock, uint32_t serial, const char *name);
/* Send an ALLOW, and expect its success. */
void raw_allow(int sock);
/* Bind ref to a name. */
int raw_find(int sock, uint32_t serial, uint32_t ref, const char *name);
/* Send a CONNECT and do not wait for its answer. */
void raw_ask_connect(int sock, uint32_t serial, const char *name, uint64_t wait_us);
