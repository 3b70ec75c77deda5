/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The survey's questions: Binding requests, repeated until they are answered or silence is an
 * answer.
 */
#include <string.h>

#include "survey_inner.h"

#define NEVER UINT64_MAX
#define REQUEST_BYTES 64u
/* Three requests: at 10 % loss each way silence is wrong in 1 of 150. */
#define TRIES 3u
#define APART_MIN_US 100000u
/* A request is padded to what the longest answer needs (ETIQUETTE_AMPLIFICATION). */
#define SOFTWARE "introd survey"

/* In the middle between what NATs are known to use (30, 60, 120, 300 s), and each one's edge. */
const uint16_t survey_lifetimes_s[LIFETIMES] = { 10, 20, 29, 31, 45, 59, 90, 119, 180, 299 };

void survey_want(struct survey *s, uint16_t socket)
{
	struct output o = {
		.kind = OUTPUT_OPEN,
		.socket = socket,
		.family = s->config.servers[0].family,
		.bind = socket == SOCKET_LOW ? OUTPUT_BIND_LOW : OUTPUT_BIND_ANY,
	};

	s->sockets[socket].wanted = true;
	s->wanted++;
	output_put(&s->out, &o);
}

static uint64_t apart(const struct survey *s)
{
	return s->rtt_us * 2 > APART_MIN_US ? s->rtt_us * 2 : APART_MIN_US;
}

static void send_bytes(struct survey *s, uint16_t socket, const struct address *to, uint8_t ttl,
		       const uint8_t *bytes, size_t len)
{
	struct output o = {
		.kind = OUTPUT_SEND,
		.socket = socket,
		.ttl = ttl,
		.to = *to,
		.bytes = bytes,
		.len = len,
	};

	output_put(&s->out, &o);
}

static void ask_send(struct survey *s, struct ask_out *ask, uint64_t now)
{
	uint8_t packet[REQUEST_BYTES];
	struct stun_writer w;
	int len;

	stun_begin(&w, packet, sizeof packet, STUN_BINDING_REQUEST, ask->id);
	stun_put(&w, STUN_SOFTWARE, SOFTWARE, strlen(SOFTWARE));
	if (ask->change)
		stun_put_u32(&w, STUN_CHANGE_REQUEST, ask->change);
	if (ask->response_port)
		stun_put(&w, STUN_RESPONSE_PORT,
			 (uint8_t[]){ (uint8_t)(ask->response_port >> 8),
				      (uint8_t)ask->response_port }, 2);
	stun_put_fingerprint(&w);
	len = stun_finish(&w);
	if (len > 0)
		send_bytes(s, ask->socket, &ask->to, 0, packet, (size_t)len);
	ask->tries++;
	ask->due_us = now + apart(s);
}

void survey_ask(struct survey *s, uint64_t now, unsigned int number, uint16_t socket,
		const struct address *to, uint32_t change)
{
	struct ask_out *ask = &s->asks[number];

	if (ask->state != ASK_IDLE || !s->sockets[socket].open)
		return;
	ask->state = ASK_WAITING;
	ask->socket = socket;
	ask->to = *to;
	ask->change = change;
	ask->first_us = now;
	ask->flow = ++s->flows;
	random_bytes(&s->random, ask->id, sizeof ask->id);
	ask_send(s, ask, now);
}

void survey_ask_ttl(struct survey *s, uint64_t now, unsigned int i)
{
	static const uint8_t opener[8];
	uint16_t socket = (uint16_t)(SOCKET_TTL + i);

	if (!s->sockets[socket].open || s->asks[ASK_TTL + i].state != ASK_IDLE)
		return;
	send_bytes(s, socket, &s->other, (uint8_t)(i + 1), opener, sizeof opener);
	s->flows++;
	survey_ask(s, now, ASK_TTL + i, socket, &s->config.servers[0],
		   STUN_CHANGE_IP | STUN_CHANGE_PORT);
}

/* Lifetimes: one socket for each, silent until its moment. */
void survey_ask_lifetimes(struct survey *s, uint64_t now)
{
	for (unsigned int i = 0; i < LIFETIMES; i++) {
		if (survey_lifetimes_s[i] * UINT64_C(1000000) > s->config.lifetime_us)
			break;
		survey_ask(s, now, ASK_LIFE + i, (uint16_t)(SOCKET_LIFE + i),
			   &s->config.servers[0], 0);
	}
}

/* The moment has come: the answer to this one goes to the silent socket. */
static void lifetime_test(struct survey *s, uint64_t now, unsigned int i)
{
	const struct ask_out *made = &s->asks[ASK_LIFE + i];
	struct ask_out *test = &s->asks[ASK_LIFE_TEST + i];

	if (made->state != ASK_ANSWERED || test->state != ASK_IDLE ||
	    now < made->first_us + survey_lifetimes_s[i] * UINT64_C(1000000))
		return;
	test->response_port = made->mapped.port;
	survey_ask(s, now, ASK_LIFE_TEST + i, SOCKET_LIFE_ASK, &s->config.servers[0], 0);
}

