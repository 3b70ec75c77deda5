/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A UDP address of either family as the engine sees it: a plain value, no sockaddr, no zone.
 * Used by everything in punch/ and by the programs that drive it.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

/* Unused bytes of ip are zero, so that two addresses are equal where their bytes are. */
struct address {
	uint8_t family;		/* 4 or 6; 0: none */
	uint8_t zero;
	uint16_t port;		/* host order */
	uint8_t ip[16];		/* network order; IPv4: the first four */
};

/* "[0123:...:255.255.255.255]:65535" and a NUL. */
#define ADDRESS_TEXT_BYTES 56u

/* Where an address may be (RFC 6890, RFC 6598, RFC 4291). IPv4-mapped IPv6 addresses are never
 * made here: address_from_sockaddr() gives the IPv4 address in them. They, and all others that
 * lead to an IPv4 address (NAT64, 6to4, Teredo), are SCOPE_NONE. */
enum address_scope {
	SCOPE_NONE,		/* no address, 0.0.0.0/8, ::, 100::/64, IPv4 in IPv6 */
	SCOPE_LOOPBACK,
	SCOPE_LINK,		/* 169.254/16, fe80::/10 */
	SCOPE_PRIVATE,		/* RFC 1918, fc00::/7, fec0::/10 */
	SCOPE_SHARED,		/* 100.64/10, between a carrier's NAT and its customers */
	SCOPE_MULTICAST,	/* with broadcast and the reserved 240/4 */
	SCOPE_GLOBAL,
};

bool address_equal(const struct address *a, const struct address *b);
bool address_same_ip(const struct address *a, const struct address *b);
enum address_scope address_scope(const struct address *a);

/* Whether a is one of the first prefix_bits of net's. */
bool address_within(const struct address *a, const struct address *net, unsigned int prefix_bits);

/* Bytes of an IP address of a's family: 4 or 16. */
static inline size_t address_ip_bytes(const struct address *a)
{
	return a->family == 4 ? 4 : 16;
}

/* "192.0.2.1:3478", "[2001:db8::1]:3478"; without ":PORT" the port is default_port. Numbers
 * only. 0 or -EINVAL. */
int address_parse(const char *text, uint16_t default_port, struct address *ret);

/* Writes what address_parse() reads; "-" for none. Returns out. */
const char *address_format(const struct address *a, char out[static ADDRESS_TEXT_BYTES]);

/* To what the kernel wants; its length in bytes. */
socklen_t address_to_sockaddr(const struct address *a, struct sockaddr_storage *ret);
/* 0 or -EAFNOSUPPORT. */
int address_from_sockaddr(const struct sockaddr *sa, socklen_t len, struct address *ret);
