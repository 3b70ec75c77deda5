/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The two ends of duel.h, and the network between them.
 */
#include "duel.h"

#include <stdlib.h>
#include <string.h>

#include "harness.h"

#define START_US 1000000u
#define DELAY_US 10000u

static void expect(bool holds, const char *what)
{
	if (!holds)
		harness_fail("duel: %s", what);
}

struct address duel_at(const char *text)
{
	struct address a;

	expect(address_parse(text, 0, &a) == 0, text);
	return a;
}

void duel_default(struct duel_config *ret, uint8_t seed)
{
	static const char *const hosts[2] = { "198.51.100.10:4000", "198.51.100.20:4000" };

	memset(ret, 0, sizeof *ret);
	for (unsigned int i = 0; i < 2; i++) {
		struct punch_config *c = &ret->ends[i];

		c->role = i == 0 ? PUNCH_OFFERER : PUNCH_ANSWERER;
		memset(c->seed, seed, sizeof c->seed);
		c->seed[0] = (uint8_t)i;
		memset(c->secret, 0x5e, sizeof c->secret);
		ret->locals[i][0] = (struct punch_local){ duel_at(hosts[i]), 32, false };
		c->locals_n = 1;
		c->nat.mapping = NAT_MAPPING_ENDPOINT_INDEPENDENT;
	}
}

/* ---- what is under way ---- */

static void *grown(void *list, size_t n, size_t *size, size_t each)
{
	if (n < *size)
		return list;
	*size = *size ? *size * 2 : 256;
	list = realloc(list, *size * each);
	expect(list, "memory");
	return list;
}

static void enqueue(struct duel *d, const struct duel_item *item)
{
	struct duel_item *copy = calloc(1, sizeof *copy);
	size_t i;

	expect(copy, "memory");
	*copy = *item;
	d->queue = grown(d->queue, d->queue_n, &d->queue_size, sizeof *d->queue);
	for (i = d->queue_n++; i > 0 && d->queue[i - 1]->at_us > item->at_us; i--)
		d->queue[i] = d->queue[i - 1];
	d->queue[i] = copy;
}

static void dispatch(struct duel *d, struct duel_item *item)
{
	if (d->hook)
		d->hook(d, item);
	if (!item->drop && item->to_end != DUEL_NOWHERE)
		enqueue(d, item);
}

struct address duel_socket(const struct duel *d, unsigned int end, uint16_t socket)
{
	struct address a = d->ends[end].host;

	a.port = (uint16_t)(a.port + socket);
	return a;
}

static unsigned int whose(const struct duel *d, const struct address *to)
{
	for (unsigned int i = 0; i < 2; i++) {
		if (address_same_ip(to, &d->ends[i].host))
			return i;
	}
	return address_equal(to, &d->stun) || address_equal(to, &d->relay_at) ?
		       (unsigned int)DUEL_SERVER : (unsigned int)DUEL_NOWHERE;
}

static void transmit(struct duel *d, unsigned int from_end, const struct address *from,
		     const struct address *to, uint8_t ttl, const void *bytes, size_t len)
{
	struct duel_item item = {
		.from_end = from_end,
		.to_end = whose(d, to),
		.from = *from,
		.to = *to,
		.at_us = d->now_us + d->delay_us,
		.ttl = ttl,
		/* an opener dies on the way */
		.drop = ttl != 0,
		.len = len,
	};

	expect(len <= sizeof item.bytes, "a long datagram");
	memcpy(item.bytes, bytes, len);
	dispatch(d, &item);
}

void duel_inject(struct duel *d, unsigned int end, uint16_t socket, const struct address *from,
		 const void *bytes, size_t len, uint64_t delay_us)
{
	struct duel_item item = {
		.from_end = DUEL_NOWHERE,
		.to_end = end,
		.from = *from,
		.to = duel_socket(d, end, socket),
		.at_us = d->now_us + delay_us,
		.len = len,
	};

	expect(len <= sizeof item.bytes, "a long datagram");
	memcpy(item.bytes, bytes, len);
	enqueue(d, &item);
}

void duel_signal(struct duel *d, unsigned int end, const void *bytes, size_t len,
		 uint64_t delay_us)
{
	struct duel_item item = {
		.signal = true,
		.from_end = DUEL_NOWHERE,
		.to_end = end,
		.at_us = d->now_us + delay_us,
		.len = len,
	};

	expect(len <= sizeof item.bytes, "a long datagram");
	memcpy(item.bytes, bytes, len);
	enqueue(d, &item);
}

/* ---- what an end wants done ---- */

