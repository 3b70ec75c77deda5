/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The survey from inside: its sockets, each for one kind of question, and its questions. For
 * survey.c and survey_ask.c.
 */
#pragma once

#include "random.h"
#include "stun.h"
#include "survey.h"

#define SURVEY_LOCALS 32u
#define EARLY_SAMPLES 12u	/* in one burst: the port's parity is then kept by chance in 1 of
				 * 4,096 */
#define LATE_SAMPLES 3u		/* a round trip later: what others took meanwhile */
#define SAMPLES (EARLY_SAMPLES + LATE_SAMPLES)
#define TTLS 8u			/* 1 to 8: behind a carrier's NAT it is 5 at most */
#define LIFETIMES 10u

extern const uint16_t survey_lifetimes_s[LIFETIMES];

enum {
	SOCKET_MAP = 1,
	SOCKET_FILTER,
	SOCKET_HAIRPIN,
	SOCKET_LOW,
	SOCKET_LIFE_ASK,	/* asks the server to answer to the next ones' ports */
	SOCKET_SAMPLE,
	SOCKET_TTL = SOCKET_SAMPLE + SAMPLES,
	SOCKETS = SOCKET_TTL + TTLS,
	SOCKET_LIFE = SOCKETS,	/* opened for the test of lifetimes only */
	SOCKETS_ALL = SOCKET_LIFE + LIFETIMES,
};

enum {
	ASK_MAP,		/* the server itself */
	ASK_MAP_IP,		/* its other IP */
	ASK_MAP_BOTH,		/* its other IP and port */
	ASK_FILTER,
	ASK_FILTER_BOTH,	/* an answer from there */
	ASK_FILTER_PORT,	/* an answer from the other port */
	ASK_POISON,
	ASK_HAIRPIN,
	ASK_LOW,
	ASK_SAMPLE,
	ASK_TTL = ASK_SAMPLE + SAMPLES,
	ASK_LIFE = ASK_TTL + TTLS,	/* makes the mapping */
	ASK_LIFE_TEST = ASK_LIFE + LIFETIMES,
	ASKS = ASK_LIFE_TEST + LIFETIMES,
};

enum ask_state { ASK_IDLE, ASK_WAITING, ASK_ANSWERED, ASK_SILENT };

struct ask_out {
	enum ask_state state;
	uint16_t socket;
	uint8_t id[STUN_ID_BYTES];
	struct address to, mapped;
	uint32_t change, flow;
	uint16_t response_port;
	unsigned int tries;
	uint64_t first_us, due_us;
};

struct survey {
	struct survey_config config;
	struct address locals[SURVEY_LOCALS];
	size_t locals_n;
	struct random random;
	struct output_queue out;
	struct {
		bool wanted, open;
		uint16_t port;
	} sockets[SOCKETS_ALL];
	unsigned int wanted, opened;
	struct ask_out asks[ASKS];
	uint32_t flows;
	struct address other;		/* the server's other IP and port; none: it has none */
	uint32_t rtt_us;
	uint64_t begun_us;
	bool advanced, over;
	struct nat nat;
	struct nat_sample samples[SAMPLES];
	size_t samples_n;
};

/* survey_ask.c */
void survey_want(struct survey *s, uint16_t socket);
/* Ask, once; nothing where the socket is not open. */
void survey_ask(struct survey *s, uint64_t now, unsigned int ask, uint16_t socket,
		const struct address *to, uint32_t change);
/* Open a mapping with TTL i + 1, and ask for an answer through it. */
void survey_ask_ttl(struct survey *s, uint64_t now, unsigned int i);
void survey_ask_lifetimes(struct survey *s, uint64_t now);
void survey_repeat(struct survey *s, uint64_t now);
bool survey_asking(const struct survey *s);

/* survey.c */
void survey_advance(struct survey *s, uint64_t now);
void survey_learn(struct survey *s);
