/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How the engine behaves towards networks that are not ours: every cap of what it sends, each
 * with its reason. Used wherever something is sent before the other end has proved itself.
 */
#pragma once

/* Candidates of one end. A host with many interfaces and bridges must not make the other end
 * send to all of them. */
#define ETIQUETTE_CANDIDATES 8u

/* Checks to one candidate before it has answered: one each 20 ms while the first round trips may
 * still come, then ever rarer. A candidate is an address that only the other end vouches for;
 * 12 x 96 bytes on the wire are less than one full packet. */
#define ETIQUETTE_CHECKS 12u

/* The same of all schedules together, where signals or CHECKs of the other end begin them anew:
 * it moved, it opened, it was late. */
#define ETIQUETTE_CHECKS_EVER 36u

/* And to all addresses together that have not answered: as many candidates as a table of pairs
 * holds; beyond, one each so many microseconds. */
#define ETIQUETTE_UNANSWERED 2048u
#define ETIQUETTE_UNANSWERED_US 500000u

/* Datagrams per second to one end, over any second. A residential uplink of 1 Mbit/s carries
 * them (96 bytes each on the wire: 768 kbit/s). */
#define ETIQUETTE_RATE 1000u

/* Probes of one spray. With 256 flows and 64,512 ports they meet in 99.97 %. */
#define ETIQUETTE_PROBES 2048u

/* New flows of one host for one introduction: entries in tables that others share. Of NATs in
 * the field the smallest tables hold 4,096. */
#define ETIQUETTE_FLOWS 2300u

/* Flows opened at once, and the pause after them: a default receive buffer holds 256 small
 * packets. */
#define ETIQUETTE_BURST 64u
#define ETIQUETTE_BURST_US 2000u

/* Sprays of one host follow each other in no less; one at a time. */
#define ETIQUETTE_SPRAY_APART_US 20000000u

/* A 4-tuple that failed is not used again for as long as a NAT may remember it: Linux keeps an
 * unreplied flow for 30 s. */
#define ETIQUETTE_TUPLE_REST_US 30000000u

/* Whoever asks gets at most this many times as many bytes back before it has proved its address
 * (RFC 9000, section 8). */
#define ETIQUETTE_AMPLIFICATION 3u
