/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How legs come to the relay, move and leave: its answers to HELLO, BIND and CLOSE.
 */
#include "relay_core.h"

#include <string.h>

#define FULL_RETRY_S 30u

static void refuse(struct relay *r, struct relay_out *out, unsigned int socket,
		   const struct address *to, const struct relay_message *bind,
		   enum relay_reason reason, uint32_t retry_after_s)
{
	struct relay_message m = {
		.type = RELAY_REFUSED, .reason = reason, .retry_after_s = retry_after_s,
	};

	memcpy(m.session, bind->session, sizeof m.session);
	memcpy(m.nonce, bind->nonce, sizeof m.nonce);
	relay_answer(out, socket, to, &m);
	if (reason == RELAY_STALE)
		r->counters.stale++;
	else
		r->counters.refused++;
}

static void tell_bound(struct relay *r, uint64_t now_us, struct relay_out *out,
		       const struct relay_session *s, unsigned int leg)
{
	const struct relay_place *place = &s->legs[leg];
	struct relay_message m = {
		.type = RELAY_BOUND, .quota = r->quota, .observed = place->address,
	};

	if (s->legs_n == 2)
		m.peer = s->legs[!leg].address;
	relay_cookie_make(&r->cookies, now_us, &place->address, place->nonce, m.cookie);
	relay_tell(out, s, leg, &m);
}

void relay_got_hello(struct relay *r, uint64_t now_us, unsigned int socket,
		     const struct address *from, const struct relay_message *hello,
		     struct relay_out *out)
{
	struct relay_message m = { .type = RELAY_COOKIE, .observed = *from };

	memcpy(m.nonce, hello->nonce, sizeof m.nonce);
	relay_cookie_make(&r->cookies, now_us, from, m.nonce, m.cookie);
	relay_answer(out, socket, from, &m);
	r->counters.greeted++;
}

static uint64_t key_of(const struct relay_message *m)
{
	uint8_t header[RELAY_HEADER_BYTES];

	relay_put_header(m->session, header);
	return relay_key(header);
}

/* Which leg this is: the one with its nonce or its address. 0 or 1; legs_n: a new one; -1: it
 * is not to be had. */
static int leg_of(const struct relay_session *s, const struct address *from,
		  const uint8_t *nonce)
{
	int by_address = -1, by_nonce = -1;

	for (int i = 0; i < s->legs_n; i++) {
		if (address_equal(&s->legs[i].address, from))
			by_address = i;
		if (memcmp(s->legs[i].nonce, nonce, RELAY_NONCE_BYTES) == 0)
			by_nonce = i;
	}
	if (by_nonce < 0)
		by_nonce = by_address;
	if (by_address >= 0 && by_address != by_nonce)
		return -1;
	if (by_nonce >= 0)
		return by_nonce;
	return s->legs_n < 2 ? s->legs_n : -1;
}

/* Put this leg at this address. 0 or an enum relay_reason. */
static int place(struct relay *r, struct relay_session *s, unsigned int leg,
		 unsigned int socket, const struct address *from, const uint8_t *nonce)
{
	struct relay_place *p = &s->legs[leg];

	if (leg == s->legs_n) {
		p->source = relay_source_add(&r->sources, from, r->per_ip);
		if (p->source == 0)
			return RELAY_CROWDED;
	} else if (!address_same_ip(&p->address, from)) {
		relay_source_drop(&r->sources, p->source);
		p->source = relay_source_add(&r->sources, from, r->per_ip);
		if (p->source == 0) {
			p->source = relay_source_add(&r->sources, &p->address, 0);
			return RELAY_CROWDED;
		}
	}
	p->address = *from;
	memcpy(p->nonce, nonce, sizeof p->nonce);
	s->sockets[leg] = (uint8_t)socket;
	if (leg == s->legs_n)
		s->legs_n++;
	return 0;
}

void relay_got_bind(struct relay *r, uint64_t now_us, unsigned int socket,
		    const struct address *from, const struct relay_message *bind,
		    struct relay_out *out)
{
	struct relay_session *s;
	unsigned int before;
	bool moved;
	int leg, reason;
	uint64_t key = key_of(bind);

	if (!relay_cookie_good(&r->cookies, now_us, from, bind->nonce, bind->cookie)) {
		refuse(r, out, socket, from, bind, RELAY_STALE, 0);
		return;
	}
	s = relay_session_find(r, now_us, key);
	if (s && !s->spent && relay_session_outlived(r, s, now_us))
		relay_session_spend(r, s, out);
	if (s && s->spent) {
		refuse(r, out, socket, from, bind, RELAY_SPENT, r->quota.idle_s);
		return;
	}
	if (!s)
		s = relay_session_begin(r, now_us, key);
	if (!s) {
		refuse(r, out, socket, from, bind, RELAY_FULL, FULL_RETRY_S);
		return;
	}
	leg = leg_of(s, from, bind->nonce);
	if (leg < 0) {
		refuse(r, out, socket, from, bind, RELAY_TAKEN, r->quota.idle_s);
		return;
	}
	before = s->legs_n;
	moved = leg == (int)before || !address_equal(&s->legs[leg].address, from);
	reason = place(r, s, (unsigned int)leg, socket, from, bind->nonce);
	if (reason != 0) {
		if (before == 0)
			relay_table_remove(&r->table, s);
		refuse(r, out, socket, from, bind, (enum relay_reason)reason, FULL_RETRY_S);
		return;
	}
	if (before == 0)
		r->counters.begun++;
	s->heard_s = relay_seconds(now_us);
	tell_bound(r, now_us, out, s, (unsigned int)leg);
	if (moved && s->legs_n == 2)
		tell_bound(r, now_us, out, s, !leg);
}

void relay_got_close(struct relay *r, uint64_t now_us, const struct address *from,
		     const struct relay_message *m, struct relay_out *out)
{
	struct relay_session *s = relay_session_find(r, now_us, key_of(m));

	for (unsigned int i = 0; s && i < s->legs_n; i++) {
		struct relay_message closed = { .type = RELAY_CLOSE };

		if (!address_equal(&s->legs[i].address, from) ||
		    memcmp(s->legs[i].nonce, m->nonce, sizeof m->nonce) != 0)
			continue;
		if (s->legs_n == 2)
			relay_tell(out, s, !i, &closed);
		relay_session_end(r, s);
		return;
	}
	r->counters.strange++;
}
