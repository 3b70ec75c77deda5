/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The survey's machine (survey.h): its sockets, its transactions, its end. What is asked is in
 * survey_plan.c, what the answers mean in survey_judge.c.
 */
#include "survey.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "survey_core.h"

#define DUMMY_BYTES 8u
/* To ask for the last mapping of all, beyond the longest silence. */
#define LIFETIME_MORE_US 3000000u

int survey_new(struct survey **ret, const struct survey_config *config, uint64_t now_us)
{
	struct survey *s;

	if (config->servers[0].family == 0 ||
	    (config->servers[1].family != 0 &&
	     config->servers[1].family != config->servers[0].family))
		return -EINVAL;
	s = calloc(1, sizeof *s);
	if (!s)
		return -ENOMEM;
	s->config = *config;
	s->config.locals = NULL;
	if (config->locals_n > 0) {
		s->locals = calloc(config->locals_n, sizeof *s->locals);
		if (!s->locals) {
			free(s);
			return -ENOMEM;
		}
		memcpy(s->locals, config->locals, config->locals_n * sizeof *s->locals);
	}
	random_init(&s->random, config->seed);
	s->end_us = now_us + config->limit_us;
	plan_begin(s, now_us);
	*ret = s;
	return 0;
}

void survey_free(struct survey *s)
{
	if (!s)
		return;
	output_free(&s->out);
	free(s->locals);
	free(s);
}

void survey_open(struct survey *s, uint16_t socket, enum output_bind bind)
{
	struct output o = {
		.kind = OUTPUT_OPEN,
		.socket = socket,
		.family = s->config.servers[0].family,
		.bind = bind,
	};

	s->sockets[socket].state = SOCKET_OPENING;
	output_put(&s->out, &o);
}

struct survey_ask *survey_ask(struct survey *s, enum purpose purpose, uint16_t socket,
			      const struct address *to, uint64_t start_us)
{
	struct survey_ask *ask;

	if (s->asks_n == SURVEY_ASKS)
		return NULL;
	ask = &s->asks[s->asks_n++];
	*ask = (struct survey_ask){ .purpose = purpose, .socket = socket, .expected = *to };
	stun_ask_begin(&ask->stun, &s->random, to, start_us);
	if (s->rtt_us > 0)
		ask->stun.apart_us = s->rtt_us * 2 > STUN_ASK_APART_MIN_US ? s->rtt_us * 2 :
									     STUN_ASK_APART_MIN_US;
	if (s->sockets[socket].state == SOCKET_FAILED)
		ask->state = ASK_FAILED;
	return ask;
}

/* ---- sending ---- */

static void put(struct survey *s, uint64_t now_us, uint16_t socket, const struct address *to,
		uint8_t ttl, const uint8_t *bytes, size_t len)
{
	struct output o = {
		.kind = OUTPUT_SEND,
		.socket = socket,
		.ttl = ttl,
		.to = *to,
		.len = len,
		.bytes = bytes,
	};

	output_put(&s->out, &o);
	for (size_t i = 0; i < s->flows_n; i++) {
		if (s->flows[i].socket == socket && address_equal(&s->flows[i].to, to))
			return;
	}
	if (s->flows_n < SURVEY_FLOWS)
		s->flows[s->flows_n++] = (struct flow){ socket, *to, now_us };
}

static void send_ask(struct survey *s, struct survey_ask *ask, uint64_t now_us)
{
	static const uint8_t dummy[DUMMY_BYTES];
	uint8_t bytes[STUN_ASK_BYTES];

	if (ask->stun.tries == 1)
		ask->sent_us = now_us;
	if (ask->purpose == ASK_TTL)
		put(s, now_us, ask->socket, &s->other, ask->number, dummy, sizeof dummy);
	put(s, now_us, ask->socket, &ask->stun.to, 0, bytes, stun_ask_write(&ask->stun, bytes));
}

static void tick_ask(struct survey *s, struct survey_ask *ask, uint64_t now_us)
{
	if (ask->state != ASK_ASKING || s->sockets[ask->socket].state == SOCKET_OPENING)
		return;
	/* poison is given once: it must not come again after ours has gone there */
	if (ask->purpose == ASK_POISON && ask->stun.tries == 1 && now_us >= ask->stun.next_us) {
		ask->state = ASK_SILENT;
		return;
	}
	switch (stun_ask_due(&ask->stun, now_us)) {
	case STUN_ASK_SEND:
		send_ask(s, ask, now_us);
		break;
	case STUN_ASK_SILENT:
		ask->state = ASK_SILENT;
		break;
	case STUN_ASK_WAIT:
		break;
	}
}

/* ---- the end ---- */

static void end(struct survey *s)
{
	s->over = true;
	for (unsigned int i = 1; i < SURVEY_SOCKETS; i++) {
		struct output o = { .kind = OUTPUT_CLOSE, .socket = (uint16_t)i };

		if (s->sockets[i].state == SOCKET_OPENING || s->sockets[i].state == SOCKET_OPEN)
			output_put(&s->out, &o);
		s->sockets[i].state = SOCKET_NONE;
	}
}

/* After a silence that a mapping did not outlive no longer one is of interest. */
static bool is_wanted(const struct survey *s, const struct survey_ask *ask)
{
	if (ask->state != ASK_ASKING)
		return false;
	for (size_t i = 0; ask->purpose == ASK_ALIVE && i < s->asks_n; i++) {
		const struct survey_ask *shorter = &s->asks[i];

		if (shorter->purpose == ASK_ALIVE && shorter->number < ask->number &&
		    shorter->state != ASK_ASKING && shorter->state != ASK_ANSWERED)
			return false;
	}
	return true;
}

