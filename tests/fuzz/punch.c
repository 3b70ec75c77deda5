/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The engine against a hostile peer, which has the keys and says what the input tells it to:
 * signals and probes, rightly sealed or not, from any address, at any moment. It must neither
 * crash nor send where nobody may be sent to, nor more than etiquette.h allows.
 */
#include <stdlib.h>
#include <string.h>

#include "../../libintro/punch/candidate.h"
#include "../../libintro/punch/etiquette.h"
#include "../../libintro/punch/probe.h"
#include "../../libintro/punch/punch.h"
#include "../../libintro/punch/relay_leg.h"
#include "../../libintro/punch/signal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct input {
	const uint8_t *at;
	size_t left;
};

struct world {
	struct punch *punch;
	uint64_t now;
	struct key_pair key;
	struct keys keys;
	bool keyed;
	uint8_t tag[KEY_TAG_BYTES], public[KEY_BYTES];
	uint32_t number;
	struct probe asked;		/* the engine's last CHECK, .seen: where it went */
	uint16_t asked_socket;
	uint8_t session[RELAY_SESSION_BYTES];
	uint64_t sent_us[ETIQUETTE_RATE];	/* a ring */
	unsigned int sent;
};

static const uint8_t secret[KEY_BYTES];
static const struct punch_local locals[] = {
	{ { .family = 4, .port = 4000, .ip = { 192, 168, 1, 2 } }, 24, false },
	{ { .family = 4, .port = 4000, .ip = { 10, 1, 1, 2 } }, 24, true },
};

static void check(bool holds)
{
	if (!holds)
		abort();
}

static uint8_t take(struct input *in)
{
	if (in->left == 0)
		return 0;
	in->left--;
	return *in->at++;
}

static struct address take_address(struct input *in)
{
	static const uint8_t first[] = { 198, 10, 127, 224, 169, 192, 100, 255 };
	struct address a = { .family = 4, .ip = { 0, 51, 100, 9 } };

	a.ip[0] = first[take(in) % sizeof first];
	a.ip[3] = take(in);
	a.port = (uint16_t)(take(in) << 8 | take(in));
	return a;
}

static void on_send(struct world *w, const struct output *o)
{
	uint64_t *oldest = &w->sent_us[w->sent % ETIQUETTE_RATE];
	bool relayed = o->bytes[0] == RELAY_DATA && o->len > RELAY_HEADER_BYTES;
	size_t header = relayed ? RELAY_HEADER_BYTES : 0;
	struct probe probe;

	check(o->to.port != 0);
	check(address_scope(&o->to) == SCOPE_GLOBAL ||
	      ((candidate_is_lan(&o->to, &locals[0], 1) || candidate_is_lan(&o->to, &locals[1], 1)) &&
	       o->to.ip[3] != 0 && o->to.ip[3] != 255));
	check(w->sent < ETIQUETTE_RATE || w->now - *oldest >= 1000000);
	*oldest = w->now;
	w->sent++;
	if (w->keyed && probe_read(o->bytes + header, o->len - header, w->keys.probe_in,
				   &probe) == 0 && probe.type == PROBE_CHECK) {
		w->asked = probe;
		w->asked.seen = o->to;
		w->asked_socket = o->socket;
	}
}

static void drain(struct world *w)
{
	struct address local = { .family = 4, .ip = { 192, 168, 1, 2 } };
	struct signal s;
	struct output o;

	while (punch_take(w->punch, &o)) {
		if (o.kind == OUTPUT_SEND) {
			on_send(w, &o);
		} else if (o.kind == OUTPUT_OPEN) {
			local.port = (uint16_t)(1024 + o.socket);
			punch_opened(w->punch, w->now, o.socket, &local, 0);
		} else if (o.kind == OUTPUT_SIGNAL && signal_read(o.bytes, o.len, &s) == 0 &&
			   (s.kind == SIGNAL_OFFER || s.kind == SIGNAL_ANSWER)) {
			memcpy(w->tag, s.tag, sizeof w->tag);
			memcpy(w->public, s.public, sizeof w->public);
			memcpy(w->session, s.session, sizeof w->session);
			w->keyed = keys_agree(&w->keys, &w->key, s.public, secret, s.tag,
					      s.kind == SIGNAL_ANSWER) == 0;
		}
	}
}

