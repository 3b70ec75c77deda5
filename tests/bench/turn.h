/* SPDX-License-Identifier: Apache-2.0 */
/*
 * As much of TURN (RFC 8656) as a load generator speaks to a server without authentication:
 * the requests of one client, and the two ways to send. Included by relay_load.c.
 */
#pragma once

#include <arpa/inet.h>
#include <endian.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define TURN_HEADER_BYTES 20u
#define TURN_MAGIC 0x2112a442u
#define TURN_CHANNEL 0x4001u	/* each client has one peer: always the same */

enum turn_type {
	TURN_ALLOCATE = 0x0003,
	TURN_SEND = 0x0016,
	TURN_PERMIT = 0x0008,
	TURN_BIND = 0x0009,
};

struct turn_message {
	size_t used;
	uint8_t bytes[128];	/* but for the payload of TURN_SEND */
};

static inline void turn_u16(uint8_t *at, uint16_t value)
{
	value = htobe16(value);
	memcpy(at, &value, sizeof value);
}

static inline void turn_u32(uint8_t *at, uint32_t value)
{
	value = htobe32(value);
	memcpy(at, &value, sizeof value);
}

/* id is that of the client's, to know whose answer it is. */
static inline void turn_begin(struct turn_message *m, enum turn_type type, uint32_t id)
{
	memset(m, 0, sizeof *m);
	turn_u16(m->bytes, (uint16_t)type);
	turn_u32(m->bytes + 4, TURN_MAGIC);
	turn_u32(m->bytes + 8, id);
	turn_u32(m->bytes + 12, (uint32_t)type);
	m->used = TURN_HEADER_BYTES;
}

static inline void turn_put(struct turn_message *m, uint16_t type, const void *value,
			    uint16_t len)
{
	turn_u16(m->bytes + m->used, type);
	turn_u16(m->bytes + m->used + 2, len);
	if (value)
		memcpy(m->bytes + m->used + 4, value, len);
	m->used += 4u + len;
}

static inline void turn_put_peer(struct turn_message *m, const struct sockaddr_in *peer)
{
	uint8_t value[8] = { 0, 1 };

	turn_u16(value + 2, (uint16_t)(ntohs(peer->sin_port) ^ TURN_MAGIC >> 16));
	turn_u32(value + 4, ntohl(peer->sin_addr.s_addr) ^ TURN_MAGIC);
	turn_put(m, 0x0012, value, sizeof value);
}

static inline void turn_finish(struct turn_message *m, size_t more)
{
	turn_u16(m->bytes + 2, (uint16_t)(m->used + more - TURN_HEADER_BYTES));
}

static inline void turn_request(struct turn_message *m, enum turn_type type, uint32_t id,
				const struct sockaddr_in *peer)
{
	static const uint8_t udp[4] = { 17 }, hour[4] = { 0, 0, 0x0e, 0x10 };
	uint8_t channel[4] = { 0 };

	turn_begin(m, type, id);
	turn_u16(channel, TURN_CHANNEL);
	if (type == TURN_ALLOCATE) {
		turn_put(m, 0x0019, udp, sizeof udp);
		turn_put(m, 0x000d, hour, sizeof hour);
	} else {
		if (type == TURN_BIND)
			turn_put(m, 0x000c, channel, sizeof channel);
		turn_put_peer(m, peer);
	}
	turn_finish(m, 0);
}

/* Whether p is the answer to a request of this type: its client's id. A refusal is no answer. */
static inline bool turn_answer(const uint8_t *p, size_t len, enum turn_type type,
			       uint32_t *ret_id)
{
	uint16_t got;
	uint32_t id;

	if (len < TURN_HEADER_BYTES)
		return false;
	memcpy(&got, p, sizeof got);
	memcpy(&id, p + 8, sizeof id);
	*ret_id = be32toh(id);
	return be16toh(got) == ((unsigned int)type | 0x0100);
}

/* What stands before a payload of len bytes (a multiple of 4). */
static inline size_t turn_put_channel_header(uint8_t *out, uint16_t len)
{
	turn_u16(out, TURN_CHANNEL);
	turn_u16(out + 2, len);
	return 4;
}

static inline size_t turn_put_send_header(uint8_t *out, uint32_t id,
					  const struct sockaddr_in *peer, uint16_t len)
{
	struct turn_message m;

	turn_begin(&m, TURN_SEND, id);
	turn_put_peer(&m, peer);
	turn_u16(m.bytes + m.used, 0x0013);
	turn_u16(m.bytes + m.used + 2, len);
	m.used += 4;
	turn_finish(&m, len);
	memcpy(out, m.bytes, m.used);
	return m.used;
}
