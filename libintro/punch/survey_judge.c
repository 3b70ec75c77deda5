/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the answers of a survey mean. Where one is missing that has not been waited for long
 * enough, nothing is said. For survey.c.
 */
#include <string.h>

#include "survey_core.h"

#define LOW_FIRST 600u
#define LOW_LAST 1023u

const struct survey_ask *judge_find(const struct survey *s, enum purpose purpose,
				    uint16_t socket)
{
	static const struct survey_ask none = { .state = ASK_FAILED };

	for (size_t i = 0; i < s->asks_n; i++) {
		if (s->asks[i].purpose == purpose && s->asks[i].socket == socket)
			return &s->asks[i];
	}
	return &none;
}

static bool is_own(const struct survey *s, const struct survey_ask *ask)
{
	for (size_t i = 0; i < s->config.locals_n; i++) {
		if (address_same_ip(&s->locals[i], &ask->mapped))
			return ask->mapped.port == s->sockets[ask->socket].port;
	}
	return false;
}

/* RFC 5780, section 4.3; or two servers, of which one can only say whether they agree. */
enum nat_mapping judge_mapping(const struct survey *s)
{
	const struct survey_ask *first = judge_find(s, ASK_SAMPLE, SOCKET_MAPPING);
	const struct survey_ask *ip = judge_find(s, ASK_OTHER_IP, SOCKET_MAPPING);
	const struct survey_ask *both = judge_find(s, ASK_OTHER_BOTH, SOCKET_MAPPING);
	const struct survey_ask *second = judge_find(s, ASK_SECOND, SOCKET_MAPPING);

	if (first->state != ASK_ANSWERED)
		return NAT_MAPPING_UNKNOWN;
	if (is_own(s, first))
		return NAT_MAPPING_NONE;
	if (ip->state == ASK_ANSWERED) {
		if (address_equal(&first->mapped, &ip->mapped))
			return NAT_MAPPING_ENDPOINT_INDEPENDENT;
		if (both->state != ASK_ANSWERED)
			return NAT_MAPPING_UNKNOWN;
		return address_equal(&ip->mapped, &both->mapped) ?
			       NAT_MAPPING_ADDRESS_DEPENDENT :
			       NAT_MAPPING_ADDRESS_PORT_DEPENDENT;
	}
	if (second->state != ASK_ANSWERED)
		return NAT_MAPPING_UNKNOWN;
	return address_equal(&first->mapped, &second->mapped) ?
		       NAT_MAPPING_ENDPOINT_INDEPENDENT :
		       NAT_MAPPING_ADDRESS_PORT_DEPENDENT;
}

static enum nat_filtering judge_filtering(const struct survey *s)
{
	const struct survey_ask *first = judge_find(s, ASK_SAMPLE, SOCKET_FILTERING);
	const struct survey_ask *both = judge_find(s, ASK_CHANGE_BOTH, SOCKET_FILTERING);
	const struct survey_ask *port = judge_find(s, ASK_CHANGE_PORT, SOCKET_FILTERING);

	if (first->state != ASK_ANSWERED)
		return NAT_FILTERING_UNKNOWN;
	if (both->state == ASK_ANSWERED)
		return NAT_FILTERING_ENDPOINT_INDEPENDENT;
	if (both->state != ASK_SILENT)
		return NAT_FILTERING_UNKNOWN;
	if (port->state == ASK_ANSWERED)
		return NAT_FILTERING_ADDRESS_DEPENDENT;
	return port->state == ASK_SILENT ? NAT_FILTERING_ADDRESS_PORT_DEPENDENT :
					   NAT_FILTERING_UNKNOWN;
}

/* Only where all see one port can another one be the poison's work. */
static enum nat_answer judge_poisoned(const struct survey *s, const struct nat *nat)
{
	const struct survey_ask *before = judge_find(s, ASK_SAMPLE, SOCKET_POISON);
	const struct survey_ask *after = judge_find(s, ASK_POISONED, SOCKET_POISON);

	if (!nat_easy(nat) || before->state != ASK_ANSWERED || after->state != ASK_ANSWERED)
		return NAT_UNSURE;
	return address_equal(&before->mapped, &after->mapped) ? NAT_NO : NAT_YES;
}

static bool is_low(const struct address *a)
{
	return a->port >= LOW_FIRST && a->port <= LOW_LAST;
}

static enum nat_answer judge_low(const struct survey *s)
{
	const struct survey_ask *low = judge_find(s, ASK_LOW, SOCKET_LOW);

	if (low->state != ASK_ANSWERED || s->samples_n == 0)
		return NAT_UNSURE;
	for (size_t i = 0; i < s->samples_n; i++) {
		if (is_low(&s->samples[i].external))
			return NAT_NO;
	}
	return is_low(&low->mapped) ? NAT_YES : NAT_NO;
}