/* A signal of the input's, sealed as the protocol has it. */
static void signal_one(struct world *w, struct input *in)
{
	struct signal s = { .kind = 1 + take(in) % (SIGNAL_KINDS - 1), .number = ++w->number };
	uint8_t bytes[SIGNAL_BYTES_MAX], flags = take(in), offer_key[KEY_BYTES];
	size_t len;

	s.opened = flags & 1;
	s.low_ports = flags & 2;
	s.has_session = flags & 4;
	s.generation = take(in);
	memcpy(s.tag, w->tag, sizeof s.tag);
	memcpy(s.public, w->key.public, sizeof s.public);
	s.nat.mapping = take(in) % (NAT_MAPPING_ADDRESS_PORT_DEPENDENT + 1);
	s.nat.ports = take(in) % (NAT_PORTS_RANDOM + 1);
	s.nat.poisoned = take(in) % 3;
	s.nat.low_ports = take(in) % 3;
	s.nat.step = (int16_t)(take(in) << 8 | take(in));
	s.nat.last = (uint16_t)(take(in) << 8 | take(in));
	s.nat.foreign = (uint16_t)(take(in) << 8 | take(in));
	s.nat.set.low = (uint16_t)(take(in) << 8 | take(in));
	s.nat.set.high = (uint16_t)(take(in) << 8 | take(in));
	s.nat.set.stride = take(in);
	for (unsigned int n = take(in) % (ETIQUETTE_CANDIDATES + 1); n > 0; n--) {
		struct address a = take_address(in);

		candidates_add(&s.candidates, 1 + take(in) % 3, &a);
	}
	key_of_offer(offer_key, secret);
	len = signal_write(&s, s.kind == SIGNAL_OFFER ? offer_key : w->keys.signal_out, bytes);
	punch_signal(w->punch, w->now, bytes, len);
}

static void probe_one(struct world *w, struct input *in, bool relayed)
{
	static const struct address relay = { .family = 4, .port = 3478, .ip = { 203, 0, 113, 1 } };
	uint8_t bytes[RELAY_HEADER_BYTES + PROBE_PADDED_BYTES] = { RELAY_DATA };
	struct address from = relayed ? relay : take_address(in);
	const uint8_t *payload;
	size_t payload_len;
	uint16_t socket = take(in) % 4;
	struct probe p = {
		.type = PROBE_CHECK + take(in) % 2,
		.flags = take(in),
		.number = ++w->number,
		.answers = take(in),
		.seen = from,
		.len = take(in) % 2 ? PROBE_BYTES : PROBE_PADDED_BYTES,
	};

	/* half of the answers are right */
	if (p.type == PROBE_REPLY && p.answers % 2) {
		p.answers = w->asked.number;
		from = w->asked.seen;
		socket = w->asked_socket;
		relayed = address_equal(&from, &relay);
		memcpy(p.echo, w->asked.echo, sizeof p.echo);
	}
	memcpy(p.tag, w->tag, sizeof p.tag);
	probe_write(&p, w->keys.probe_out, bytes + RELAY_HEADER_BYTES);
	memcpy(bytes + 1, w->session, sizeof w->session);
	if (relayed)
		punch_datagram(w->punch, w->now, socket, &from, bytes, RELAY_HEADER_BYTES + p.len,
			       &payload, &payload_len);
	else
		punch_datagram(w->punch, w->now, socket, &from, bytes + RELAY_HEADER_BYTES, p.len,
			       &payload, &payload_len);
}

static void raw_one(struct world *w, struct input *in, bool signal)
{
	size_t len = take(in);
	struct address from;
	const uint8_t *payload;
	size_t payload_len;

	if (signal) {
		len = len < in->left ? len : in->left;
		punch_signal(w->punch, w->now, in->at, len);
	} else {
		from = take_address(in);
		len = len < in->left ? len : in->left;
		punch_datagram(w->punch, w->now, 0, &from, in->at, len, &payload, &payload_len);
	}
	in->at += len;
	in->left -= len;
}

static void step(struct world *w, struct input *in)
{
	struct address a;
	uint64_t due;

	switch (take(in) % 8) {
	case 0:
		signal_one(w, in);
		break;
	case 1:
		probe_one(w, in, false);
		break;
	case 2:
		probe_one(w, in, true);
		break;
	case 3:
		raw_one(w, in, true);
		break;
	case 4:
		raw_one(w, in, false);
		break;
	case 5:
		a = take_address(in);
		punch_observed(w->punch, w->now, &a);
		break;
	case 6:
		punch_sent(w->punch, w->now);
		break;
	default:
		due = punch_deadline(w->punch);
		w->now = due == UINT64_MAX ? w->now + 1000 : due > w->now ? due : w->now + 1;
		punch_timer(w->punch, w->now);
	}
	drain(w);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct punch_config config = { .locals = locals, .locals_n = 2 };
	struct input in = { data, size };
	static struct world w;
	uint8_t seed[KEY_BYTES] = { 3 };

	memset(&w, 0, sizeof w);
	w.now = 1000000;
	config.role = take(&in) % 2 ? PUNCH_OFFERER : PUNCH_ANSWERER;
	config.nat.mapping = take(&in) % (NAT_MAPPING_ADDRESS_PORT_DEPENDENT + 1);
	config.nat.ports = take(&in) % (NAT_PORTS_RANDOM + 1);
	config.nat.step = 1;
	config.nat.last = 2000;
	config.low_ports = take(&in) % 2;
	if (take(&in) % 2)
		config.relay = (struct address){ .family = 4, .port = 3478, .ip = { 203, 0, 113, 1 } };
	key_pair_make(&w.key, seed);
	if (punch_new(&w.punch, &config, w.now) < 0)
		return 0;
	drain(&w);
	while (in.left > 0)
		step(&w, &in);
	punch_free(w.punch);
	return 0;
}
