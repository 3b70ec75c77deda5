/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hand-overs collected during one round of the loop and sent in one packet, for services
 * that asked for it: under load that saves both sides most of their system calls.
 */
#pragma once

#include <stdint.h>

struct batch;
struct exporter;

struct batch *batch_new(struct exporter *e, uint32_t most);

/* Flushes first. */
void batch_free(struct batch *b);

/* Add an INCOMING and its descriptor (taken over on success). 0 or a negative errno. */
int batch_add(struct batch *b, const void *packet, int len, int fd);

/* Send all that were collected; at the end of each round. */
void batch_flush_all(void);
