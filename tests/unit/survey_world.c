/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The world of survey_world.h: one queue of packets on their way, one table of mappings.
 */
#include "survey_world.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../../libintro/punch/random.h"
#include "harness.h"

#define SOCKETS 64u
#define PACKETS 512u
#define MAPPINGS 512u
#define REMOTES 16u
#define SERVER_HOP 6u

struct packet {
	bool used, outbound;
	uint64_t at_us;
	struct address from, to;
	uint8_t bytes[256];
	size_t len;
};

struct mapping {
	uint16_t internal;
	struct address key;		/* the part of the remote that it depends on */
	struct address external;
	struct address remotes[REMOTES];
	unsigned int remotes_n;
	uint64_t used_us;
};

struct world {
	struct world_nat nat;
	struct random random;
	uint64_t now_us;
	struct stun_server servers[2];
	struct address host;
	uint16_t ports[SOCKETS];	/* of the host's sockets; 0: closed */
	struct packet packets[PACKETS];
	struct mapping mappings[MAPPINGS];
	unsigned int mappings_n;
	struct { uint16_t port; struct address remote; } poison[MAPPINGS];
	unsigned int poison_n;
	uint16_t next;
	struct survey *survey;
};

static struct address at(const char *text)
{
	struct address a;

	cr_assert_eq(address_parse(text, 0, &a), 0);
	return a;
}

static void post(struct world *w, bool outbound, const struct address *from,
		 const struct address *to, const void *bytes, size_t len)
{
	if (random_below(&w->random, 100) < w->nat.loss)
		return;
	for (size_t i = 0; i < PACKETS; i++) {
		struct packet *p = &w->packets[i];

		if (p->used)
			continue;
		*p = (struct packet){ true, outbound, w->now_us + w->nat.one_way_us, *from, *to,
				      { 0 }, len };
		cr_assert_leq(len, sizeof p->bytes);
		memcpy(p->bytes, bytes, len);
		return;
	}
	cr_assert_fail("too many packets");
}

/* ---- the NAT ---- */

static struct address key_of(enum nat_mapping mapping, const struct address *remote)
{
	struct address key = *remote;

	if (mapping != NAT_MAPPING_ADDRESS_PORT_DEPENDENT)
		key.port = 0;
	return mapping == NAT_MAPPING_ENDPOINT_INDEPENDENT || mapping == NAT_MAPPING_NONE ?
		       (struct address){ 0 } : key;
}

static uint16_t new_port(struct world *w, uint16_t internal)
{
	if (w->nat.low_class && internal >= 512 && internal < 1024)
		return (uint16_t)(600 + random_below(&w->random, 424));
	switch (w->nat.ports) {
	case NAT_PORTS_PRESERVING:
		return internal;
	case NAT_PORTS_SEQUENTIAL:
		return w->next = (uint16_t)(w->next + w->nat.step);
	case NAT_PORTS_BLOCK:
		return (uint16_t)(8192 + random_below(&w->random, 1024));
	case NAT_PORTS_PARITY:
		return (uint16_t)(1024 + 2 * random_below(&w->random, 32256) + (internal & 1));
	default:
		return (uint16_t)(1024 + random_below(&w->random, 64512));
	}
}

static bool is_taken(const struct world *w, const struct address *external)
{
	for (unsigned int i = 0; i < w->mappings_n; i++) {
		if (address_equal(&w->mappings[i].external, external))
			return true;
	}
	return false;
}

static struct mapping *add_mapping(struct world *w, uint16_t internal, const struct address *key,
				   bool any_port)
{
	struct mapping *m = &w->mappings[w->mappings_n];

	cr_assert_lt(w->mappings_n, MAPPINGS);
	*m = (struct mapping){ .internal = internal, .key = *key, .used_us = w->now_us };
	m->external = w->nat.mapping == NAT_MAPPING_NONE ? w->host : at("203.0.113.1");
	if (w->nat.mapping == NAT_MAPPING_NONE) {
		m->external.port = internal;
	} else {
		m->external.ip[3] = (uint8_t)(1 + random_below(&w->random, w->nat.addresses));
		do
			m->external.port = any_port ? (uint16_t)(1024 + random_below(&w->random, 64512)) :
						      new_port(w, internal);
		while (is_taken(w, &m->external));
	}
	w->mappings_n++;
	return m;
}

