/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A STUN server without sockets: it answers Binding requests, and as RFC 5780 has it from
 * another of its addresses where it has them. Stateless: one request, at most one answer. For
 * the relay and STUN roles, and for the simulator.
 *
 * No answer is longer than three times its request, so that a forged source gains little: what
 * does not fit is left out, XOR-MAPPED-ADDRESS last.
 */
#pragma once

#include "address.h"
#include "stun.h"

/* Its sockets: [ip][port], the primary at [0][0]. Without a second IP (or port) those entries
 * have family 0, OTHER-ADDRESS is not told, and CHANGE-REQUEST is refused (420) where it would
 * need them. All four of one family. */
struct stun_server {
	struct address at[2][2];
};

struct stun_answer {
	unsigned int ip, port;		/* which socket it goes from */
	struct address to;
	size_t len;
	uint8_t bytes[256];
};

/* packet came from `from` to the socket [ip][port]. true: send the answer. false: nothing is to
 * be sent (no request, malformed, not STUN). RESPONSE-PORT is honoured for the same IP only. */
bool stun_server_answer(const struct stun_server *server, unsigned int ip, unsigned int port,
			const struct address *from, const void *packet, size_t len,
			struct stun_answer *ret);
