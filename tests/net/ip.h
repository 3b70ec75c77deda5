/* SPDX-License-Identifier: Apache-2.0 */
/*
 * UDP over IPv4 and IPv6 as a TUN device gives and takes it. Pure functions, for the box.
 */
#pragma once

#include <stddef.h>

#include "sim/packet.h"

#define IP_BYTES_MAX 1520u	/* of a whole packet with a sim_packet's payload, over IPv6 */

/* 0 or -EPROTO: no whole UDP datagram, a fragment, too long a payload, IPv6 extension headers.
 * Checksums are not looked at: they never left this machine. */
int ip_read(const void *packet, size_t len, struct sim_packet *ret);

/* With checksums; its length in bytes. */
size_t ip_write(const struct sim_packet *packet, uint8_t out[static IP_BYTES_MAX]);

/* What a router (port 0) says when the TTL of an IPv4 packet has ended with it: its length, or
 * 0 for another family. */
size_t ip_write_expired(const struct sim_packet *packet, const struct address *router,
			uint8_t out[static IP_BYTES_MAX]);