static bool is_poisoned(const struct world *w, uint16_t port, const struct address *remote)
{
	for (unsigned int i = 0; i < w->poison_n; i++) {
		if (w->poison[i].port == port && address_equal(&w->poison[i].remote, remote))
			return true;
	}
	return false;
}

static bool is_dead(const struct world *w, const struct mapping *m)
{
	return w->nat.lifetime_us > 0 && w->now_us - m->used_us > w->nat.lifetime_us;
}

static struct mapping *find_mapping(struct world *w, uint16_t internal,
				    const struct address *key)
{
	for (unsigned int i = 0; i < w->mappings_n; i++) {
		struct mapping *m = &w->mappings[i];

		if (m->internal == internal && address_equal(&m->key, key) && !is_dead(w, m))
			return m;
	}
	return NULL;
}

static struct mapping *translate(struct world *w, uint16_t internal,
				 const struct address *remote)
{
	struct address key = key_of(w->nat.mapping, remote);
	struct mapping *m = find_mapping(w, internal, remote);

	if (!m)
		m = find_mapping(w, internal, &key);
	if (m && is_poisoned(w, m->external.port, remote))
		m = add_mapping(w, internal, remote, true);
	if (!m)
		m = add_mapping(w, internal, &key, false);
	m->used_us = w->now_us;
	for (unsigned int i = 0; i < m->remotes_n; i++) {
		if (address_equal(&m->remotes[i], remote))
			return m;
	}
	cr_assert_lt(m->remotes_n, REMOTES);
	m->remotes[m->remotes_n++] = *remote;
	return m;
}

static bool lets_in(const struct world *w, const struct mapping *m, const struct address *remote)
{
	if (w->nat.filtering == NAT_FILTERING_ENDPOINT_INDEPENDENT)
		return true;
	for (unsigned int i = 0; i < m->remotes_n; i++) {
		if (w->nat.filtering == NAT_FILTERING_ADDRESS_DEPENDENT ?
			    address_same_ip(&m->remotes[i], remote) :
			    address_equal(&m->remotes[i], remote))
			return true;
	}
	return false;
}

static void arrive_inside(struct world *w, const struct packet *p)
{
	for (unsigned int i = 0; i < w->mappings_n; i++) {
		struct mapping *m = &w->mappings[i];

		if (!address_equal(&m->external, &p->to) || is_dead(w, m) ||
		    !lets_in(w, m, &p->from))
			continue;
		m->used_us = w->now_us;
		for (uint16_t n = 0; n < SOCKETS; n++) {
			if (w->ports[n] == m->internal)
				survey_datagram(w->survey, w->now_us, n, &p->from, p->bytes, p->len);
		}
		return;
	}
	if (w->nat.accepts) {
		w->poison[w->poison_n].port = p->to.port;
		w->poison[w->poison_n++].remote = p->from;
		cr_assert_lt(w->poison_n, MAPPINGS);
	}
}

static void arrive_outside(struct world *w, const struct packet *p)
{
	for (unsigned int n = 0; n < 8; n++) {
		struct stun_server *server = &w->servers[n / 4];
		unsigned int ip = n / 2 % 2, port = n % 2;
		struct stun_answer a;

		if (n / 4 < w->nat.servers && address_equal(&server->at[ip][port], &p->to) &&
		    stun_server_answer(server, ip, port, &p->from, p->bytes, p->len, &a))
			post(w, false, &server->at[a.ip][a.port], &a.to, a.bytes, a.len);
	}
}

/* ---- the host ---- */

