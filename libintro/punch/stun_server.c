/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The answers of stun_server.h. Clients of RFC 3489, whose requests have no magic cookie but four
 * more bytes of transaction id, are answered with the attributes of that time.
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

/* The names of an answer's addresses. */
struct names {
	uint16_t mapped, origin, other;
};
static const struct names current = {
	STUN_XOR_MAPPED_ADDRESS, STUN_RESPONSE_ORIGIN, STUN_OTHER_ADDRESS,
};
static const struct names classic = {
	STUN_MAPPED_ADDRESS, STUN_SOURCE_ADDRESS, STUN_CHANGED_ADDRESS,
};

/* budget: bytes that the whole answer may have. */
static bool answer_success(struct stun_answer *ret, const struct stun_message *m,
			   const struct names *names, const struct address *from,
			   const struct address *origin, const struct address *other,
			   size_t budget)
{
	struct stun_writer w;
	size_t each = from->family == 4 ? IP4_BYTES : IP6_BYTES;
	size_t need = STUN_HEADER_BYTES + each + (m->has_fingerprint ? FINGERPRINT_BYTES : 0);
	int len;

	stun_begin(&w, ret->bytes, sizeof ret->bytes, STUN_BINDING_SUCCESS, m->id);
	stun_put_address(&w, names->mapped, from);
	if (other->family != 0 && need + each <= budget) {
		stun_put_address(&w, names->other, other);
		need += each;
	}
	if (origin->family != 0 && need + each <= budget)
		stun_put_address(&w, names->origin, origin);
	if (m->has_fingerprint)
		stun_put_fingerprint(&w);
	len = stun_finish(&w);
	if (len < 0)
		return false;
	ret->len = (size_t)len;
	return true;
}

static bool answer(const struct stun_server *server, struct stun_answer *ret,
		   struct stun_message *m, const struct names *names, size_t budget)
{
	unsigned int ip = ret->ip, port = ret->port;
	struct address from = ret->to;

	if (!can_change(server, ip, port, m->change) && m->unknown_n < STUN_UNKNOWN_MAX)
		m->unknown[m->unknown_n++] = STUN_CHANGE_REQUEST;
	if (m->unknown_n > 0)
		return answer_error(ret, m, 420, "Unknown Attribute");
	if (m->response_port != 0 && m->padding != 0)
		return answer_error(ret, m, 400, "Bad Request");
	if (m->change & STUN_CHANGE_IP)
		ret->ip = !ip;
	if (m->change & STUN_CHANGE_PORT)
		ret->port = !port;
	if (m->response_port != 0)
		ret->to.port = m->response_port;
	return answer_success(ret, m, names, &from, &server->at[ret->ip][ret->port],
			      &server->at[!ip][!port], budget);
}

bool stun_server_answer(const struct stun_server *server, unsigned int ip, unsigned int port,
			const struct address *from, const void *packet, size_t len,
			struct stun_answer *ret)
{
	static const uint8_t cookie[] = { 0x21, 0x12, 0xa4, 0x42 };
	struct stun_answer made = { .ip = ip, .port = port, .to = *from };
	const uint8_t *request = packet;
	uint8_t copy[STUN_MESSAGE_MAX];
	struct stun_message m;
	bool old;

	if (len < STUN_HEADER_BYTES || len > sizeof copy || from->port == 0)
		return false;
	memcpy(copy, request, len);
	memcpy(copy + 4, cookie, sizeof cookie);
	old = memcmp(request + 4, cookie, sizeof cookie) != 0;
	if (stun_parse(copy, len, &m) < 0 || m.type != STUN_BINDING_REQUEST ||
	    (old && m.has_fingerprint))
		return false;
	if (!answer(server, &made, &m, old ? &classic : &current,
		    len * ETIQUETTE_AMPLIFICATION))
		return false;
	memcpy(made.bytes + 4, request + 4, sizeof cookie);
	*ret = made;
	return true;
}
