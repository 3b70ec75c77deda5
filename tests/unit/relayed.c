/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The relay and legs of relayed.h.
 */
#include "relayed.h"

#include <stdlib.h>
#include <string.h>

#include "harness.h"

struct address address_at(const char *text)
{
	struct address a;

	cr_assert_eq(address_parse(text, 0, &a), 0, "%s", text);
	return a;
}

void relayed_begin(struct relayed *w, const struct relay_config *config)
{
	struct relay_config c = *config;

	memset(w, 0, sizeof *w);
	w->now_us = 1000000000;
	w->at = address_at("198.51.100.1:3478");
	random_init(&w->random, (const uint8_t[RANDOM_SEED_BYTES]){ 7 });
	if (c.quota.idle_s == 0)
		c.quota.idle_s = 60;
	if (c.sessions_max == 0)
		c.sessions_max = 100;
	cr_assert_eq(relay_new(&w->relay, &c, w->now_us), 0);
}

void relayed_end(struct relayed *w)
{
	relay_free(w->relay);
}

void party_begin(struct relayed *w, struct party *p, const char *at)
{
	memset(p, 0, sizeof *p);
	p->at = address_at(at);
	relay_leg_init(&p->leg, &w->at, &w->random, w->now_us);
	cr_assert_lt(w->parties_n, PARTIES_MAX);
	w->parties[w->parties_n++] = p;
}

void party_bind(struct relayed *w, struct party *p, const char *at, uint8_t n)
{
	uint8_t session[RELAY_SESSION_BYTES] = { n, 1, 2, 3, 4, 5, 6 };

	party_begin(w, p, at);
	relay_leg_bind(&p->leg, session, w->now_us);
	relayed_settle(w);
}

static void deliver(struct relayed *w, const struct address *to, const void *bytes, size_t len)
{
	for (unsigned int i = 0; i < w->parties_n; i++) {
		struct party *p = w->parties[i];
		const uint8_t *payload;
		size_t payload_len;

		if (!address_equal(&p->at, to) ||
		    relay_leg_receive(&p->leg, w->now_us, &w->at, bytes, len, &payload,
				      &payload_len) != RELAY_GOT_DATA)
			continue;
		p->datas++;
		p->got_len = payload_len;
		if (payload_len <= sizeof p->got)
			memcpy(p->got, payload, payload_len);
	}
}

void relayed_receive(struct relayed *w, const struct address *from, const void *packet,
		     size_t len, struct relay_out *ret)
{
	relay_receive(w->relay, w->now_us, 0, from, packet, len, len, ret);
	for (unsigned int i = 0; i < ret->sends_n; i++)
		deliver(w, &ret->sends[i].to, ret->sends[i].bytes, ret->sends[i].len);
	if (ret->forward > 0)
		deliver(w, &ret->to, packet, ret->forward);
}

void relayed_settle(struct relayed *w)
{
	bool more = true;

	while (more) {
		more = false;
		for (unsigned int i = 0; i < w->parties_n; i++) {
			struct party *p = w->parties[i];
			uint8_t bytes[RELAY_CONTROL_BYTES];
			struct relay_out out;
			size_t len;

			while ((len = relay_leg_next(&p->leg, w->now_us, bytes)) > 0) {
				relayed_receive(w, &p->at, bytes, len, &out);
				more = true;
			}
		}
	}
}

bool party_say(struct relayed *w, struct party *p, size_t len)
{
	uint8_t *bytes = malloc(RELAY_HEADER_BYTES + len);
	struct relay_out out;

	cr_assert_not_null(bytes);
	relay_leg_header(&p->leg, bytes);
	memset(bytes + RELAY_HEADER_BYTES, 'x', len);
	relayed_receive(w, &p->at, bytes, RELAY_HEADER_BYTES + len, &out);
	free(bytes);
	return out.forward == RELAY_HEADER_BYTES + len;
}