static void host_send(struct world *w, const struct output *o)
{
	struct mapping *m;

	if (o->ttl != 0 && o->ttl < w->nat.hop)
		return;
	m = translate(w, w->ports[o->socket], &o->to);
	if (o->ttl != 0 && o->ttl < SERVER_HOP)
		return;
	if (o->to.ip[0] == m->external.ip[0] && o->to.ip[1] == m->external.ip[1]) {
		if (w->nat.hairpin)
			post(w, false, &m->external, &o->to, o->bytes, o->len);
		return;
	}
	post(w, true, &m->external, &o->to, o->bytes, o->len);
}

static void host_open(struct world *w, const struct output *o)
{
	struct address local = w->host;

	cr_assert_lt(o->socket, SOCKETS);
	cr_assert_eq(w->ports[o->socket], 0);
	if (o->bind == OUTPUT_BIND_LOW && w->nat.low_refused) {
		survey_opened(w->survey, w->now_us, o->socket, NULL, -EACCES);
		return;
	}
	local.port = o->bind == OUTPUT_BIND_LOW ? (uint16_t)(512 + random_below(&w->random, 88)) :
						  (uint16_t)(32768 + random_below(&w->random, 28000));
	w->ports[o->socket] = local.port;
	survey_opened(w->survey, w->now_us, o->socket, &local, 0);
}

static void drive(struct world *w)
{
	struct output o;

	while (survey_take(w->survey, &o)) {
		if (o.kind == OUTPUT_SEND && w->ports[o.socket] != 0)
			host_send(w, &o);
		else if (o.kind == OUTPUT_OPEN)
			host_open(w, &o);
		else if (o.kind == OUTPUT_CLOSE)
			w->ports[o.socket] = 0;
	}
}

static bool step(struct world *w)
{
	struct packet *first = NULL, now;
	uint64_t deadline = survey_deadline(w->survey);

	if (deadline == UINT64_MAX)
		return false;
	for (size_t i = 0; i < PACKETS; i++) {
		struct packet *p = &w->packets[i];

		if (p->used && (!first || p->at_us < first->at_us))
			first = p;
	}
	if (!first || first->at_us > deadline) {
		w->now_us = deadline > w->now_us ? deadline : w->now_us;
		survey_timer(w->survey, w->now_us);
		return true;
	}
	now = *first;
	first->used = false;
	w->now_us = now.at_us;
	if (now.outbound)
		arrive_outside(w, &now);
	else
		arrive_inside(w, &now);
	return true;
}

uint64_t world_survey(const struct world_nat *nat, struct survey_config *config,
		      struct nat *ret)
{
	struct world *w = calloc(1, sizeof *w);
	const uint64_t begun_us = 1000000;
	uint64_t took_us;

	cr_assert(w);
	w->nat = *nat;
	w->nat.addresses = nat->addresses ? nat->addresses : 1;
	memcpy(config->seed, &nat->seed, sizeof nat->seed);
	random_init(&w->random, config->seed);
	w->next = (uint16_t)(2000 + random_below(&w->random, 60000));
	w->now_us = begun_us;
	w->host = at(nat->mapping == NAT_MAPPING_NONE ? "198.51.100.9" : "10.0.0.9");
	for (unsigned int i = 0; i < 8; i++) {
		struct address *a = &w->servers[i / 4].at[i / 2 % 2][i % 2];

		if (nat->plain && i % 4 != 0)
			continue;
		*a = at("192.0.2.1");
		a->ip[3] = (uint8_t)(1 + i / 2);
		a->port = (uint16_t)(3478 + i % 2);
	}
	config->servers[0] = w->servers[0].at[0][0];
	if (nat->servers > 1)
		config->servers[1] = w->servers[1].at[0][0];
	config->locals = &w->host;
	config->locals_n = 1;
	if (config->limit_us == 0)
		config->limit_us = 1800000;
	cr_assert_eq(survey_new(&w->survey, config, w->now_us), 0);
	do
		drive(w);
	while (step(w));
	cr_assert(survey_result(w->survey, ret));
	for (size_t i = 0; i < SOCKETS; i++)
		cr_assert_eq(w->ports[i], 0, "a socket was not closed");
	took_us = w->now_us - begun_us;
	survey_free(w->survey);
	free(w);
	return took_us;
}
