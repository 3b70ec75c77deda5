/* SPDX-License-Identifier: Apache-2.0 */
/*
 * UDP sockets as the engine wants them: bound where it says, with a TTL for each datagram, sent
 * and received in batches. Used by every role. Datagrams that cannot be sent are lost, as others
 * are lost on their way: what the network thinks of one of them (ICMP) is no error here.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "../../libintro/punch/address.h"
#include "../../libintro/punch/output.h"

#define UDP_BATCH 32u			/* datagrams of one system call */
#define UDP_RECEIVE_BYTES 2048u		/* longer ones are dropped */
#define UDP_SEND_BYTES (OUTPUT_BYTES_MAX + 648u)	/* with a relay's header before them */

/* Non-blocking, close-on-exec, with a receive buffer that a probe burst does not fill. `at` says
 * the family, the IP (zero: any of ours) and the port; port 0: one that `bind` allows. ret_local
 * (may be NULL) is where it is bound. The descriptor or a negative errno: -EACCES for a low port
 * that is not allowed. */
int udp_open(const struct address *at, enum output_bind bind, struct address *ret_local);

/* Datagrams to be sent from one socket after another. Zeroed but for fd = -1. Large: not for a
 * stack of unknown depth. */
struct udp_outbox {
	int fd;			/* of those that wait; borrowed */
	size_t waiting;
	uint64_t sent, lost;	/* counters, for the caller to read */
	struct udp_letter {
		struct address to;
		uint8_t ttl;	/* 0: the usual one */
		size_t len;
		uint8_t bytes[UDP_SEND_BYTES];
	} letters[UDP_BATCH];
};

/* Put one in: header and bytes, one behind the other (header may be NULL when its length is 0).
 * Those that wait are sent first when they go from another socket or there are UDP_BATCH. What
 * is too long is lost. */
void udp_post(struct udp_outbox *box, int fd, const struct address *to, uint8_t ttl,
	      const void *header, size_t header_len, const void *bytes, size_t len);
/* Send what waits. Before fd is closed, and before the caller waits for anything. */
void udp_flush(struct udp_outbox *box);

struct udp_inbox {
	size_t n;
	struct udp_received {
		struct address from;
		size_t len;
		uint8_t bytes[UDP_RECEIVE_BYTES];
	} got[UDP_BATCH];
};

/* What is there now, at most UDP_BATCH; box->n is 0 when nothing is. 0 or a negative errno that
 * is the socket's, not a datagram's. */
int udp_receive(int fd, struct udp_inbox *box);
