/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is known of the NATs between a host and the internet, seen from outside as one: the words
 * of RFC 4787 and RFC 5780, and how external ports are allocated. Survey.h finds it out, the
 * ladder plans with it, and it is told to the other end in OFFER and ANSWER. A plain value.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "address.h"

/* RFC 4787, section 4.1: on what the mapping of one internal address and port depends. */
enum nat_mapping {
	NAT_MAPPING_UNKNOWN,
	NAT_MAPPING_NONE,	/* the address is the host's own: no NAT (a firewall perhaps) */
	NAT_MAPPING_ENDPOINT_INDEPENDENT,
	NAT_MAPPING_ADDRESS_DEPENDENT,
	NAT_MAPPING_ADDRESS_PORT_DEPENDENT,
};

/* Section 5: from whom a mapping lets packets in. */
enum nat_filtering {
	NAT_FILTERING_UNKNOWN,
	NAT_FILTERING_ENDPOINT_INDEPENDENT,
	NAT_FILTERING_ADDRESS_DEPENDENT,
	NAT_FILTERING_ADDRESS_PORT_DEPENDENT,
};

/* How the external port of a new mapping is chosen. For each but PRESERVING and SEQUENTIAL the
 * ports that are to be expected are low, low + stride, ... up to high. */
enum nat_ports {
	NAT_PORTS_UNKNOWN,
	NAT_PORTS_PRESERVING,	/* the internal port, while it is free */
	NAT_PORTS_SEQUENTIAL,	/* the last one plus step */
	NAT_PORTS_BLOCK,	/* at random out of a block that is the customer's */
	NAT_PORTS_PARITY,	/* at random, of the internal port's parity: stride 2 */
	NAT_PORTS_RANDOM,
};

enum nat_answer {
	NAT_UNSURE,		/* not asked, or no answer */
	NAT_NO,
	NAT_YES,
};

/* Ports of a set: low, low + stride, ... high. */
struct nat_ports_set {
	uint16_t low, high;	/* inclusive; low 0: not known */
	uint16_t stride;	/* 1 or 2 */
};

struct nat {
	enum nat_mapping mapping;
	enum nat_filtering filtering;
	enum nat_ports ports;
	struct nat_ports_set set;
	int16_t step;		/* SEQUENTIAL: may be negative */
	uint16_t last;		/* SEQUENTIAL: the newest external port seen */
	uint16_t foreign;	/* SEQUENTIAL: ports per second taken by others */
	/* Sockets bound in 512-1023 are mapped into 600-1023: Linux with `random` (facts: the
	 * kernel keeps a privileged port privileged). Useful to who may bind them. */
	enum nat_answer low_ports;
	enum nat_answer poisoned;	/* a packet that comes in before the first one out makes
					 * our flow to its sender get another port */
	enum nat_answer hairpin;
	uint8_t addresses;	/* external IPs seen; 0: not known */
	uint8_t ttl;		/* the lowest TTL that opens a mapping in the outermost NAT; 0: not
				 * known */
	uint16_t lifetime_s;	/* a mapping without traffic lasts at least so long; 0: not known */
	bool complete;		/* every test that was asked for had its answer */
	struct address external;	/* as seen last; its port is that of one socket */
};

/* One observation: the socket with this internal port was seen from outside as external by
 * `server`, sent at sent_us. */
struct nat_sample {
	uint16_t internal;
	struct address external;
	struct address server;
	uint64_t sent_us;
	uint32_t flow;		/* which of our own new flows this was: 1, 2, ... */
};

/* So many tell the kinds apart: of random ports, 12 keep the parity of 12 internal ones by chance
 * once in 4,096 times, and lie in one eighth of all once in 8^11. */
#define NAT_SAMPLES 12u

/* How ports are allocated, from samples in the order of sending, each of a mapping of its own
 * (another socket, or another server behind an address-dependent NAT): sets ports, set, step,
 * last, foreign and addresses of ret and nothing else. Fewer than 5 samples leave
 * NAT_PORTS_UNKNOWN. Samples of internal ports below 1024 are not to be among them. */
void nat_learn_ports(struct nat *ret, const struct nat_sample *samples, size_t n);

/* Whether one port opened to one server is seen by everybody (mapping none or endpoint
 * independent): "easy". Unknown is not. */
bool nat_easy(const struct nat *nat);

/* Ports in a set; 0 for low 0. */
uint32_t nat_set_size(const struct nat_ports_set *set);

/* Words for people and for --json: "endpoint-independent", "sequential", ... */
const char *nat_mapping_word(enum nat_mapping mapping);
const char *nat_filtering_word(enum nat_filtering filtering);
const char *nat_ports_word(enum nat_ports ports);
const char *nat_answer_word(enum nat_answer answer);	/* "yes", "no", "unknown" */

/* To be told to the other end: NAT_WIRE_BYTES, big-endian, without .external. What comes in is
 * bounded: 0, or -EPROTO for a value that is none. */
#define NAT_WIRE_BYTES 24u
void nat_put(const struct nat *nat, uint8_t out[static NAT_WIRE_BYTES]);
int nat_get(const uint8_t in[static NAT_WIRE_BYTES], struct nat *ret);
