/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Values of parse.h.
 */
#include "parse.h"

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/socket.h>

static const struct {
	const char *suffix;
	uint64_t usec;
} units[] = {
	{ "ms", 1000 },
	{ "s", 1000000 },
	{ "", 1000000 },
	{ "m", 60u * UINT64_C(1000000) },
	{ "h", 3600u * UINT64_C(1000000) },
	{ "d", 86400u * UINT64_C(1000000) },
};

/* Decimal digits at *s, which moves behind them. */
static int digits(const char **s, uint64_t max, uint64_t *ret)
{
	uint64_t value = 0;
	const char *p = *s;

	if (*p < '0' || *p > '9')
		return -EINVAL;
	for (; *p >= '0' && *p <= '9'; p++) {
		uint64_t digit = (uint64_t)(*p - '0');

		if (value > (max - digit) / 10)
			return -EINVAL;
		value = value * 10 + digit;
	}
	*s = p;
	*ret = value;
	return 0;
}

int parse_duration(const char *s, uint64_t *ret_usec)
{
	uint64_t value;

	if (!strcmp(s, "forever")) {
		*ret_usec = UINT64_MAX;
		return 0;
	}
	/* a billion of any unit: far more than anybody means, and it cannot overflow */
	if (digits(&s, 1000000000, &value) < 0)
		return -EINVAL;
	for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
		if (!strcmp(s, units[i].suffix)) {
			if (value > UINT64_MAX / 2 / units[i].usec)
				return -EINVAL;
			*ret_usec = value * units[i].usec;
			return 0;
		}
	}
	return -EINVAL;
}

int parse_timeout(const char *s, int *ret_ms)
{
	uint64_t usec, msec;

	if (parse_duration(s, &usec) < 0)
		return -EINVAL;
	if (usec == UINT64_MAX) {
		*ret_ms = -1;
		return 0;
	}
	msec = usec / 1000 + (usec % 1000 > 0);
	/* leaves room for the caller to add its own patience */
	*ret_ms = msec > INT_MAX / 2 ? INT_MAX / 2 : (int)msec;
	return 0;
}

int parse_number(const char *s, uint32_t max, uint32_t *ret)
{
	uint64_t value;

	if (digits(&s, max, &value) < 0 || *s)
		return -EINVAL;
	*ret = (uint32_t)value;
	return 0;
}

static const struct {
	const char *word;
	int type;
} types[] = {
	{ "stream", SOCK_STREAM },
	{ "seqpacket", SOCK_SEQPACKET },
	{ "dgram", SOCK_DGRAM },
};

int parse_socktype(const char *s, int *ret)
{
	for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
		if (!strcmp(s, types[i].word)) {
			*ret = types[i].type;
			return 0;
		}
	}
	return -EINVAL;
}

const char *socktype_word(uint32_t type)
{
	for (size_t i = 0; i < sizeof types / sizeof *types; i++)
		if ((uint32_t)types[i].type == type)
			return types[i].word;
	return NULL;
}

static const struct {
	const char *word;
	enum wire_tag tag;
} limit_words[LIMITS] = {
	{ "connections", TAG_MAX_CONNECTIONS },
	{ "names", TAG_MAX_NAMES },
	{ "held", TAG_MAX_HELD },
	{ "flight", TAG_MAX_FLIGHT },
	{ "waits", TAG_MAX_WAITS },
	{ "references", TAG_MAX_REFERENCES },
};

static int parse_limit(const char *s, size_t len, struct limits *limits)
{
	for (size_t i = 0; i < LIMITS; i++) {
		size_t word = strlen(limit_words[i].word);
		char number[16];
		size_t rest;

		if (len <= word + 1 || strncmp(s, limit_words[i].word, word) || s[word] != '=')
			continue;
		rest = len - word - 1;
		if (rest >= sizeof number)
			return -EINVAL;
		memcpy(number, s + word + 1, rest);
		number[rest] = '\0';
		if (parse_number(number, UINT32_MAX, &limits->value[i]) < 0)
			return -EINVAL;
		limits->given[i] = true;
		return 0;
	}
	return -EINVAL;
}

int parse_limits(const char *s, struct limits *limits, const char **ret_wrong)
{
	for (;;) {
		size_t len = strcspn(s, ",");

		if (parse_limit(s, len, limits) < 0) {
			*ret_wrong = s;
			return -EINVAL;
		}
		if (!s[len])
			return 0;
		s += len + 1;
	}
}

void put_limits(struct wire_writer *w, const struct limits *limits)
{
	for (size_t i = 0; i < LIMITS; i++)
		if (limits->given[i])
			wire_put_u32(w, limit_words[i].tag, limits->value[i]);
}
