/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two ends of an introduction in virtual time, on a network without NATs that an attacker owns:
 * every datagram and every signal passes a hook, which may drop, delay, repeat and rewrite it,
 * and anything may be put in from any address. All that was sent is kept. For the claims about
 * the punching engine.
 *
 * An end may be absent: a hostile one then speaks for it, with keys of its own.
 */
#pragma once

#include "../libintro/punch/punch.h"
#include "../libintro/punch/relay.h"
#include "../libintro/punch/stun_server.h"

#define DUEL_BYTES_MAX 1408u
#define DUEL_EVENTS_MAX 512u

/* On its way to an end. */
struct duel_item {
	bool signal;			/* else a datagram */
	unsigned int from_end;		/* 0, 1; DUEL_SERVER: a server's answer, or forwarded */
	unsigned int to_end;		/* 0, 1; DUEL_SERVER; DUEL_NOWHERE: nobody has that address */
	struct address from, to;	/* of a datagram */
	uint64_t at_us;			/* when it arrives */
	bool drop;
	uint8_t ttl;
	size_t len;
	uint8_t bytes[DUEL_BYTES_MAX];
};
enum { DUEL_SERVER = 2, DUEL_NOWHERE };

/* Something that an end sent. */
struct duel_sent {
	uint64_t at_us;
	unsigned int end;
	bool signal;
	uint16_t socket;
	uint8_t first;		/* byte */
	uint8_t ttl;
	struct address to;
	size_t len;
};

struct duel_end {
	struct punch *punch;		/* NULL: absent */
	struct address host;		/* its address; port: of socket 0 */
	bool open[4096];		/* sockets, by number */
	struct punch_event events[DUEL_EVENTS_MAX];	/* the first ones */
	size_t events_n;
	unsigned int connected, moved, failed;	/* such events */
	struct address data_from;	/* of the last datagram for the application */
	uint16_t data_socket;
	unsigned int datas;
	size_t data_len;
	uint8_t data[64];
};

struct duel {
	uint64_t now_us, delay_us;
	struct duel_end ends[2];
	struct punch_host hosts[2];
	bool observes;			/* the rendezvous tells each end the other's address */
	struct address stun, relay_at;	/* family 0: none */
	struct relay *relay;
	struct duel_item **queue;	/* by at_us */
	size_t queue_n, queue_size;
	struct duel_sent *sent;
	size_t sent_n, sent_size;
	void (*hook)(struct duel *d, struct duel_item *item);
	void *arg;			/* the hook's */
};

/* How two ends are begun; a test changes what it wants to. */
struct duel_config {
	struct punch_config ends[2];	/* 0 offers, 1 answers */
	struct punch_local locals[2][4];
	bool absent[2];
	bool stun, relay;
	void (*hook)(struct duel *d, struct duel_item *item);
	void *arg;
};

struct address duel_at(const char *text);
/* Hosts 198.51.100.10 and .20 with public addresses and one secret. */
void duel_default(struct duel_config *ret, uint8_t seed);
/* config must outlive this call only. */
void duel_begin(struct duel *d, const struct duel_config *config);
void duel_end(struct duel *d);

/* Until the moment, counted from the duel's beginning. */
void duel_run(struct duel *d, uint64_t until_us);
/* Until both ends have a path that is not the relay's, or the moment: whether they have. */
bool duel_meet(struct duel *d, uint64_t until_us);

/* Puts it in behind the hook, to arrive now + delay. */
void duel_inject(struct duel *d, unsigned int end, uint16_t socket, const struct address *from,
		 const void *bytes, size_t len, uint64_t delay_us);
void duel_signal(struct duel *d, unsigned int end, const void *bytes, size_t len,
		 uint64_t delay_us);
/* An application's datagram by the end's path; false: it has none. */
bool duel_say(struct duel *d, unsigned int end, const void *bytes, size_t len);

/* The address of an end's socket. */
struct address duel_socket(const struct duel *d, unsigned int end, uint16_t socket);
/* Datagrams that the end has sent to this IP, or to this address where it has a port. */
unsigned int duel_sent_to(const struct duel *d, unsigned int end, const struct address *to);
/* Bytes sent by the end so far, signals and all. */
size_t duel_bytes(const struct duel *d, unsigned int end);
