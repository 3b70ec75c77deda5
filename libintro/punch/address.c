/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The addresses of address.h. Pure functions.
 */
#include "address.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool address_equal(const struct address *a, const struct address *b)
{
	return memcmp(a, b, sizeof *a) == 0;
}

bool address_same_ip(const struct address *a, const struct address *b)
{
	return a->family == b->family && memcmp(a->ip, b->ip, sizeof a->ip) == 0;
}

struct range {
	uint8_t family, bits;
	uint8_t ip[16];
	enum address_scope scope;
};

/* The first that fits decides. */
static const struct range ranges[] = {
	{ 4, 8, { 0 }, SCOPE_NONE },
	{ 4, 8, { 127 }, SCOPE_LOOPBACK },
	{ 4, 16, { 169, 254 }, SCOPE_LINK },
	{ 4, 8, { 10 }, SCOPE_PRIVATE },
	{ 4, 12, { 172, 16 }, SCOPE_PRIVATE },
	{ 4, 16, { 192, 168 }, SCOPE_PRIVATE },
	{ 4, 10, { 100, 64 }, SCOPE_SHARED },
	{ 4, 3, { 224 }, SCOPE_MULTICAST },
	{ 6, 128, { 0 }, SCOPE_NONE },
	{ 6, 128, { [15] = 1 }, SCOPE_LOOPBACK },
	/* an IPv4 address stands in these, whose scope nobody would look at */
	{ 6, 96, { 0 }, SCOPE_NONE },
	{ 6, 96, { [10] = 0xff, [11] = 0xff }, SCOPE_NONE },
	{ 6, 96, { 0x00, 0x64, 0xff, 0x9b }, SCOPE_NONE },
	{ 6, 48, { 0x00, 0x64, 0xff, 0x9b, 0x00, 0x01 }, SCOPE_NONE },
	{ 6, 32, { 0x20, 0x01 }, SCOPE_NONE },
	{ 6, 16, { 0x20, 0x02 }, SCOPE_NONE },
	{ 6, 64, { 0x01 }, SCOPE_NONE },
	{ 6, 10, { 0xfe, 0xc0 }, SCOPE_PRIVATE },
	{ 6, 10, { 0xfe, 0x80 }, SCOPE_LINK },
	{ 6, 7, { 0xfc }, SCOPE_PRIVATE },
	{ 6, 8, { 0xff }, SCOPE_MULTICAST },
};

static bool prefix_equal(const uint8_t *a, const uint8_t *b, unsigned int bits)
{
	unsigned int whole = bits / 8, rest = bits % 8;

	if (memcmp(a, b, whole) != 0)
		return false;
	return rest == 0 || (a[whole] ^ b[whole]) >> (8 - rest) == 0;
}

enum address_scope address_scope(const struct address *a)
{
	if (a->family != 4 && a->family != 6)
		return SCOPE_NONE;
	for (size_t i = 0; i < sizeof ranges / sizeof *ranges; i++) {
		if (ranges[i].family == a->family &&
		    prefix_equal(a->ip, ranges[i].ip, ranges[i].bits))
			return ranges[i].scope;
	}
	return SCOPE_GLOBAL;
}

bool address_within(const struct address *a, const struct address *net, unsigned int prefix_bits)
{
	return a->family == net->family && a->family != 0 &&
	       prefix_bits <= address_ip_bytes(a) * 8 && prefix_equal(a->ip, net->ip, prefix_bits);
}

/* Decimal digits alone. */
static int parse_port(const char *s, uint16_t *ret)
{
	char *end;
	unsigned long port;

	if (s[strspn(s, "0123456789")] != '\0' || *s == '\0' || strlen(s) > 5)
		return -EINVAL;
	port = strtoul(s, &end, 10);
	if (port > UINT16_MAX)
		return -EINVAL;
	*ret = (uint16_t)port;
	return 0;
}

int address_parse(const char *text, uint16_t default_port, struct address *ret)
{
	struct address a = { .port = default_port };
	char ip[INET6_ADDRSTRLEN];
	const char *end = NULL, *port = NULL;
	size_t len;

	if (*text == '[') {
		text++;
		end = strchr(text, ']');
		if (!end || (end[1] != '\0' && end[1] != ':'))
			return -EINVAL;
		port = end[1] == ':' ? end + 2 : NULL;
		a.family = 6;
	} else if (strchr(text, ':') != strrchr(text, ':')) {
		a.family = 6;
	} else {
		a.family = 4;
		end = strchr(text, ':');
		port = end ? end + 1 : NULL;
	}
	len = end ? (size_t)(end - text) : strlen(text);
	if (len >= sizeof ip)
		return -EINVAL;
	memcpy(ip, text, len);
	ip[len] = '\0';
	if (inet_pton(a.family == 4 ? AF_INET : AF_INET6, ip, a.ip) != 1)
		return -EINVAL;
	if (port && parse_port(port, &a.port) < 0)
		return -EINVAL;
	*ret = a;
	return 0;
}

const char *address_format(const struct address *a, char out[static ADDRESS_TEXT_BYTES])
{
	char ip[INET6_ADDRSTRLEN];

	if (a->family != 4 && a->family != 6)
		return strcpy(out, "-");
	inet_ntop(a->family == 4 ? AF_INET : AF_INET6, a->ip, ip, sizeof ip);
	snprintf(out, ADDRESS_TEXT_BYTES, a->family == 4 ? "%s:%u" : "[%s]:%u", ip, a->port);
	return out;
}

socklen_t address_to_sockaddr(const struct address *a, struct sockaddr_storage *ret)
{
	if (a->family == 4) {
		struct sockaddr_in in = { .sin_family = AF_INET, .sin_port = htons(a->port) };

		memcpy(&in.sin_addr, a->ip, sizeof in.sin_addr);
		memcpy(ret, &in, sizeof in);
		return sizeof in;
	}
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6, .sin6_port = htons(a->port) };

	memcpy(&in6.sin6_addr, a->ip, sizeof in6.sin6_addr);
	memcpy(ret, &in6, sizeof in6);
	return sizeof in6;
}

int address_from_sockaddr(const struct sockaddr *sa, socklen_t len, struct address *ret)
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };
	struct address a = { 0 };

	if (sa->sa_family == AF_INET && len >= sizeof(struct sockaddr_in)) {
		struct sockaddr_in in;

		memcpy(&in, sa, sizeof in);
		a.family = 4;
		a.port = ntohs(in.sin_port);
		memcpy(a.ip, &in.sin_addr, 4);
	} else if (sa->sa_family == AF_INET6 && len >= sizeof(struct sockaddr_in6)) {
		struct sockaddr_in6 in6;

		memcpy(&in6, sa, sizeof in6);
		a.port = ntohs(in6.sin6_port);
		if (memcmp(&in6.sin6_addr, mapped, sizeof mapped) == 0) {
			a.family = 4;
			memcpy(a.ip, in6.sin6_addr.s6_addr + 12, 4);
		} else {
			a.family = 6;
			memcpy(a.ip, &in6.sin6_addr, 16);
		}
	} else {
		return -EAFNOSUPPORT;
	}
	*ret = a;
	return 0;
}
