/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The survey's machine: which question follows which answer, and what they come to. The
 * questions themselves (a request, its repetitions, its answer) are in survey_ask.c.
 *
 * Everything begins at once and in parallel, on sockets that do not disturb each other; what
 * needs the server's other address waits for the first answer, which tells it.
 */
#include "survey.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "survey_inner.h"

/* ---- begin and end ---- */

int survey_new(struct survey **ret, const struct survey_config *config, uint64_t now_us)
{
	struct survey *s;

	if (config->servers[0].family == 0)
		return -EINVAL;
	s = calloc(1, sizeof *s);
	if (!s)
		return -ENOMEM;
	s->config = *config;
	s->locals_n = config->locals_n < SURVEY_LOCALS ? config->locals_n : SURVEY_LOCALS;
	if (s->locals_n > 0)
		memcpy(s->locals, config->locals, s->locals_n * sizeof *s->locals);
	s->begun_us = now_us;
	random_init(&s->random, config->seed);
	for (uint16_t socket = SOCKET_MAP; socket < SOCKETS; socket++) {
		if (socket != SOCKET_LOW || config->low_ports)
			survey_want(s, socket);
	}
	for (uint16_t i = 0; i < LIFETIMES; i++) {
		if (survey_lifetimes_s[i] * UINT64_C(1000000) <= config->lifetime_us)
			survey_want(s, (uint16_t)(SOCKET_LIFE + i));
	}
	*ret = s;
	return 0;
}

void survey_free(struct survey *s)
{
	if (!s)
		return;
	output_free(&s->out);
	free(s);
}

static void survey_end(struct survey *s)
{
	struct output o = { .kind = OUTPUT_CLOSE };

	if (s->over)
		return;
	s->over = true;
	for (uint16_t socket = SOCKET_MAP; socket < SOCKETS_ALL; socket++) {
		o.socket = socket;
		if (s->sockets[socket].wanted)
			output_put(&s->out, &o);
	}
}

/* ---- what is known ---- */

static const struct address *seen(const struct survey *s, unsigned int ask)
{
	return s->asks[ask].state == ASK_ANSWERED ? &s->asks[ask].mapped : NULL;
}

static bool is_local(const struct survey *s, const struct address *a)
{
	for (size_t i = 0; i < s->locals_n; i++) {
		if (address_same_ip(&s->locals[i], a))
			return true;
	}
	return false;
}

/* RFC 5780, section 4.3. */
static void learn_mapping(struct survey *s)
{
	const struct address *first = seen(s, ASK_MAP), *second = seen(s, ASK_MAP_IP);
	const struct address *third = seen(s, ASK_MAP_BOTH);

	if (!first)
		return;
	s->nat.external = *first;
	if (is_local(s, first))
		s->nat.mapping = NAT_MAPPING_NONE;
	else if (!second)
		s->nat.mapping = NAT_MAPPING_UNKNOWN;
	else if (address_equal(first, second))
		s->nat.mapping = NAT_MAPPING_ENDPOINT_INDEPENDENT;
	else if (third && address_equal(second, third))
		s->nat.mapping = NAT_MAPPING_ADDRESS_DEPENDENT;
	else
		s->nat.mapping = NAT_MAPPING_ADDRESS_PORT_DEPENDENT;
}

/* Section 4.4. */
static void learn_filtering(struct survey *s)
{
	if (s->asks[ASK_FILTER_BOTH].state == ASK_ANSWERED)
		s->nat.filtering = NAT_FILTERING_ENDPOINT_INDEPENDENT;
	else if (s->asks[ASK_FILTER_BOTH].state != ASK_SILENT)
		s->nat.filtering = NAT_FILTERING_UNKNOWN;
	else if (s->asks[ASK_FILTER_PORT].state == ASK_ANSWERED)
		s->nat.filtering = NAT_FILTERING_ADDRESS_DEPENDENT;
	else if (s->asks[ASK_FILTER_PORT].state == ASK_SILENT)
		s->nat.filtering = NAT_FILTERING_ADDRESS_PORT_DEPENDENT;
}

