/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The transactions of stun_client.h.
 */
#include "stun_client.h"

#include <string.h>

void stun_ask_begin(struct stun_ask *ask, struct random *random, const struct address *to,
		    uint64_t start_us)
{
	*ask = (struct stun_ask){ .to = *to, .next_us = start_us };
	random_bytes(random, ask->id, sizeof ask->id);
}

size_t stun_ask_write(const struct stun_ask *ask, uint8_t out[static STUN_ASK_BYTES])
{
	struct stun_writer w;

	stun_begin(&w, out, STUN_ASK_BYTES, STUN_BINDING_REQUEST, ask->id);
	stun_put(&w, STUN_SOFTWARE, "introd", 6);
	if (ask->change != 0)
		stun_put_u32(&w, STUN_CHANGE_REQUEST, ask->change);
	if (ask->response_port != 0)
		stun_put_u32(&w, STUN_RESPONSE_PORT, (uint32_t)ask->response_port << 16);
	return (size_t)stun_finish(&w);
}

enum stun_ask_due stun_ask_due(struct stun_ask *ask, uint64_t now_us)
{
	if (now_us < ask->next_us)
		return STUN_ASK_WAIT;
	if (ask->tries == STUN_ASK_TRIES)
		return STUN_ASK_SILENT;
	/* the last wait is no longer than the one before it */
	ask->next_us = now_us + (ask->apart_us ? ask->apart_us :
				 (uint64_t)STUN_ASK_FIRST_US << (ask->tries < 2 ? ask->tries : 2));
	ask->tries++;
	return STUN_ASK_SEND;
}

bool stun_ask_is(const struct stun_ask *ask, const struct stun_message *m)
{
	if (ask->tries == 0 || m->unknown_n > 0 || memcmp(m->id, ask->id, sizeof m->id) != 0)
		return false;
	return (m->type == STUN_BINDING_SUCCESS && m->mapped.family != 0) ||
	       m->type == STUN_BINDING_ERROR;
}