static enum nat_answer judge_hairpin(const struct survey *s, enum nat_mapping mapping)
{
	const struct survey_ask *there = judge_find(s, ASK_HAIRPIN, SOCKET_HAIRPIN);
	const struct survey_ask *back = judge_find(s, ASK_HAIRPIN, SOCKET_MAPPING);

	if (mapping == NAT_MAPPING_NONE)
		return NAT_UNSURE;
	if (there->state == ASK_ANSWERED || back->state == ASK_ANSWERED)
		return NAT_YES;
	return there->state == ASK_SILENT && back->state == ASK_SILENT ? NAT_NO : NAT_UNSURE;
}

/* The first that opened a way, once all lower ones are known not to have. */
static uint8_t judge_ttl(const struct survey *s, const struct nat *nat)
{
	if (!nat_easy(nat) || nat->filtering == NAT_FILTERING_UNKNOWN ||
	    nat->filtering == NAT_FILTERING_ENDPOINT_INDEPENDENT)
		return 0;
	for (uint16_t i = 0; i < SURVEY_TTLS; i++) {
		const struct survey_ask *ask =
			judge_find(s, ASK_TTL, (uint16_t)(SOCKET_TTL + i));

		if (ask->state == ASK_ANSWERED)
			return ask->number;
		if (ask->state != ASK_SILENT)
			return 0;
	}
	return 0;
}

/* The longest silence that a mapping outlived, up to the first that one did not. */
static uint16_t judge_lifetime(const struct survey *s)
{
	uint64_t silence_s = 0;

	for (uint8_t number = 1; number <= SURVEY_LIVES; number++) {
		bool alive = false;

		for (size_t i = 0; i < s->asks_n; i++) {
			const struct survey_ask *ask = &s->asks[i];

			if (ask->purpose == ASK_ALIVE && ask->number == number)
				alive = ask->state == ASK_ANSWERED;
		}
		if (!alive)
			break;
		silence_s = s->config.lifetime_us / SURVEY_LIVES * number / 1000000;
	}
	return silence_s > UINT16_MAX ? UINT16_MAX : (uint16_t)silence_s;
}

/* ---- samples ---- */

static bool is_new_mapping(const struct survey *s, size_t at, enum nat_mapping mapping)
{
	const struct flow *flow = &s->flows[at];

	for (size_t i = 0; i < at; i++) {
		const struct flow *f = &s->flows[i];

		if (f->socket != flow->socket)
			continue;
		if (mapping == NAT_MAPPING_ADDRESS_DEPENDENT ?
			    address_same_ip(&f->to, &flow->to) :
			    mapping != NAT_MAPPING_ADDRESS_PORT_DEPENDENT)
			return false;
	}
	return true;
}

void judge_samples(struct survey *s)
{
	enum nat_mapping mapping = judge_mapping(s);
	uint32_t opened = 0;

	s->samples_n = 0;
	for (size_t i = 0; i < s->flows_n; i++) {
		const struct flow *flow = &s->flows[i];
		const struct survey_ask *ask = judge_find(s, ASK_SAMPLE, flow->socket);

		opened += is_new_mapping(s, i, mapping);
		if (ask->state != ASK_ANSWERED || !address_equal(&ask->stun.to, &flow->to) ||
		    s->samples_n == NAT_SAMPLES)
			continue;
		s->samples[s->samples_n++] = (struct nat_sample){
			.internal = s->sockets[flow->socket].port,
			.external = ask->mapped,
			.server = flow->to,
			.sent_us = flow->sent_us,
			.flow = opened,
		};
	}
}

/* ---- all of it ---- */

/* Whether an ask has said what it can: for some, silence is an answer. */
static bool is_settled(const struct survey_ask *ask)
{
	switch (ask->purpose) {
	case ASK_CHANGE_BOTH:
	case ASK_CHANGE_PORT:
	case ASK_HAIRPIN:
	case ASK_TTL:
	case ASK_ALIVE:
		return ask->state == ASK_ANSWERED || ask->state == ASK_SILENT;
	case ASK_POISON:
		return true;
	default:
		return ask->state == ASK_ANSWERED;
	}
}

void judge(const struct survey *s, struct nat *ret)
{
	struct nat nat = { .mapping = judge_mapping(s) };
	const struct survey_ask *first = judge_find(s, ASK_SAMPLE, SOCKET_MAPPING);

	nat.filtering = judge_filtering(s);
	nat_learn_ports(&nat, s->samples, s->samples_n);
	nat.low_ports = judge_low(s);
	nat.poisoned = judge_poisoned(s, &nat);
	nat.hairpin = judge_hairpin(s, nat.mapping);
	nat.ttl = judge_ttl(s, &nat);
	nat.lifetime_s = judge_lifetime(s);
	if (first->state == ASK_ANSWERED)
		nat.external = first->mapped;
	nat.complete = s->over && nat.mapping != NAT_MAPPING_UNKNOWN;
	for (size_t i = 0; i < s->asks_n; i++) {
		if (!is_settled(&s->asks[i]))
			nat.complete = false;
	}
	*ret = nat;
}