void survey_repeat(struct survey *s, uint64_t now)
{
	for (unsigned int i = 0; i < ASKS; i++) {
		struct ask_out *ask = &s->asks[i];

		if (ask->state != ASK_WAITING || ask->due_us > now)
			continue;
		if (ask->tries < TRIES)
			ask_send(s, ask, now);
		else
			ask->state = ASK_SILENT;
	}
	for (unsigned int i = 0; i < LIFETIMES; i++)
		lifetime_test(s, now, i);
}

static uint64_t lifetime_due(const struct survey *s, unsigned int i)
{
	if (s->asks[ASK_LIFE + i].state != ASK_ANSWERED ||
	    s->asks[ASK_LIFE_TEST + i].state != ASK_IDLE)
		return NEVER;
	return s->asks[ASK_LIFE + i].first_us + survey_lifetimes_s[i] * UINT64_C(1000000);
}

bool survey_asking(const struct survey *s)
{
	for (unsigned int i = 0; i < ASKS; i++) {
		if (s->asks[i].state == ASK_WAITING)
			return true;
	}
	for (unsigned int i = 0; i < LIFETIMES; i++) {
		if (lifetime_due(s, i) != NEVER)
			return true;
	}
	return false;
}

uint64_t survey_deadline(const struct survey *s)
{
	uint64_t deadline = NEVER;

	if (s->over)
		return NEVER;
	if (s->config.lifetime_us == 0)
		deadline = s->begun_us + s->config.limit_us;
	for (unsigned int i = 0; i < ASKS; i++) {
		if (s->asks[i].state == ASK_WAITING && s->asks[i].due_us < deadline)
			deadline = s->asks[i].due_us;
	}
	for (unsigned int i = 0; i < LIFETIMES; i++) {
		if (lifetime_due(s, i) < deadline)
			deadline = lifetime_due(s, i);
	}
	return deadline;
}

/* ---- answers ---- */

static struct ask_out *find(struct survey *s, uint16_t socket, const uint8_t *id)
{
	for (unsigned int i = 0; i < ASKS; i++) {
		struct ask_out *ask = &s->asks[i];
		bool elsewhere = i == ASK_HAIRPIN ? socket == SOCKET_MAP :
				 i >= ASK_LIFE_TEST ? socket == SOCKET_LIFE + i - ASK_LIFE_TEST :
						      socket == ask->socket;

		if (ask->state == ASK_WAITING && elsewhere &&
		    memcmp(ask->id, id, STUN_ID_BYTES) == 0)
			return ask;
	}
	return NULL;
}

/* From whom an answer may come. */
static bool from_right(const struct survey *s, const struct ask_out *ask,
		       const struct address *from)
{
	struct address expected = ask->to;

	if (ask == &s->asks[ASK_HAIRPIN])
		return true;
	if (ask->change & STUN_CHANGE_IP)
		expected = s->other;
	else if (ask->change & STUN_CHANGE_PORT)
		expected.port = s->other.port;
	return address_equal(&expected, from);
}

void survey_datagram(struct survey *s, uint64_t now_us, uint16_t socket,
		     const struct address *from, const void *packet, size_t len)
{
	struct stun_message m;
	struct ask_out *ask;

	if (s->over || !stun_looks(packet, len) || stun_parse(packet, len, &m) < 0)
		return;
	ask = find(s, socket, m.id);
	if (!ask || !from_right(s, ask, from))
		return;
	if (ask == &s->asks[ASK_HAIRPIN]) {
		if (m.type != STUN_BINDING_REQUEST)
			return;
	} else if (m.type == STUN_BINDING_ERROR) {
		/* it cannot do what was asked: nothing is known of that, for all time */
		ask->state = ASK_IDLE;
		ask->socket = 0;
		s->other.family = 0;
		survey_advance(s, now_us);
		return;
	} else if (m.type != STUN_BINDING_SUCCESS || m.mapped.family == 0) {
		return;
	}
	ask->state = ASK_ANSWERED;
	ask->mapped = m.mapped;
	if (ask->tries == 1 && (s->rtt_us == 0 || now_us - ask->first_us < s->rtt_us))
		s->rtt_us = (uint32_t)(now_us - ask->first_us);
	if (ask == &s->asks[ASK_MAP] && m.other.family == s->config.servers[0].family &&
	    !address_same_ip(&m.other, &s->config.servers[0]))
		s->other = m.other;
	survey_advance(s, now_us);
}
