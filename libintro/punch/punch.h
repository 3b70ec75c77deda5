/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The engine: finds a path for one introduction's datagrams between two hosts behind NATs, and
 * keeps it. Sans-I/O: whoever drives it feeds it with datagrams, signals and moments, and takes
 * out what it wants done (output.h). It has no sockets, clocks, threads or randomness of its
 * own, so that the same code runs in a room, in an application and in the simulator.
 *
 * One struct punch is one end of one introduction. Call punch_take() until false after every
 * other call, and punch_timer() at punch_deadline(). Moments are microseconds of any monotonic
 * clock. Not thread-safe; two of them share nothing but a struct punch_host.
 *
 * The other end is authenticated by a key that both ends agree on by X25519 in OFFER and ANSWER
 * and that config.secret enters: who carries the signals can deny service, and with a secret can
 * do nothing else.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "address.h"
#include "nat.h"
#include "output.h"

struct punch;

enum punch_role {
	PUNCH_OFFERER,
	PUNCH_ANSWERER,
};

/* One of the host's own addresses. */
struct punch_local {
	struct address address;		/* with the main socket's port */
	uint8_t prefix_bits;		/* of its network */
	bool bridge;			/* made for containers or virtual machines: ranked last */
};
#define PUNCH_LOCALS_MAX 32u

/* What introductions of one host share. Zeroed at first. */
struct punch_host {
	const struct punch *spraying;	/* one spray at a time */
	uint64_t sprayed_us;		/* when the last one ended; 0: never */
};

struct punch_config {
	enum punch_role role;
	uint8_t seed[32];		/* unpredictable, used once */
	uint8_t secret[32];		/* known to both ends alone; zero: none */
	const struct punch_local *locals;
	size_t locals_n;		/* beyond PUNCH_LOCALS_MAX they are left out */
	struct address servers[2];	/* STUN servers; none: no reflexive candidates */
	struct address relay;		/* none: no relay */
	struct address mapped;		/* a port of the router's that leads to socket 0; or none */
	struct nat nat;			/* what is known of our NATs (survey.h); zeroed: nothing */
	bool low_ports;			/* OUTPUT_BIND_LOW works */
	bool relay_only;		/* tell the other end no address; use the relay only */
	struct punch_host *host;	/* may be NULL: sprays of its own */
};

enum punch_path_kind {
	PUNCH_PATH_NONE,
	PUNCH_PATH_LAN,		/* between host addresses of one network */
	PUNCH_PATH_DIRECT,
	PUNCH_PATH_RELAYED,
};

/* Where the application's datagrams go: from socket to `to`, header before each of them. */
struct punch_path {
	enum punch_path_kind kind;
	uint16_t socket;
	struct address to;
	uint8_t header[8];
	size_t header_bytes;	/* 0, or those of a relay */
	uint32_t rtt_us;
};

enum punch_event_kind {
	PUNCH_GATHERED,		/* our candidates are known, OFFER or ANSWER can go */
	PUNCH_TRYING,		/* a rung of the ladder begins: .rung */
	PUNCH_CONNECTED,	/* the first path */
	PUNCH_MOVED,		/* another path than before */
	PUNCH_LOST,		/* no path works at the moment; it is being repaired */
	PUNCH_FAILED,		/* no path was found, .reason; it is over */
};

enum punch_reason {
	PUNCH_REASON_NONE,
	PUNCH_REASON_TIMEOUT,		/* nothing of the other end's came through */
	PUNCH_REASON_SIGNAL,		/* the other end's OFFER or ANSWER never came */
	PUNCH_REASON_REFUSED,		/* the relay refused, and nothing else is left */
	PUNCH_REASON_CLOSED,		/* the other end is gone */
};

/* The bytes of an OUTPUT_EVENT. */
struct punch_event {
	enum punch_event_kind kind;
	enum punch_reason reason;
	struct punch_path path;		/* CONNECTED, MOVED */
	char rung[24];			/* what found it, or what begins: "checks", "spray", ... */
	uint64_t took_us;		/* since both ends' candidates were known here */
	uint32_t packets;		/* sent so far, all sockets together */
	uint32_t ports;			/* different remote ports tried */
	uint32_t flows;			/* different local sockets used */
	unsigned int candidates;	/* GATHERED */
	struct address reflexive;	/* GATHERED: as the first server sees socket 0 */
};

/* Begin to gather. 0, -ENOMEM or -EINVAL. */
int punch_new(struct punch **ret, const struct punch_config *config, uint64_t now_us);
void punch_free(struct punch *p);

/* A signal of the other end's came. What is malformed, forged or old is counted and ignored. */
void punch_signal(struct punch *p, uint64_t now_us, const void *signal, size_t len);

/* The rendezvous itself saw the other end at this address. Nothing is sprayed elsewhere; a relay
 * that both ends are bound to says it too. */
void punch_observed(struct punch *p, uint64_t now_us, const struct address *peer);

enum punch_got {
	PUNCH_MINE,		/* the engine's, or nobody's */
	PUNCH_DATA,		/* the application's: payload points into packet */
};
/* A datagram came in on a socket of the engine's. The application's begin with a byte of 64 or
 * more and come by a path that was proved; what is neither is counted and dropped. Whoever is on
 * that path can forge them: their protection is the application's. */
enum punch_got punch_datagram(struct punch *p, uint64_t now_us, uint16_t socket,
			      const struct address *from, const void *packet, size_t len,
			      const uint8_t **payload, size_t *payload_len);

/* The application sent one by the path: silence thereafter means something. */
void punch_sent(struct punch *p, uint64_t now_us);

/* The socket that OUTPUT_OPEN asked for is there; or error (negative errno) says why not. */
void punch_opened(struct punch *p, uint64_t now_us, uint16_t socket, const struct address *local,
		  int error);

/* The host's addresses are these now (RTM_NEWADDR, RTM_DELADDR). */
void punch_network(struct punch *p, uint64_t now_us, const struct punch_local *locals, size_t n);

void punch_timer(struct punch *p, uint64_t now_us);
uint64_t punch_deadline(const struct punch *p);
bool punch_take(struct punch *p, struct output *ret);

/* The path to use now; kind PUNCH_PATH_NONE: none. */
const struct punch_path *punch_path(const struct punch *p);

struct punch_counters {
	uint64_t sent, received;	/* datagrams of the engine's own */
	uint64_t strange;		/* datagrams that were nobody's */
	uint64_t forged;		/* with a wrong MAC, or reflected */
	uint64_t replayed;
	uint64_t bad_signals;
};
void punch_count(const struct punch *p, struct punch_counters *ret);
