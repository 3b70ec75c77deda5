/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a survey asks, and when. All that need not wait for something else goes at once; what
 * must not be disturbed has a socket of its own. For survey.c.
 */
#include "survey_core.h"

/* Between a packet that is to be there first and the one that is to come after it. */
#define AFTER_US 20000u

static const struct address *server(const struct survey *s)
{
	return &s->config.servers[0];
}

static void sample(struct survey *s, uint16_t first, uint16_t last, uint64_t now_us)
{
	for (uint16_t i = first; i <= last; i++) {
		survey_open(s, i, OUTPUT_BIND_ANY);
		survey_ask(s, ASK_SAMPLE, i, server(s), now_us);
	}
}

void plan_begin(struct survey *s, uint64_t now_us)
{
	sample(s, SOCKET_MAPPING, SOCKET_FIRST_END, now_us);
	if (s->config.servers[1].family != 0)
		survey_ask(s, ASK_SECOND, SOCKET_MAPPING, &s->config.servers[1], now_us);
	if (s->config.low_ports) {
		survey_open(s, SOCKET_LOW, OUTPUT_BIND_LOW);
		survey_ask(s, ASK_LOW, SOCKET_LOW, server(s), now_us);
	}
}

static void change(struct survey *s, enum purpose purpose, uint16_t socket, uint32_t what,
		   uint8_t number, uint64_t start_us)
{
	struct survey_ask *ask = survey_ask(s, purpose, socket, server(s), start_us);

	if (!ask)
		return;
	ask->number = number;
	ask->stun.change = what;
	ask->expected.port = s->other.port;
	if (what & STUN_CHANGE_IP)
		ask->expected = s->other;
}

static void plan_lives(struct survey *s, uint64_t now_us)
{
	survey_open(s, SOCKET_LIFETIME, OUTPUT_BIND_ANY);
	for (unsigned int i = SOCKET_LIVES; i <= SOCKET_LIVES_END; i++) {
		survey_open(s, (uint16_t)i, OUTPUT_BIND_ANY);
		survey_ask(s, ASK_LIFE, (uint16_t)i, server(s), now_us);
	}
}

/* With the second address of the server's. */
static void plan_other(struct survey *s, uint64_t now_us)
{
	const uint32_t both = STUN_CHANGE_IP | STUN_CHANGE_PORT;
	struct address other_ip = s->other;

	other_ip.port = server(s)->port;
	survey_ask(s, ASK_OTHER_IP, SOCKET_MAPPING, &other_ip, now_us);
	survey_ask(s, ASK_OTHER_BOTH, SOCKET_MAPPING, &s->other, now_us);
	change(s, ASK_CHANGE_BOTH, SOCKET_FILTERING, both, 0, now_us);
	change(s, ASK_CHANGE_PORT, SOCKET_FILTERING, STUN_CHANGE_PORT, 0, now_us);
	change(s, ASK_POISON, SOCKET_POISON, both, 0, now_us);
	survey_ask(s, ASK_POISONED, SOCKET_POISON, &s->other,
		   now_us + s->rtt_us + s->rtt_us / 2 + AFTER_US);
	if (s->config.lifetime_us > 0)
		plan_lives(s, now_us);
}

void plan_more(struct survey *s, uint64_t now_us)
{
	sample(s, SOCKET_FIRST_END + 1, SOCKET_SAMPLES_END, now_us);
	if (s->other.family != 0)
		plan_other(s, now_us);
}

/* Each sends to the other's mapped address: where filtering is strict, the first packets open
 * the way for the next ones. */
static void plan_hairpin(struct survey *s, uint64_t now_us)
{
	const struct survey_ask *a = judge_find(s, ASK_SAMPLE, SOCKET_MAPPING);
	const struct survey_ask *b = judge_find(s, ASK_SAMPLE, SOCKET_HAIRPIN);

	if (s->hairpin_asked || a->state != ASK_ANSWERED || b->state != ASK_ANSWERED)
		return;
	s->hairpin_asked = true;
	survey_ask(s, ASK_HAIRPIN, SOCKET_HAIRPIN, &a->mapped, now_us);
	survey_ask(s, ASK_HAIRPIN, SOCKET_MAPPING, &b->mapped, now_us);
}

/* Only where all see one mapping can the answer find the hole; elsewhere it would cost 16 flows,
 * and there are NATs that count them. */
static void plan_ttl(struct survey *s, uint64_t now_us)
{
	enum nat_mapping mapping = judge_mapping(s);

	if (mapping != NAT_MAPPING_NONE && mapping != NAT_MAPPING_ENDPOINT_INDEPENDENT)
		return;
	for (uint16_t i = 0; i < SURVEY_TTLS; i++) {
		survey_open(s, (uint16_t)(SOCKET_TTL + i), OUTPUT_BIND_ANY);
		change(s, ASK_TTL, (uint16_t)(SOCKET_TTL + i), STUN_CHANGE_IP | STUN_CHANGE_PORT,
		       (uint8_t)(i + 1), now_us);
	}
}

void plan_after(struct survey *s, const struct survey_ask *ask, uint64_t now_us)
{
	if (ask->purpose == ASK_OTHER_IP)
		plan_ttl(s, now_us);
	if (ask->purpose == ASK_SAMPLE)
		plan_hairpin(s, now_us);
	if (ask->purpose == ASK_LIFE) {
		uint64_t silence = s->config.lifetime_us / SURVEY_LIVES *
				   (uint64_t)(ask->socket - SOCKET_LIVES + 1);
		struct survey_ask *alive = survey_ask(s, ASK_ALIVE, SOCKET_LIFETIME, server(s),
						      now_us + silence);

		if (!alive)
			return;
		alive->number = (uint8_t)(ask->socket - SOCKET_LIVES + 1);
		alive->stun.response_port = ask->mapped.port;
	}
}
