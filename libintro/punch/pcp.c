/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The messages of pcp.h.
 */
#include "pcp.h"

#include <endian.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#define VERSION_2 2u
#define IS_ANSWER 0x80u
#define HEADER_BYTES 24u
#define OPTION_HEADER_BYTES 4u

/* Where things stand in a message (figures 2, 3, 9 and 10). */
enum {
	AT_VERSION = 0,
	AT_OPCODE = 1,
	AT_RESULT = 3,
	AT_LIFETIME = 4,
	AT_EPOCH = 8,
	AT_CLIENT = 8,
	AT_NONCE = 24,
	AT_PROTOCOL = 36,
	AT_INTERNAL_PORT = 40,
	AT_EXTERNAL_PORT = 42,
	AT_EXTERNAL_IP = 44,
};

static const uint8_t mapped_prefix[12] = { [10] = 0xff, [11] = 0xff };

/* ---- numbers and addresses ---- */

static void put_u16(uint8_t *out, uint16_t v)
{
	v = htobe16(v);
	memcpy(out, &v, sizeof v);
}

static void put_u32(uint8_t *out, uint32_t v)
{
	v = htobe32(v);
	memcpy(out, &v, sizeof v);
}

static uint16_t get_u16(const uint8_t *in)
{
	uint16_t v;

	memcpy(&v, in, sizeof v);
	return be16toh(v);
}

static uint32_t get_u32(const uint8_t *in)
{
	uint32_t v;

	memcpy(&v, in, sizeof v);
	return be32toh(v);
}

/* Section 5: always 16 bytes, IPv4 addresses as IPv4-mapped ones. */
static void put_ip(uint8_t out[static 16], const struct address *a)
{
	if (a->family == 6) {
		memcpy(out, a->ip, 16);
		return;
	}
	memcpy(out, mapped_prefix, sizeof mapped_prefix);
	memcpy(out + sizeof mapped_prefix, a->ip, 4);
}

static struct address get_ip(const uint8_t in[static 16], uint16_t port)
{
	struct address a = { .port = port };

	if (memcmp(in, mapped_prefix, sizeof mapped_prefix) == 0) {
		a.family = 4;
		memcpy(a.ip, in + sizeof mapped_prefix, 4);
	} else {
		a.family = 6;
		memcpy(a.ip, in, 16);
	}
	return a;
}

/* ---- requests ---- */

static void put_header(uint8_t *out, enum pcp_opcode opcode, uint32_t lifetime_s,
		       const struct address *client)
{
	out[AT_VERSION] = VERSION_2;
	out[AT_OPCODE] = (uint8_t)opcode;
	put_u32(out + AT_LIFETIME, lifetime_s);
	put_ip(out + AT_CLIENT, client);
}

size_t pcp_put_map(const struct pcp_wish *wish, uint8_t out[static PCP_MAP_BYTES])
{
	/* "any" is all zeros of the family that is wanted (section 11.1) */
	struct address any = { .family = wish->internal.family };
	const struct address *external = wish->external.family ? &wish->external : &any;

	memset(out, 0, PCP_MAP_BYTES);
	put_header(out, PCP_MAP, wish->lifetime_s, &wish->internal);
	memcpy(out + AT_NONCE, wish->nonce, PCP_NONCE_BYTES);
	out[AT_PROTOCOL] = IPPROTO_UDP;
	put_u16(out + AT_INTERNAL_PORT, wish->internal.port);
	put_u16(out + AT_EXTERNAL_PORT, external->port);
	put_ip(out + AT_EXTERNAL_IP, external);
	return PCP_MAP_BYTES;
}

size_t pcp_put_announce(const struct address *client, uint8_t out[static PCP_ANNOUNCE_BYTES])
{
	memset(out, 0, PCP_ANNOUNCE_BYTES);
	put_header(out, PCP_ANNOUNCE, 0, client);
	return PCP_ANNOUNCE_BYTES;
}

/* ---- answers ---- */

/* None was asked for and none changes what is said: they must only be whole. */
static bool options_are_whole(const uint8_t *p, size_t len)
{
	while (len > 0) {
		size_t data;

		if (len < OPTION_HEADER_BYTES)
			return false;
		data = ((size_t)get_u16(p + 2) + 3) / 4 * 4;
		if (data > len - OPTION_HEADER_BYTES)
			return false;
		p += OPTION_HEADER_BYTES + data;
		len -= OPTION_HEADER_BYTES + data;
	}
	return true;
}

int pcp_get(const void *packet, size_t len, struct pcp_answer *ret)
{
	const uint8_t *p = packet;
	struct pcp_answer a = { 0 };
	size_t body = HEADER_BYTES;

	if (len < 4 || !(p[AT_OPCODE] & IS_ANSWER))
		return -EPROTO;
	if (p[AT_VERSION] != VERSION_2)
		return -EPROTONOSUPPORT;
	if (len < HEADER_BYTES || len > PCP_MESSAGE_MAX || len % 4 != 0)
		return -EPROTO;
	a.result = p[AT_RESULT];
	if (a.result == PCP_UNSUPP_VERSION)
		return -EPROTONOSUPPORT;
	a.lifetime_s = get_u32(p + AT_LIFETIME);
	a.epoch_s = get_u32(p + AT_EPOCH);
	switch (p[AT_OPCODE] & ~IS_ANSWER) {
	case PCP_ANNOUNCE:
		a.opcode = PCP_ANNOUNCE;
		break;
	case PCP_MAP:
		body = PCP_MAP_BYTES;
		if (len < body)
			return -EPROTO;
		a.opcode = PCP_MAP;
		memcpy(a.nonce, p + AT_NONCE, PCP_NONCE_BYTES);
		a.protocol = p[AT_PROTOCOL];
		a.internal_port = get_u16(p + AT_INTERNAL_PORT);
		a.external = get_ip(p + AT_EXTERNAL_IP, get_u16(p + AT_EXTERNAL_PORT));
		break;
	default:
		return -EPROTO;
	}
	if (!options_are_whole(p + body, len - body))
		return -EPROTO;
	*ret = a;
	return 0;
}

bool pcp_answers(const struct pcp_answer *answer, const struct pcp_wish *wish)
{
	return answer->opcode == PCP_MAP && answer->protocol == IPPROTO_UDP &&
	       answer->internal_port == wish->internal.port &&
	       memcmp(answer->nonce, wish->nonce, PCP_NONCE_BYTES) == 0;
}

/* ---- the server's epoch ---- */

bool pcp_epoch_holds(struct pcp_epoch *epoch, uint32_t server_s, uint64_t now_us)
{
	int64_t client_delta = (int64_t)((now_us - epoch->client_us) / 1000000);
	int64_t server_delta = (int64_t)server_s - epoch->server_s;
	/* answers may overtake each other by a second; more is a clock that was set back */
	bool holds = !epoch->known ||
		     (server_delta >= -1 &&
		      client_delta + 2 >= server_delta - server_delta / 16 &&
		      server_delta + 2 >= client_delta - client_delta / 16);

	*epoch = (struct pcp_epoch){ .known = true, .server_s = server_s, .client_us = now_us };
	return holds;
}
