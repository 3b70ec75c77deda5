/* SPDX-License-Identifier: Apache-2.0 */
/*
 * IP and UDP headers: ip.h.
 */
#include "ip.h"

#include <errno.h>
#include <netinet/in.h>

enum {
	HEADER_4 = 20,
	HEADER_6 = 40,
	HEADER_UDP = 8,
	ICMP_EXPIRED = 11,
};

static uint16_t get16(const uint8_t *at)
{
	return (uint16_t)(at[0] << 8 | at[1]);
}

static void put16(uint8_t *at, size_t value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

/* RFC 1071, begun with what was summed before. */
static uint32_t sum(uint32_t before, const uint8_t *bytes, size_t len)
{
	for (; len > 1; bytes += 2, len -= 2)
		before += get16(bytes);
	return len ? before + ((uint32_t)bytes[0] << 8) : before;
}

static uint16_t fold(uint32_t s)
{
	s = (s & 0xffff) + (s >> 16);
	s = (s & 0xffff) + (s >> 16);
	return (uint16_t)~s;
}

static int read_udp(const uint8_t *at, size_t len, struct sim_packet *ret)
{
	size_t whole;

	if (len < HEADER_UDP)
		return -EPROTO;
	whole = get16(at + 4);
	if (whole < HEADER_UDP || whole > len || whole - HEADER_UDP > SIM_PACKET_BYTES)
		return -EPROTO;
	ret->src.port = get16(at);
	ret->dst.port = get16(at + 2);
	ret->len = (uint16_t)(whole - HEADER_UDP);
	memcpy(ret->bytes, at + HEADER_UDP, ret->len);
	return 0;
}

static int read_4(const uint8_t *at, size_t len, struct sim_packet *ret)
{
	size_t header = (at[0] & 15u) * 4u, total;

	if (header < HEADER_4 || header > len)
		return -EPROTO;
	total = get16(at + 2);
	/* A fragment: more of them, or not the first one. */
	if (total < header || total > len || at[9] != IPPROTO_UDP || get16(at + 6) & 0x3fff)
		return -EPROTO;
	ret->src = (struct address){ .family = 4 };
	ret->dst = (struct address){ .family = 4 };
	memcpy(ret->src.ip, at + 12, 4);
	memcpy(ret->dst.ip, at + 16, 4);
	ret->ttl = at[8];
	return read_udp(at + header, total - header, ret);
}

static int read_6(const uint8_t *at, size_t len, struct sim_packet *ret)
{
	size_t payload;

	if (len < HEADER_6 || at[6] != IPPROTO_UDP)
		return -EPROTO;
	payload = get16(at + 4);
	if (payload > len - HEADER_6)
		return -EPROTO;
	ret->src = (struct address){ .family = 6 };
	ret->dst = (struct address){ .family = 6 };
	memcpy(ret->src.ip, at + 8, 16);
	memcpy(ret->dst.ip, at + 24, 16);
	ret->ttl = at[7];
	return read_udp(at + HEADER_6, payload, ret);
}

int ip_read(const void *packet, size_t len, struct sim_packet *ret)
{
	const uint8_t *at = packet;

	ret->id = 0;
	if (len >= HEADER_4 && at[0] >> 4 == 4)
		return read_4(at, len, ret);
	return len >= HEADER_6 && at[0] >> 4 == 6 ? read_6(at, len, ret) : -EPROTO;
}

static void write_header_4(uint8_t *out, size_t total, uint8_t ttl, uint8_t protocol,
			   const struct address *src, const struct address *dst)
{
	memset(out, 0, HEADER_4);
	out[0] = 0x45;
	put16(out + 2, total);
	out[6] = 0x40;	/* not to be fragmented */
	out[8] = ttl;
	out[9] = protocol;
	memcpy(out + 12, src->ip, 4);
	memcpy(out + 16, dst->ip, 4);
	put16(out + 10, fold(sum(0, out, HEADER_4)));
}

static void write_udp(const struct sim_packet *p, uint8_t *out)
{
	size_t ip = address_ip_bytes(&p->src), whole = HEADER_UDP + (size_t)p->len;
	uint32_t s = IPPROTO_UDP + (uint32_t)whole;
	uint16_t checksum;

	put16(out, p->src.port);
	put16(out + 2, p->dst.port);
	put16(out + 4, whole);
	put16(out + 6, 0);
	memcpy(out + HEADER_UDP, p->bytes, p->len);
	s = sum(sum(sum(s, p->src.ip, ip), p->dst.ip, ip), out, whole);
	checksum = fold(s);
	put16(out + 6, checksum ? checksum : 0xffff);
}

size_t ip_write(const struct sim_packet *p, uint8_t out[static IP_BYTES_MAX])
{
	size_t whole = HEADER_UDP + (size_t)p->len;

	if (p->src.family == 4) {
		write_header_4(out, HEADER_4 + whole, p->ttl, IPPROTO_UDP, &p->src, &p->dst);
		write_udp(p, out + HEADER_4);
		return HEADER_4 + whole;
	}
	memset(out, 0, HEADER_6);
	out[0] = 0x60;
	put16(out + 4, whole);
	out[6] = IPPROTO_UDP;
	out[7] = p->ttl;
	memcpy(out + 8, p->src.ip, 16);
	memcpy(out + 24, p->dst.ip, 16);
	write_udp(p, out + HEADER_6);
	return HEADER_6 + whole;
}

/* RFC 792: behind 8 bytes of its own the packet's header and 8 bytes more. */
size_t ip_write_expired(const struct sim_packet *p, const struct address *router,
			uint8_t out[static IP_BYTES_MAX])
{
	enum { ICMP = 8, QUOTED = HEADER_4 + HEADER_UDP };
	uint8_t whole[IP_BYTES_MAX], *icmp = out + HEADER_4;

	if (p->src.family != 4)
		return 0;
	ip_write(p, whole);
	memset(icmp, 0, ICMP);
	icmp[0] = ICMP_EXPIRED;
	memcpy(icmp + ICMP, whole, QUOTED);
	put16(icmp + 2, fold(sum(0, icmp, ICMP + QUOTED)));
	write_header_4(out, HEADER_4 + ICMP + QUOTED, SIM_TTL, IPPROTO_ICMP, router, &p->src);
	return HEADER_4 + ICMP + QUOTED;
}
