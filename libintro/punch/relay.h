/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The relay: forwards datagrams between the two legs that bound the same session, without
 * looking into them. The server's half of relay_leg.h's protocol, sans-I/O: who drives it hands
 * in what its sockets received and sends what comes out. For the relay role and the simulator.
 *
 * An address is sent to only after it has answered with a cookie made for it alone, but for one
 * answer no longer than the datagram that it answers. Nothing is bound to, sent to or answered
 * at addresses of networks that are not the internet's, or at the relay's own, unless they are
 * allowed by name. What a session may use is told to both legs when it is bound, and once more
 * when it is used up.
 *
 * Memory is allocated once; calls do bounded work. Not thread-safe.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "address.h"
#include "random.h"
#include "relay_leg.h"

#define RELAY_PORT 3478u	/* STUN's: a client that reaches one reaches the other */
#define RELAY_OWN_MAX 256u
#define RELAY_SOCKETS_MAX 256u

struct relay;

struct relay_config {
	uint8_t seed[RANDOM_SEED_BYTES];	/* unpredictable, used once */
	struct relay_quota quota;	/* of each session; .idle_s must not be 0 */
	uint32_t sessions_max;		/* 1 to 2^24 */
	uint32_t sessions_per_ip;	/* legs of one IPv4 address or IPv6 /64; 0: not limited */
	unsigned int allow;		/* bits 1 << enum address_scope beside SCOPE_GLOBAL */
	/* The relay's own addresses. One with port 0 is denied with all its ports, else (and
	 * for loopback, which is all its own) that port alone is. */
	const struct address *own;
	size_t own_n;
};

/* 0, -ENOMEM or -EINVAL. */
int relay_new(struct relay **ret, const struct relay_config *config, uint64_t now_us);
void relay_free(struct relay *r);

/* A message of the relay's own to send. */
struct relay_send {
	unsigned int socket;
	struct address to;
	size_t len;
	uint8_t bytes[RELAY_CONTROL_BYTES];
};

struct relay_out {
	/* So many bytes of the packet, from its start, are to be sent on as they are (in
	 * datagrams of the same size as they came); 0: none. */
	size_t forward;
	unsigned int socket;
	struct address to;
	uint32_t lane;		/* one number for each (session, direction), below
				 * 2 * sessions_max: to group by */
	unsigned int sends_n;
	struct relay_send sends[3];
};

/* Datagrams of `segment` bytes each (the last one may be shorter) came together from one
 * address: the length in bytes of the first ones that relay_receive() takes in one call. Those
 * of one session go together, everything else goes alone. */
size_t relay_run(const void *packets, size_t len, size_t segment);

/* What came from `from` to the socket with this number: one datagram, with segment == len, or a
 * run of them. Every field of ret is set but those that a count of 0 makes meaningless. */
void relay_receive(struct relay *r, uint64_t now_us, unsigned int socket,
		   const struct address *from, const void *packet, size_t len, size_t segment,
		   struct relay_out *ret);

/* Whether nothing may be sent there (for other answers on the same sockets). */
bool relay_denies(const struct relay *r, const struct address *a);

/* Call at the deadline: sweeps out what has been idle, some of it per call. */
void relay_timer(struct relay *r, uint64_t now_us);
uint64_t relay_deadline(const struct relay *r);

struct relay_counters {
	uint32_t sessions;	/* now */
	uint64_t begun;		/* sessions since the start */
	uint64_t forwarded;	/* datagrams */
	uint64_t bytes;		/* of their payload */
	uint64_t greeted;	/* HELLOs answered */
	uint64_t refused;	/* BINDs, for any reason but a stale cookie */
	uint64_t stale;
	uint64_t denied;	/* from addresses that may not be used */
	uint64_t strange;	/* not this protocol, or not of a leg of that session */
	uint64_t limited;	/* datagrams beyond packets_s */
	uint64_t spent;		/* sessions that used up their quota */
};
void relay_count(const struct relay *r, struct relay_counters *ret);