/* What came early was dropped: does our own packet still get the port that others get? */
static void learn_poison(struct survey *s)
{
	const struct address *before = seen(s, ASK_FILTER), *after = seen(s, ASK_POISON);

	if (s->nat.filtering == NAT_FILTERING_ENDPOINT_INDEPENDENT ||
	    s->nat.mapping == NAT_MAPPING_NONE)
		s->nat.poisoned = NAT_NO;
	else if (before && after && s->nat.mapping == NAT_MAPPING_ENDPOINT_INDEPENDENT)
		s->nat.poisoned = address_equal(before, after) ? NAT_NO : NAT_YES;
}

static void learn_ttl(struct survey *s)
{
	if (s->nat.filtering == NAT_FILTERING_ENDPOINT_INDEPENDENT)
		return;
	for (unsigned int i = 0; i < TTLS && s->nat.ttl == 0; i++) {
		if (s->asks[ASK_TTL + i].state == ASK_ANSWERED)
			s->nat.ttl = (uint8_t)(i + 1);
	}
}

static void learn_low(struct survey *s)
{
	const struct address *a = seen(s, ASK_LOW);

	if (a && s->nat.ports != NAT_PORTS_PRESERVING && s->nat.ports != NAT_PORTS_UNKNOWN)
		s->nat.low_ports = a->port >= 600 && a->port < 1024 ? NAT_YES : NAT_NO;
}

static void learn_hairpin(struct survey *s)
{
	if (s->asks[ASK_HAIRPIN].state == ASK_ANSWERED)
		s->nat.hairpin = NAT_YES;
	else if (s->asks[ASK_HAIRPIN].state == ASK_SILENT)
		s->nat.hairpin = NAT_NO;
}

static int by_moment(const void *a, const void *b)
{
	const struct nat_sample *x = a, *y = b;

	return x->flow < y->flow ? -1 : x->flow > y->flow;
}

static void learn_ports(struct survey *s)
{
	s->samples_n = 0;
	for (unsigned int i = 0; i < SAMPLES; i++) {
		const struct ask_out *ask = &s->asks[ASK_SAMPLE + i];

		if (ask->state != ASK_ANSWERED)
			continue;
		s->samples[s->samples_n++] = (struct nat_sample){
			.internal = s->sockets[ask->socket].port,
			.external = ask->mapped,
			.server = ask->to,
			.sent_us = ask->first_us,
			.flow = ask->flow,
		};
	}
	qsort(s->samples, s->samples_n, sizeof *s->samples, by_moment);
	nat_learn_ports(&s->nat, s->samples, s->samples_n);
}

static void learn_lifetime(struct survey *s)
{
	for (unsigned int i = 0; i < LIFETIMES; i++) {
		if (s->asks[ASK_LIFE_TEST + i].state != ASK_ANSWERED)
			break;
		s->nat.lifetime_s = survey_lifetimes_s[i];
	}
}

void survey_learn(struct survey *s)
{
	learn_mapping(s);
	learn_filtering(s);
	learn_poison(s);
	learn_ports(s);
	learn_ttl(s);
	learn_low(s);
	learn_hairpin(s);
	learn_lifetime(s);
	s->nat.complete = s->nat.mapping != NAT_MAPPING_UNKNOWN &&
			  s->nat.filtering != NAT_FILTERING_UNKNOWN &&
			  (s->nat.ports != NAT_PORTS_UNKNOWN ||
			   s->nat.mapping == NAT_MAPPING_NONE) &&
			  s->nat.hairpin != NAT_UNSURE;
}

/* ---- what follows what ---- */

static bool ended(const struct survey *s, unsigned int ask)
{
	return s->asks[ask].state == ASK_ANSWERED || s->asks[ask].state == ASK_SILENT;
}