static void note_sent(struct duel *d, unsigned int end, const struct output *o)
{
	d->sent = grown(d->sent, d->sent_n, &d->sent_size, sizeof *d->sent);
	d->sent[d->sent_n++] = (struct duel_sent){
		.at_us = d->now_us,
		.end = end,
		.signal = o->kind == OUTPUT_SIGNAL,
		.socket = o->socket,
		.first = o->len > 0 ? o->bytes[0] : 0,
		.ttl = o->ttl,
		.to = o->to,
		.len = o->len,
	};
}

static void note_event(struct duel_end *e, const struct output *o)
{
	struct punch_event event;

	memcpy(&event, o->bytes, sizeof event);
	if (e->events_n < DUEL_EVENTS_MAX)
		e->events[e->events_n++] = event;
	e->connected += event.kind == PUNCH_CONNECTED;
	e->moved += event.kind == PUNCH_MOVED;
	e->failed += event.kind == PUNCH_FAILED;
}

static void act(struct duel *d, unsigned int end, const struct output *o)
{
	struct duel_end *e = &d->ends[end];
	struct address from = duel_socket(d, end, o->socket);
	struct duel_item item = {
		.signal = true,
		.from_end = end,
		.to_end = 1 - end,
		.at_us = d->now_us + d->delay_us,
		.len = o->len,
	};

	switch (o->kind) {
	case OUTPUT_SEND:
		expect(e->open[o->socket], "sent from a closed socket");
		note_sent(d, end, o);
		transmit(d, end, &from, &o->to, o->ttl, o->bytes, o->len);
		break;
	case OUTPUT_OPEN:
		expect(o->socket < sizeof e->open, "too many sockets");
		e->open[o->socket] = true;
		punch_opened(e->punch, d->now_us, o->socket, &from, 0);
		break;
	case OUTPUT_CLOSE:
		e->open[o->socket] = false;
		break;
	case OUTPUT_SIGNAL:
		note_sent(d, end, o);
		memcpy(item.bytes, o->bytes, o->len);
		dispatch(d, &item);
		break;
	case OUTPUT_EVENT:
		note_event(e, o);
		break;
	}
}

static void drain(struct duel *d, unsigned int end)
{
	struct output o;

	while (d->ends[end].punch && punch_take(d->ends[end].punch, &o)) {
		struct output copy = o;
		uint8_t bytes[OUTPUT_BYTES_MAX];

		memcpy(bytes, o.bytes ? o.bytes : (const uint8_t *)"", o.len);
		copy.bytes = bytes;
		act(d, end, &copy);
	}
}

/* ---- arriving ---- */

static void serve(struct duel *d, const struct duel_item *item)
{
	struct stun_server server = { .at = { { d->stun } } };
	struct stun_answer answer;
	struct relay_out out;

	if (address_equal(&item->to, &d->stun)) {
		if (stun_server_answer(&server, 0, 0, &item->from, item->bytes, item->len, &answer))
			transmit(d, DUEL_SERVER, &d->stun, &answer.to, 0, answer.bytes, answer.len);
		return;
	}
	relay_receive(d->relay, d->now_us, 0, &item->from, item->bytes, item->len, item->len, &out);
	if (out.forward > 0)
		transmit(d, DUEL_SERVER, &d->relay_at, &out.to, 0, item->bytes, out.forward);
	for (unsigned int i = 0; i < out.sends_n; i++)
		transmit(d, DUEL_SERVER, &d->relay_at, &out.sends[i].to, 0, out.sends[i].bytes,
			 out.sends[i].len);
}

static void arrive(struct duel *d, const struct duel_item *item)
{
	struct duel_end *e = &d->ends[item->to_end < 2 ? item->to_end : 0];
	uint16_t socket = (uint16_t)(item->to.port - e->host.port);
	const uint8_t *payload;
	size_t len;

	if (item->to_end == DUEL_SERVER) {
		serve(d, item);
	} else if (e->punch && item->signal) {
		if (d->observes)
			punch_observed(e->punch, d->now_us, &d->ends[1 - item->to_end].host);
		punch_signal(e->punch, d->now_us, item->bytes, item->len);
	} else if (e->punch && socket < sizeof e->open && e->open[socket] &&
		   punch_datagram(e->punch, d->now_us, socket, &item->from, item->bytes, item->len,
				  &payload, &len) == PUNCH_DATA) {
		e->datas++;
		e->data_from = item->from;
		e->data_socket = socket;
		e->data_len = len;
		memcpy(e->data, payload, len < sizeof e->data ? len : sizeof e->data);
	}
	if (item->to_end < 2)
		drain(d, item->to_end);
}

