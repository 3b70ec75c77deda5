/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The inside of a survey. Survey.c feeds it, survey_plan.c decides what is asked, survey_judge.c
 * reads the answers; nobody else.
 */
#pragma once

#include "random.h"
#include "stun_client.h"
#include "survey.h"

/* What a socket is for. Each of the first NAT_SAMPLES asks the first server first, for a sample
 * of how ports are allocated; some go on to another test. */
enum {
	SOCKET_MAPPING = 1,	/* asks from one port at all addresses */
	SOCKET_FILTERING,	/* hears from addresses that it never sent to */
	SOCKET_POISON,		/* hears from one, and then sends to it */
	SOCKET_HAIRPIN,		/* sends to SOCKET_MAPPING from behind the same NAT */
	SOCKET_FIRST_END = NAT_SAMPLES / 2,		/* of the first burst */
	SOCKET_SAMPLES_END = NAT_SAMPLES,
	SOCKET_LOW,
	SOCKET_TTL,		/* and the next ones: one for each TTL */
	SOCKET_TTL_END = SOCKET_TTL + 7,
	SOCKET_LIFETIME,	/* asks for the others' mappings */
	SOCKET_LIVES,		/* one for each silence */
	SOCKET_LIVES_END = SOCKET_LIVES + 15,
	SURVEY_SOCKETS,
};

#define SURVEY_TTLS 8u
#define SURVEY_LIVES 16u
#define SURVEY_ASKS 96u
#define SURVEY_FLOWS 160u

enum purpose {
	ASK_SAMPLE,		/* the first of SOCKET_MAPPING too */
	ASK_SECOND,		/* the second server */
	ASK_OTHER_IP,		/* RFC 5780, 4.3, test II */
	ASK_OTHER_BOTH,		/* test III */
	ASK_CHANGE_BOTH,	/* 4.4, test II */
	ASK_CHANGE_PORT,	/* test III */
	ASK_POISON,		/* lets the other address send to us */
	ASK_POISONED,		/* asks it */
	ASK_LOW,
	ASK_HAIRPIN,
	ASK_TTL,		/* its .number is the TTL */
	ASK_LIFE,		/* opens a mapping */
	ASK_ALIVE,		/* asks for it after its silence: .number of SURVEY_LIVES */
};

enum ask_state {
	ASK_ASKING,
	ASK_ANSWERED,
	ASK_SILENT,		/* as long as an answer is waited for */
	ASK_FAILED,		/* an error, an answer from elsewhere, no socket */
};

struct survey_ask {
	enum purpose purpose;
	enum ask_state state;
	uint16_t socket;
	uint8_t number;
	uint64_t sent_us;		/* first */
	struct stun_ask stun;
	struct address expected;	/* where the answer comes from */
	struct address mapped;
};

enum socket_state {
	SOCKET_NONE,
	SOCKET_OPENING,
	SOCKET_OPEN,
	SOCKET_FAILED,
};

struct survey {
	struct survey_config config;
	struct address *locals;
	struct random random;
	struct output_queue out;
	uint64_t end_us;
	struct {
		enum socket_state state;
		uint16_t port;
	} sockets[SURVEY_SOCKETS];
	struct survey_ask asks[SURVEY_ASKS];
	size_t asks_n;
	/* Where each socket has sent to, in order: new mappings, perhaps. */
	struct flow {
		uint16_t socket;
		struct address to;
		uint64_t sent_us;
	} flows[SURVEY_FLOWS];
	size_t flows_n;
	struct nat_sample samples[NAT_SAMPLES];
	size_t samples_n;
	struct address other;		/* the first server's second address; or none */
	uint64_t rtt_us;
	bool answered;			/* the first server, once: the second part is planned */
	bool hairpin_asked;
	bool over;
};

/* ---- survey.c ---- */

void survey_open(struct survey *s, uint16_t socket, enum output_bind bind);
/* NULL: there are too many. The first request goes at start_us, or when the socket is open. */
struct survey_ask *survey_ask(struct survey *s, enum purpose purpose, uint16_t socket,
			      const struct address *to, uint64_t start_us);

/* ---- survey_plan.c ---- */

void plan_begin(struct survey *s, uint64_t now_us);
/* The first server answered SOCKET_MAPPING. */
void plan_more(struct survey *s, uint64_t now_us);
/* Another answer came: what it makes possible. */
void plan_after(struct survey *s, const struct survey_ask *ask, uint64_t now_us);

/* ---- survey_judge.c ---- */

const struct survey_ask *judge_find(const struct survey *s, enum purpose purpose,
				    uint16_t socket);
enum nat_mapping judge_mapping(const struct survey *s);
/* Puts the samples together anew. */
void judge_samples(struct survey *s);
void judge(const struct survey *s, struct nat *ret);
