/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the lab's tests share: a lab or a skipped test, small datagrams by hand, and the verdicts
 * of somebody else's STUN client.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "lab.h"

/* lab_up(), which fails the test, or skips it where the system has no such thing for us. */
void probe_lab(struct lab *ret, const struct lab_config *config);

/* Send text to ip:port. */
void probe_send(int fd, const char *ip, uint16_t port, const char *text);
#define PROBE_SOON_MS 300	/* for what is not expected: no delays are in the way */
/* Receive a datagram within timeout_ms that says text; others are thrown away. Its source port,
 * or 0: none came. */
uint16_t probe_receive(int fd, const char *text, int timeout_ms);

/* Whether something sent out of from arrives at to, at its address as known there. */
bool probe_arrives(int from, int to, const char *ip, uint16_t port);

/* A run of turnutils_natdiscovery on host A, -m or -f: started, then asked for its verdict (the
 * name of the behaviour, such as "Endpoint Independent Mapping"; "" when it gave none). */
struct judge {
	struct lab lab;
	pid_t pid;
	int out;
};
void judge_start(struct judge *j, const struct lab_config *config, const char *flag);
#define JUDGE_BYTES 64u
void judge_finish(struct judge *j, char ret[static JUDGE_BYTES]);
