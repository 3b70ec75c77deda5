/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The life of the relay's sessions: where they begin, what they may use, how they end.
 */
#include "relay_core.h"

#include <string.h>

/* A sweep looks at so many sessions and comes so often: 65,536 of them in 16 s. */
#define SWEEP_SESSIONS 1024u
#define SWEEP_US 250000u

void relay_session_end(struct relay *r, struct relay_session *s)
{
	for (unsigned int i = 0; i < s->legs_n; i++)
		relay_source_drop(&r->sources, s->legs[i].source);
	relay_table_remove(&r->table, s);
}

static bool idle(const struct relay *r, const struct relay_session *s, uint32_t now_s)
{
	return now_s - s->heard_s > r->quota.idle_s;
}

struct relay_session *relay_session_find(struct relay *r, uint64_t now_us, uint64_t key)
{
	struct relay_session *s = relay_table_find(&r->table, key);

	if (s && idle(r, s, relay_seconds(now_us))) {
		relay_session_end(r, s);
		return NULL;
	}
	return s;
}

void relay_answer(struct relay_out *out, unsigned int socket, const struct address *to,
		  const struct relay_message *m)
{
	struct relay_send *send = &out->sends[out->sends_n++];

	send->socket = socket;
	send->to = *to;
	send->len = relay_put(m, send->bytes);
}

void relay_tell(struct relay_out *out, const struct relay_session *s, unsigned int leg,
		struct relay_message *m)
{
	uint8_t header[RELAY_HEADER_BYTES];

	memcpy(header, &s->key, sizeof header);
	memcpy(m->session, header + 1, sizeof m->session);
	memcpy(m->nonce, s->legs[leg].nonce, sizeof m->nonce);
	relay_answer(out, s->sockets[leg], &s->legs[leg].address, m);
}

void relay_session_spend(struct relay *r, struct relay_session *s, struct relay_out *out)
{
	for (unsigned int i = 0; i < s->legs_n; i++) {
		struct relay_message m = {
			.type = RELAY_REFUSED, .reason = RELAY_SPENT,
			.retry_after_s = r->quota.idle_s,
		};

		relay_tell(out, s, i, &m);
	}
	s->spent = true;
	r->counters.spent++;
}

bool relay_session_outlived(const struct relay *r, const struct relay_session *s,
			    uint64_t now_us)
{
	return r->quota.lasts_s > 0 && relay_seconds(now_us) - s->began_s >= r->quota.lasts_s;
}

static void sweep(struct relay *r, uint64_t now_us)
{
	uint32_t now_s = relay_seconds(now_us);

	for (unsigned int n = 0; n < SWEEP_SESSIONS && n < r->table.fresh; n++) {
		struct relay_session *s;

		if (++r->sweep_at >= r->table.fresh)
			r->sweep_at = 0;
		s = &r->table.all[r->sweep_at];
		if (s->legs_n > 0 && idle(r, s, now_s))
			relay_session_end(r, s);
	}
}

struct relay_session *relay_session_begin(struct relay *r, uint64_t now_us, uint64_t key)
{
	struct relay_session *s = relay_table_add(&r->table, key);

	if (!s) {
		sweep(r, now_us);
		s = relay_table_add(&r->table, key);
	}
	if (!s)
		return NULL;
	s->bytes_left = r->quota.bytes;
	s->began_s = relay_seconds(now_us);
	if (r->sweep_us == UINT64_MAX)
		r->sweep_us = now_us + SWEEP_US;
	return s;
}

size_t relay_session_pace(const struct relay *r, struct relay_place *from, uint64_t now_us,
			  size_t n)
{
	uint64_t now_ns = now_us * 1000u, room;

	if (r->datagram_ns == 0)
		return n;
	if (from->paced_ns < now_ns)
		from->paced_ns = now_ns;
	room = now_ns + r->burst_ns - from->paced_ns;
	if (room / r->datagram_ns < n)
		n = (size_t)(room / r->datagram_ns);
	from->paced_ns += n * r->datagram_ns;
	return n;
}

void relay_timer(struct relay *r, uint64_t now_us)
{
	if (now_us < r->sweep_us)
		return;
	sweep(r, now_us);
	r->sweep_us = r->table.n > 0 ? now_us + SWEEP_US : UINT64_MAX;
}

uint64_t relay_deadline(const struct relay *r)
{
	return r->sweep_us;
}
