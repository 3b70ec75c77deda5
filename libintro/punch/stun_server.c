/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The answers of stun_server.h.
 */
#include "stun_server.h"

#include <string.h>

#include "bytes.h"
#include "etiquette.h"

static void begin(struct stun_writer *w, struct stun_answer *a, uint16_t type,
		  const struct stun_message *request)
{
	stun_begin_answer(w, a->bytes, sizeof a->bytes, type, request);
}

/* Append an address while the answer stays within what the request pays for. */
static void put_within(struct stun_writer *w, uint16_t attribute, const struct address *a,
		       size_t limit)
{
	if (w->used + 8 + address_ip_bytes(a) <= limit)
		stun_put_address(w, attribute, a);
}

static void refuse_unknown(struct stun_writer *w, struct stun_answer *ret,
			   const struct stun_message *m, size_t limit)
{
	uint8_t list[2 * STUN_UNKNOWN_MAX];

	for (unsigned int i = 0; i < m->unknown_n; i++)
		put_be16(list + 2 * i, m->unknown[i]);
	begin(w, ret, STUN_BINDING_ERROR, m);
	stun_put_error(w, 420, "");
	if (w->used + 4 + ((2 * m->unknown_n + 3) & ~3u) <= limit)
		stun_put(w, STUN_UNKNOWN_ATTRIBUTES, list, 2 * m->unknown_n);
}

bool stun_server_answer(const struct stun_server *server, unsigned int ip, unsigned int port,
			const struct address *from, const void *packet, size_t len,
			struct stun_answer *ret)
{
	size_t limit = len * ETIQUETTE_AMPLIFICATION;
	struct stun_answer a = { .ip = ip, .port = port, .to = *from };
	struct stun_message m;
	struct stun_writer w;
	const struct address *other = &server->at[!ip][!port];
	bool classic;
	int n;

	if (stun_parse(packet, len, &m) < 0 || m.type != STUN_BINDING_REQUEST)
		return false;
	classic = m.cookie != STUN_COOKIE;
	if (m.change & STUN_CHANGE_IP)
		a.ip = !ip;
	if (m.change & STUN_CHANGE_PORT)
		a.port = !port;
	if (server->at[a.ip][a.port].family == 0) {
		/* RFC 5780, 6.1: an attribute that this server cannot honour */
		m.unknown[0] = STUN_CHANGE_REQUEST;
		m.unknown_n = 1;
		a.ip = ip;
		a.port = port;
	}
	if (m.unknown_n > 0) {
		refuse_unknown(&w, &a, &m, limit);
	} else {
		begin(&w, &a, STUN_BINDING_SUCCESS, &m);
		stun_put_address(&w, classic ? STUN_MAPPED_ADDRESS : STUN_XOR_MAPPED_ADDRESS, from);
		if (other->family)
			put_within(&w, classic ? STUN_CHANGED_ADDRESS : STUN_OTHER_ADDRESS, other,
				   limit);
		put_within(&w, classic ? STUN_SOURCE_ADDRESS : STUN_RESPONSE_ORIGIN,
			   &server->at[a.ip][a.port], limit);
		if (m.response_port)
			a.to.port = m.response_port;
	}
	n = stun_finish(&w);
	if (n < 0 || (size_t)n > limit)
		return false;
	a.len = (size_t)n;
	*ret = a;
	return true;
}
