/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The relay and two legs of it among hostile datagrams. The input is a list of acts: a byte that
 * says what and by whom, and a byte that says how much. Datagrams are raw, or a message that
 * was sent earlier with some bytes changed.
 */
#include <stdlib.h>
#include <string.h>

#include "../../libintro/punch/relay.h"
#include "../../libintro/punch/relay_wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define LEGS 3u
#define PACKET_MAX 256u

struct world {
	struct relay *relay;
	struct relay_leg legs[LEGS];
	struct address at[LEGS], server;
	uint64_t now_us;
	uint8_t last[PACKET_MAX];	/* the newest message of anybody */
	size_t last_len;
};

static void check(bool holds)
{
	if (!holds)
		abort();
}

static void keep(struct world *w, const uint8_t *p, size_t len)
{
	memcpy(w->last, p, len);
	w->last_len = len;
}

static void leg_receive(struct world *w, unsigned int i, const struct address *from,
			const uint8_t *p, size_t len)
{
	const uint8_t *payload = NULL;
	size_t payload_len = 0;

	if (relay_leg_receive(&w->legs[i], w->now_us, from, p, len, &payload, &payload_len) !=
	    RELAY_GOT_DATA)
		return;
	check(payload == p + RELAY_HEADER_BYTES && payload_len == len - RELAY_HEADER_BYTES);
}

static void relay_take(struct world *w, unsigned int i, const uint8_t *p, size_t len,
		       size_t segment)
{
	size_t back = 0, total;
	struct relay_out out;

	while (len > 0) {
		size_t run = relay_run(p, len, segment);

		check(run > 0 && run <= len);
		relay_receive(w->relay, w->now_us, 0, &w->at[i], p, run,
			      segment < run ? segment : run, &out);
		check(out.forward <= run && out.sends_n <= 3);
		total = out.forward;
		for (unsigned int n = 0; n < out.sends_n; n++) {
			const struct relay_send *s = &out.sends[n];

			check(s->len <= RELAY_CONTROL_BYTES);
			total += s->len;
			if (address_equal(&s->to, &w->at[i]))
				back += s->len;
			for (unsigned int leg = 0; leg < LEGS; leg++)
				if (address_equal(&s->to, &w->at[leg]))
					leg_receive(w, leg, &w->server, s->bytes, s->len);
			keep(w, s->bytes, s->len);
		}
		/* to one that may not have proved itself; a refusal at the quota's end is to legs
		 * that have */
		if (p[0] == RELAY_HELLO)
			check(back <= run && total <= run);
		p += run;
		len -= run;
		back = 0;
	}
}

static void leg_step(struct world *w, unsigned int i)
{
	uint8_t p[RELAY_CONTROL_BYTES];
	size_t len = relay_leg_next(&w->legs[i], w->now_us, p);

	if (len == 0)
		return;
	check(len == RELAY_CONTROL_BYTES && relay_leg_deadline(&w->legs[i]) > w->now_us);
	relay_take(w, i, p, len, len);
	keep(w, p, len);
}

static void say(struct world *w, unsigned int i, size_t len)
{
	uint8_t p[PACKET_MAX] = { 0 };

	relay_leg_header(&w->legs[i], p);
	relay_take(w, i, p, RELAY_HEADER_BYTES + len % (sizeof p - RELAY_HEADER_BYTES),
		   RELAY_HEADER_BYTES + 4);
}

/* Bytes of the input that the act used. */
static size_t act(struct world *w, uint8_t what, uint8_t much, const uint8_t *data, size_t left)
{
	static const uint8_t session[RELAY_SESSION_BYTES] = { 1, 2, 3 };
	unsigned int i = (what >> 4) % LEGS;
	uint8_t p[RELAY_CONTROL_BYTES];
	size_t used = much < left ? much : left;

	switch (what % 16) {
	case 0:
		relay_take(w, i, data, used, used);
		return used;
	case 1:
		relay_take(w, i, data, used, 1 + used / 3);
		return used;
	case 2:
		leg_receive(w, i, &w->server, data, used);
		return used;
	case 3:		/* one byte of the newest message is another one: to the relay */
	case 4:		/* or to a leg */
		if (left == 0 || w->last_len == 0)
			return 0;
		w->last[much % w->last_len] ^= data[0];
		if (what % 16 == 3)
			relay_take(w, i, w->last, w->last_len, w->last_len);
		else
			leg_receive(w, i, &w->server, w->last, w->last_len);
		return 1;
	case 5:
		relay_leg_bind(&w->legs[i], session, w->now_us);
		return 0;
	case 6:
		relay_leg_moved(&w->legs[i], w->now_us);
		w->at[i].port = (uint16_t)(1 + much);
		return 0;
	case 7:
		say(w, i, much);
		return 0;
	case 8:
		w->now_us += (uint64_t)much * 1000000u;
		relay_timer(w->relay, w->now_us);
		return 0;
	case 9:
		if (relay_leg_close(&w->legs[i], p) > 0)
			relay_take(w, i, p, sizeof p, sizeof p);
		return 0;
	default:
		leg_step(w, i);
		return 0;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct relay_config config = {
		.quota = { .bytes = 1000, .packets_s = 20, .idle_s = 30, .lasts_s = 300 },
		.sessions_max = 4, .sessions_per_ip = 3,
	};
	struct world w = { .now_us = 5000000 };
	struct relay_counters counters;
	struct random random;
	uint8_t seed[RANDOM_SEED_BYTES] = { 1 };

	random_init(&random, seed);
	check(address_parse("198.51.100.1:3478", 0, &w.server) == 0);
	check(relay_new(&w.relay, &config, w.now_us) == 0);
	for (unsigned int i = 0; i < LEGS; i++) {
		check(address_parse("203.0.113.1:1000", 0, &w.at[i]) == 0);
		w.at[i].ip[3] = (uint8_t)(1 + i / 2);
		w.at[i].port = (uint16_t)(1000 + i);
		relay_leg_init(&w.legs[i], &w.server, &random, w.now_us);
	}
	for (size_t at = 0; at + 2 <= size;)
		at += 2 + act(&w, data[at], data[at + 1], data + at + 2, size - at - 2);
	relay_count(w.relay, &counters);
	check(counters.sessions <= config.sessions_max);
	w.now_us += 100000000u;
	relay_timer(w.relay, w.now_us);
	relay_count(w.relay, &counters);
	check(counters.sessions == 0);
	relay_free(w.relay);
	return 0;
}
