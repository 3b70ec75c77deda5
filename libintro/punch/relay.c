/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The relay of relay.h: what comes in, and the forwarding of it.
 */
#include "relay_core.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define SESSIONS_LIMIT (1u << 24)

/* What a leg may send at once beyond its even rate, as a share of a second and at least so many
 * datagrams: one train of a sender that offloads segmentation. */
#define BURST_NS 250000000u
#define BURST_DATAGRAMS 64u

int relay_new(struct relay **ret, const struct relay_config *config, uint64_t now_us)
{
	uint8_t seed[RANDOM_SEED_BYTES], keys[2][crypto_shorthash_KEYBYTES];
	struct random random;
	struct relay *r;

	if (config->quota.idle_s == 0 || config->sessions_max == 0 ||
	    config->sessions_max > SESSIONS_LIMIT)
		return -EINVAL;
	r = calloc(1, sizeof *r);
	if (!r)
		return -ENOMEM;
	random_init(&random, config->seed);
	random_bytes(&random, keys, sizeof keys);
	random_bytes(&random, seed, sizeof seed);
	relay_cookies_init(&r->cookies, seed, now_us);
	sodium_memzero(seed, sizeof seed);
	sodium_memzero(&random, sizeof random);
	r->quota = config->quota;
	r->per_ip = config->sessions_per_ip;
	r->sweep_us = UINT64_MAX;
	if (r->quota.packets_s > 0) {
		r->datagram_ns = 1000000000u / r->quota.packets_s;
		r->burst_ns = BURST_DATAGRAMS * r->datagram_ns;
		r->burst_ns = r->burst_ns > BURST_NS ? r->burst_ns : BURST_NS;
	}
	if (relay_deny_init(&r->deny, config) < 0) {
		free(r);
		return -EINVAL;
	}
	if (relay_table_init(&r->table, config->sessions_max, keys[0]) < 0 ||
	    relay_sources_init(&r->sources, config->sessions_max * 2, keys[1]) < 0) {
		relay_free(r);
		return -ENOMEM;
	}
	*ret = r;
	return 0;
}

void relay_free(struct relay *r)
{
	if (!r)
		return;
	relay_table_free(&r->table);
	relay_sources_free(&r->sources);
	sodium_memzero(&r->cookies, sizeof r->cookies);
	free(r);
}

bool relay_denies(const struct relay *r, const struct address *a)
{
	return relay_denied(&r->deny, a);
}

static void got_control(struct relay *r, uint64_t now_us, unsigned int socket,
			const struct address *from, const void *packet, size_t len,
			struct relay_out *out)
{
	struct relay_message m;

	if (relay_parse(packet, len, &m) < 0) {
		r->counters.strange++;
		return;
	}
	if (relay_denied(&r->deny, from)) {
		r->counters.denied++;
		return;
	}
	switch (m.type) {
	case RELAY_HELLO:
		relay_got_hello(r, now_us, socket, from, &m, out);
		break;
	case RELAY_BIND:
		relay_got_bind(r, now_us, socket, from, &m, out);
		break;
	case RELAY_CLOSE:
		relay_got_close(r, now_us, from, &m, out);
		break;
	default:
		r->counters.strange++;
		break;
	}
}

static void got_data(struct relay *r, uint64_t now_us, const struct address *from,
		     const uint8_t *packet, size_t len, size_t segment, struct relay_out *out)
{
	struct relay_session *s = relay_session_find(r, now_us, relay_key(packet));
	size_t n = (len + segment - 1) / segment, allowed, payload;
	unsigned int leg;

	if (!s || s->legs_n < 2 || s->spent) {
		r->counters.strange += n;
		return;
	}
	leg = !address_equal(from, &s->legs[0].address);
	if (leg == 1 && !address_equal(from, &s->legs[1].address)) {
		r->counters.strange += n;
		return;
	}
	allowed = relay_session_pace(r, &s->legs[leg], now_us, n);
	r->counters.limited += n - allowed;
	if (allowed < n)
		len = allowed * segment;
	payload = len - allowed * RELAY_HEADER_BYTES;
	if (relay_session_outlived(r, s, now_us) ||
	    (r->quota.bytes > 0 && payload > s->bytes_left)) {
		relay_session_spend(r, s, out);
		return;
	}
	s->heard_s = relay_seconds(now_us);
	if (r->quota.bytes > 0)
		s->bytes_left -= payload;
	r->counters.forwarded += allowed;
	r->counters.bytes += payload;
	out->forward = len;
	out->socket = s->sockets[!leg];
	out->to = s->legs[!leg].address;
	out->lane = ((uint32_t)(s - r->table.all) - 1) * 2 + leg;
}

size_t relay_run(const void *packets, size_t len, size_t segment)
{
	const uint8_t *p = packets;
	size_t run = segment;

	if (segment == 0 || segment >= len)
		return len;
	if (p[0] != RELAY_DATA || segment < RELAY_HEADER_BYTES)
		return segment;
	while (len - run >= RELAY_HEADER_BYTES && memcmp(p + run, p, RELAY_HEADER_BYTES) == 0) {
		if (len - run <= segment)
			return len;
		run += segment;
	}
	return run;
}

void relay_receive(struct relay *r, uint64_t now_us, unsigned int socket,
		   const struct address *from, const void *packet, size_t len, size_t segment,
		   struct relay_out *ret)
{
	const uint8_t *p = packet;

	ret->forward = 0;
	ret->sends_n = 0;
	if (socket >= RELAY_SOCKETS_MAX)
		return;
	if (len >= RELAY_HEADER_BYTES && p[0] == RELAY_DATA && segment >= RELAY_HEADER_BYTES)
		got_data(r, now_us, from, p, len, segment < len ? segment : len, ret);
	else
		got_control(r, now_us, socket, from, packet, len, ret);
}

void relay_count(const struct relay *r, struct relay_counters *ret)
{
	*ret = r->counters;
	ret->sessions = r->table.n;
}