bool duel_say(struct duel *d, unsigned int end, const void *bytes, size_t len)
{
	struct duel_end *e = &d->ends[end];
	const struct punch_path *path = punch_path(e->punch);
	struct address from = duel_socket(d, end, path->socket);
	uint8_t packet[DUEL_BYTES_MAX];

	if (path->kind == PUNCH_PATH_NONE)
		return false;
	expect(path->header_bytes + len <= sizeof packet, "long data");
	memcpy(packet, path->header, path->header_bytes);
	memcpy(packet + path->header_bytes, bytes, len);
	transmit(d, end, &from, &path->to, 0, packet, path->header_bytes + len);
	punch_sent(e->punch, d->now_us);
	drain(d, end);
	return true;
}

/* ---- time ---- */

/* The next thing that happens, no later than the moment; false: none. */
static bool step(struct duel *d, uint64_t until)
{
	uint64_t due[3] = { UINT64_MAX, UINT64_MAX, UINT64_MAX };
	unsigned int first = 2;
	struct duel_item *item;

	if (d->queue_n > 0)
		due[2] = d->queue[0]->at_us;
	for (unsigned int i = 0; i < 2; i++) {
		if (d->ends[i].punch)
			due[i] = punch_deadline(d->ends[i].punch);
		if (due[i] < due[first])
			first = i;
	}
	if (due[first] > until)
		return false;
	if (due[first] > d->now_us)
		d->now_us = due[first];
	if (first < 2) {
		punch_timer(d->ends[first].punch, d->now_us);
		drain(d, first);
		return true;
	}
	item = d->queue[0];
	memmove(d->queue, d->queue + 1, --d->queue_n * sizeof *d->queue);
	arrive(d, item);
	free(item);
	return true;
}

static bool direct(const struct duel_end *e)
{
	return e->punch && (punch_path(e->punch)->kind == PUNCH_PATH_DIRECT ||
			    punch_path(e->punch)->kind == PUNCH_PATH_LAN);
}

void duel_run(struct duel *d, uint64_t until_us)
{
	while (step(d, START_US + until_us))
		;
	d->now_us = START_US + until_us;
}

bool duel_meet(struct duel *d, uint64_t until_us)
{
	while (!direct(&d->ends[0]) || !direct(&d->ends[1])) {
		if (!step(d, START_US + until_us))
			return false;
	}
	return true;
}

/* ---- beginning, end, and what was sent ---- */

void duel_begin(struct duel *d, const struct duel_config *config)
{
	struct relay_config relay = { .quota.idle_s = 60, .sessions_max = 16 };

	memset(d, 0, sizeof *d);
	d->now_us = START_US;
	d->delay_us = DELAY_US;
	d->observes = true;
	d->hook = config->hook;
	d->arg = config->arg;
	if (config->stun)
		d->stun = duel_at("203.0.113.8:3478");
	if (config->relay) {
		d->relay_at = duel_at("203.0.113.9:3478");
		expect(relay_new(&d->relay, &relay, d->now_us) == 0, "relay_new");
	}
	for (unsigned int i = 0; i < 2; i++) {
		struct punch_config c = config->ends[i];

		d->ends[i].host = config->locals[i][0].address;
		d->ends[i].open[0] = true;
		if (config->absent[i])
			continue;
		c.locals = config->locals[i];
		c.servers[0] = d->stun;
		c.relay = d->relay_at;
		if (!c.host)
			c.host = &d->hosts[i];
		expect(punch_new(&d->ends[i].punch, &c, d->now_us) == 0, "punch_new");
	}
	/* what the first one says may want the second one to be there */
	drain(d, 0);
	drain(d, 1);
}

void duel_end(struct duel *d)
{
	for (size_t i = 0; i < d->queue_n; i++)
		free(d->queue[i]);
	free(d->queue);
	free(d->sent);
	punch_free(d->ends[0].punch);
	punch_free(d->ends[1].punch);
	relay_free(d->relay);
}

unsigned int duel_sent_to(const struct duel *d, unsigned int end, const struct address *to)
{
	unsigned int n = 0;

	for (size_t i = 0; i < d->sent_n; i++) {
		const struct duel_sent *s = &d->sent[i];

		n += s->end == end && !s->signal &&
		     (to->port ? address_equal(&s->to, to) : address_same_ip(&s->to, to));
	}
	return n;
}

size_t duel_bytes(const struct duel *d, unsigned int end)
{
	size_t n = 0;

	for (size_t i = 0; i < d->sent_n; i++)
		n += d->sent[i].end == end ? d->sent[i].len : 0;
	return n;
}
