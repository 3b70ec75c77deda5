/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the relay is about to send, gathered over one batch of received datagrams: those of one
 * lane become one system message that the kernel cuts into datagrams again (UDP_SEGMENT). Used
 * by relay_io.c. Order within a lane is kept. Bytes are borrowed until relay_batch_flush().
 */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "../../libintro/punch/address.h"

struct relay_batch;

/* 0 or -ENOMEM. fds: the sockets by number, borrowed. */
int relay_batch_new(struct relay_batch **ret, const int *fds);
void relay_batch_free(struct relay_batch *b);

/* Datagrams of `segment` bytes, the last one perhaps shorter, from this socket. */
void relay_batch_add(struct relay_batch *b, unsigned int socket, uint32_t lane,
		     const struct address *to, const void *bytes, size_t len, size_t segment);
/* One datagram, of which the bytes are copied: at most RELAY_BATCH_COPY. */
#define RELAY_BATCH_COPY 256u
void relay_batch_copy(struct relay_batch *b, unsigned int socket, const struct address *to,
		      const void *bytes, size_t len);
void relay_batch_flush(struct relay_batch *b);

/* Datagrams that the kernel did not take since the start. */
uint64_t relay_batch_lost(const struct relay_batch *b);
