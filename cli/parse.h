/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Values on the command line. Each returns 0 or -EINVAL and writes ret_* on success only.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../libintro/wire/message.h"

/* "250ms", "90s", "10m", "2h", "7d", or "forever" (UINT64_MAX); a number alone is seconds.
 * Microseconds. */
int parse_duration(const char *s, uint64_t *ret_usec);

/* A duration as a timeout of libintro: milliseconds, rounded up; -1 for ever. */
int parse_timeout(const char *s, int *ret_ms);

/* A decimal number of at most max. */
int parse_number(const char *s, uint32_t max, uint32_t *ret);

/* "stream", "seqpacket" or "dgram". */
int parse_socktype(const char *s, int *ret);

/* The word for a socket type; NULL when unknown. */
const char *socktype_word(uint32_t type);

/* Limits: which of the six were named, and their values. */
#define LIMITS 6u
struct limits {
	bool given[LIMITS];
	uint32_t value[LIMITS];
};

/* "connections=100,held=4". The part that is wrong is given back (borrowed from s). */
int parse_limits(const char *s, struct limits *limits, const char **ret_wrong);

/* Append the limits given. */
void put_limits(struct wire_writer *w, const struct limits *limits);