/* What the first answer makes possible: the server's other address, ours as it is seen. */
static void after_first(struct survey *s, uint64_t now)
{
	struct address other_ip = s->other;
	const struct address *mapped = seen(s, ASK_MAP);

	if (s->other.family) {
		other_ip.port = s->config.servers[0].port;
		survey_ask(s, now, ASK_MAP_IP, SOCKET_MAP, &other_ip, 0);
		survey_ask(s, now, ASK_MAP_BOTH, SOCKET_MAP, &s->other, 0);
		for (unsigned int i = 0; i < TTLS; i++)
			survey_ask_ttl(s, now, i);
	} else if (s->config.servers[1].family) {
		survey_ask(s, now, ASK_MAP_IP, SOCKET_MAP, &s->config.servers[1], 0);
	}
	if (mapped)
		survey_ask(s, now, ASK_HAIRPIN, SOCKET_HAIRPIN, mapped, 0);
	for (unsigned int i = 0; i < LATE_SAMPLES; i++)
		survey_ask(s, now, ASK_SAMPLE + EARLY_SAMPLES + i,
			   (uint16_t)(SOCKET_SAMPLE + EARLY_SAMPLES + i), &s->config.servers[0], 0);
}

void survey_advance(struct survey *s, uint64_t now)
{
	const struct address *server = &s->config.servers[0];

	if (s->asks[ASK_MAP].state == ASK_ANSWERED && !s->advanced) {
		s->advanced = true;
		after_first(s, now);
	}
	if (s->other.family && seen(s, ASK_FILTER)) {
		survey_ask(s, now, ASK_FILTER_BOTH, SOCKET_FILTER, server,
			   STUN_CHANGE_IP | STUN_CHANGE_PORT);
		survey_ask(s, now, ASK_FILTER_PORT, SOCKET_FILTER, server, STUN_CHANGE_PORT);
	}
	if (ended(s, ASK_FILTER_BOTH) && ended(s, ASK_FILTER_PORT))
		survey_ask(s, now, ASK_POISON, SOCKET_FILTER, &s->other, 0);
	survey_learn(s);
	if (!survey_asking(s) && s->opened == s->wanted)
		survey_end(s);
}

void survey_opened(struct survey *s, uint64_t now_us, uint16_t socket,
		   const struct address *local, int error)
{
	const struct address *server = &s->config.servers[0];

	if (socket < SOCKET_MAP || socket >= SOCKETS_ALL || s->over)
		return;
	s->opened++;
	s->sockets[socket].open = error >= 0;
	s->sockets[socket].port = error >= 0 ? local->port : 0;
	/* first of all the samples, one behind the other, so that nothing of ours lies between */
	if (s->opened == s->wanted) {
		for (unsigned int i = 0; i < EARLY_SAMPLES; i++)
			survey_ask(s, now_us, ASK_SAMPLE + i, (uint16_t)(SOCKET_SAMPLE + i),
				   server, 0);
		survey_ask(s, now_us, ASK_MAP, SOCKET_MAP, server, 0);
		survey_ask(s, now_us, ASK_FILTER, SOCKET_FILTER, server, 0);
		survey_ask(s, now_us, ASK_LOW, SOCKET_LOW, server, 0);
		survey_ask_lifetimes(s, now_us);
		survey_advance(s, now_us);
	}
}

void survey_timer(struct survey *s, uint64_t now_us)
{
	if (s->over)
		return;
	survey_repeat(s, now_us);
	survey_advance(s, now_us);
	if (now_us - s->begun_us >= s->config.limit_us && s->config.lifetime_us == 0)
		survey_end(s);
}

bool survey_take(struct survey *s, struct output *ret)
{
	return output_take(&s->out, ret);
}

bool survey_result(const struct survey *s, struct nat *ret)
{
	*ret = s->nat;
	return s->over;
}

size_t survey_samples(const struct survey *s, const struct nat_sample **ret)
{
	*ret = s->samples;
	return s->samples_n;
}
