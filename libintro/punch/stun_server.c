/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The answers of stun_server.h.
 */
#include "stun_server.h"

#include <string.h>

#include "etiquette.h"

#define IP4_BYTES 12u	/* of an address attribute, its header included */
#define IP6_BYTES 24u
#define FINGERPRINT_BYTES 8u

static bool can_change(const struct stun_server *server, unsigned int ip, unsigned int port,
		       uint32_t change)
{
	unsigned int to_ip = change & STUN_CHANGE_IP ? !ip : ip;
	unsigned int to_port = change & STUN_CHANGE_PORT ? !port : port;

	return server->at[to_ip][to_port].family != 0;
}

static bool answer_error(struct stun_answer *ret, const struct stun_message *m, uint16_t code,
			 const char *reason)
{
	struct stun_writer w;
	uint8_t types[2 * STUN_UNKNOWN_MAX];
	int len;

	for (unsigned int i = 0; i < m->unknown_n; i++) {
		types[2 * i] = (uint8_t)(m->unknown[i] >> 8);
		types[2 * i + 1] = (uint8_t)m->unknown[i];
	}
	stun_begin(&w, ret->bytes, sizeof ret->bytes, STUN_BINDING_ERROR, m->id);
	stun_put_error(&w, code, reason);
	if (m->unknown_n > 0)
		stun_put(&w, STUN_UNKNOWN_ATTRIBUTES, types, 2 * m->unknown_n);
	if (m->has_fingerprint)
		stun_put_fingerprint(&w);
	len = stun_finish(&w);
	if (len < 0)
		return false;
	ret->len = (size_t)len;
	return true;
}

/* budget: bytes that the whole answer may have. */
static bool answer_success(struct stun_answer *ret, const struct stun_message *m,
			   const struct address *from, const struct address *origin,
			   const struct address *other, size_t budget)
{
	struct stun_writer w;
	size_t each = from->family == 4 ? IP4_BYTES : IP6_BYTES;
	size_t need = STUN_HEADER_BYTES + each + (m->has_fingerprint ? FINGERPRINT_BYTES : 0);
	int len;

	stun_begin(&w, ret->bytes, sizeof ret->bytes, STUN_BINDING_SUCCESS, m->id);
	stun_put_address(&w, STUN_XOR_MAPPED_ADDRESS, from);
	if (other->family != 0 && need + each <= budget) {
		stun_put_address(&w, STUN_OTHER_ADDRESS, other);
		need += each;
	}
	if (origin->family != 0 && need + each <= budget)
		stun_put_address(&w, STUN_RESPONSE_ORIGIN, origin);
	if (m->has_fingerprint)
		stun_put_fingerprint(&w);
	len = stun_finish(&w);
	if (len < 0)
		return false;
	ret->len = (size_t)len;
	return true;
}

bool stun_server_answer(const struct stun_server *server, unsigned int ip, unsigned int port,
			const struct address *from, const void *packet, size_t len,
			struct stun_answer *ret)
{
	struct stun_answer answer = { .ip = ip, .port = port, .to = *from };
	struct stun_message m;
	bool made;

	if (stun_parse(packet, len, &m) < 0 || m.type != STUN_BINDING_REQUEST || from->port == 0)
		return false;
	if (m.has_change && !can_change(server, ip, port, m.change) &&
	    m.unknown_n < STUN_UNKNOWN_MAX)
		m.unknown[m.unknown_n++] = STUN_CHANGE_REQUEST;
	if (m.unknown_n > 0) {
		made = answer_error(&answer, &m, 420, "Unknown Attribute");
	} else if (m.response_port != 0 && m.padding != 0) {
		made = answer_error(&answer, &m, 400, "Bad Request");
	} else {
		answer.ip = m.change & STUN_CHANGE_IP ? !ip : ip;
		answer.port = m.change & STUN_CHANGE_PORT ? !port : port;
		if (m.response_port != 0)
			answer.to.port = m.response_port;
		made = answer_success(&answer, &m, from, &server->at[answer.ip][answer.port],
				      &server->at[!ip][!port],
				      len * ETIQUETTE_AMPLIFICATION);
	}
	if (!made)
		return false;
	*ret = answer;
	return true;
}