static void run(struct survey *s, uint64_t now_us)
{
	bool wanted = false;

	if (s->over)
		return;
	if (now_us >= s->end_us) {
		end(s);
		return;
	}
	for (size_t i = 0; i < s->asks_n; i++)
		tick_ask(s, &s->asks[i], now_us);
	for (size_t i = 0; i < s->asks_n && !wanted; i++)
		wanted = is_wanted(s, &s->asks[i]);
	if (wanted)
		return;
	for (size_t i = 0; i < s->asks_n; i++) {
		if (s->asks[i].state == ASK_ASKING)
			s->asks[i].state = ASK_SILENT;
	}
	end(s);
}

/* ---- what comes in ---- */

void survey_opened(struct survey *s, uint64_t now_us, uint16_t socket,
		   const struct address *local, int error)
{
	if (s->over || socket >= SURVEY_SOCKETS || s->sockets[socket].state != SOCKET_OPENING)
		return;
	s->sockets[socket].state = error < 0 ? SOCKET_FAILED : SOCKET_OPEN;
	if (error >= 0)
		s->sockets[socket].port = local->port;
	for (size_t i = 0; error < 0 && i < s->asks_n; i++) {
		if (s->asks[i].socket == socket)
			s->asks[i].state = ASK_FAILED;
	}
	run(s, now_us);
}

/* A server must not send us anywhere but to a second address of its own kind. */
static bool is_other(const struct survey *s, const struct address *other)
{
	const struct address *server = &s->config.servers[0];

	return other->family == server->family && other->port != 0 &&
	       other->port != server->port && !address_same_ip(other, server) &&
	       address_scope(other) == address_scope(server);
}

static void take_answer(struct survey *s, struct survey_ask *ask, uint64_t now_us,
			const struct address *from, const struct stun_message *m)
{
	if (m->type == STUN_BINDING_ERROR || !address_equal(from, &ask->expected)) {
		ask->state = ASK_FAILED;
		return;
	}
	ask->state = ASK_ANSWERED;
	ask->mapped = m->mapped;
	if (ask->purpose == ASK_SAMPLE && ask->socket == SOCKET_MAPPING && !s->answered) {
		s->answered = true;
		s->rtt_us = now_us - ask->sent_us;
		if (is_other(s, &m->other))
			s->other = m->other;
		if (s->other.family != 0 && s->config.lifetime_us > 0)
			s->end_us += s->config.lifetime_us + LIFETIME_MORE_US;
		plan_more(s, now_us);
	}
	plan_after(s, ask, now_us);
	judge_samples(s);
}

/* Where an ask's answer comes to: ASK_ALIVE's to the mapping that it asks for, if the server
 * does not refuse to send it there. */
static uint16_t answered_at(const struct survey_ask *ask, const struct stun_message *m)
{
	return ask->purpose == ASK_ALIVE && m->type != STUN_BINDING_ERROR ?
		       (uint16_t)(SOCKET_LIVES + ask->number - 1) :
		       ask->socket;
}

/* Our own request, come back through the NAT. */
static void take_hairpin(struct survey *s, uint16_t socket, const struct stun_message *m)
{
	for (size_t i = 0; i < s->asks_n; i++) {
		struct survey_ask *ask = &s->asks[i];

		if (ask->purpose == ASK_HAIRPIN && ask->socket != socket &&
		    ask->state == ASK_ASKING && ask->stun.tries > 0 &&
		    memcmp(ask->stun.id, m->id, sizeof m->id) == 0)
			ask->state = ASK_ANSWERED;
	}
}

void survey_datagram(struct survey *s, uint64_t now_us, uint16_t socket,
		     const struct address *from, const void *packet, size_t len)
{
	struct stun_message m;

	if (s->over || stun_parse(packet, len, &m) < 0)
		return;
	if (m.type == STUN_BINDING_REQUEST)
		take_hairpin(s, socket, &m);
	for (size_t i = 0; i < s->asks_n; i++) {
		struct survey_ask *ask = &s->asks[i];

		if (ask->state == ASK_ASKING && ask->purpose != ASK_HAIRPIN &&
		    answered_at(ask, &m) == socket && stun_ask_is(&ask->stun, &m)) {
			take_answer(s, ask, now_us, from, &m);
			break;
		}
	}
	run(s, now_us);
}

void survey_timer(struct survey *s, uint64_t now_us)
{
	run(s, now_us);
}

uint64_t survey_deadline(const struct survey *s)
{
	uint64_t first = s->end_us;

	if (s->over)
		return UINT64_MAX;
	for (size_t i = 0; i < s->asks_n; i++) {
		const struct survey_ask *ask = &s->asks[i];

		if (ask->state == ASK_ASKING && ask->stun.next_us < first &&
		    s->sockets[ask->socket].state == SOCKET_OPEN)
			first = ask->stun.next_us;
	}
	return first;
}

bool survey_take(struct survey *s, struct output *ret)
{
	return output_take(&s->out, ret);
}

bool survey_result(const struct survey *s, struct nat *ret)
{
	judge(s, ret);
	return s->over;
}

size_t survey_samples(const struct survey *s, const struct nat_sample **ret)
{
	*ret = s->samples;
	return s->samples_n;
}
