/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Single values of a listing, as text and as JSON: rows.h.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "parse.h"
#include "rows.h"

static const char *const way_words[] = {
	[WAY_LISTEN] = "listen", [WAY_PAIR] = "pair", [WAY_FETCH] = "fetch",
	[WAY_HELD] = "held", [WAY_PLACED] = "placed",
};
static const char *const path_words[] = { [PATH_LOCAL] = "local", [PATH_SPLICED] = "spliced" };
static const char *const state_words[] = {
	[STATE_DOWN] = "down", [STATE_SERVED] = "served", [STATE_HELD] = "held",
	[STATE_PLACED] = "placed",
};
static const char *const origin_words[] = {
	[1] = "configuration", [2] = "run time", [3] = "built in",
};
static const char *const right_words[] = { "connect", "serve", "give", "save", "revoke" };
static const char *const kind_words[] = { "service", "grant", "lent", "given" };

#define WORDS(list) list, sizeof list / sizeof *list

static const char *word(const char *const *words, size_t n, uint32_t value)
{
	return value < n ? words[value] : NULL;
}

const char *way_word(unsigned int way)
{
	const char *found = word(WORDS(way_words), way);

	return found ? found : "unknown";
}

/* The word for a number that stands for one; NULL for numbers that are numbers. */
static const char *value_word(enum wire_tag tag, uint32_t value)
{
	switch (tag) {
	case TAG_WAY:
		return word(WORDS(way_words), value);
	case TAG_PATH:
		return word(WORDS(path_words), value);
	case TAG_STATE:
		return word(WORDS(state_words), value);
	case TAG_ORIGIN:
		return word(WORDS(origin_words), value);
	case TAG_WHAT:
		return word(WORDS(kind_words), value);
	case TAG_SOCKTYPE:
		return socktype_word(value);
	default:
		return NULL;
	}
}

/* The word for a bit of a set; NULL when the tag is not one, or the bit is unknown. */
static const char *bit_word(enum wire_tag tag, uint32_t bit)
{
	if (tag == TAG_RIGHTS)
		return word(WORDS(right_words), bit);
	return tag == TAG_SOCKTYPES ? socktype_word(bit) : NULL;
}

static bool is_set(enum wire_tag tag)
{
	return tag == TAG_RIGHTS || tag == TAG_SOCKTYPES;
}

static bool is_flag(enum wire_tag tag)
{
	return tag == TAG_EXPORT || tag == TAG_OPEN || tag == TAG_LEASH;
}

static bool is_duration(enum wire_tag tag)
{
	return tag == TAG_EXPIRES || tag == TAG_LIFETIME || tag == TAG_WAIT;
}

/* The two largest units: "2d 3h", "9m 12s", "0s". */
static void duration_text(uint64_t usec, char *out, size_t size)
{
	static const struct {
		const char *unit;
		uint64_t seconds;
	} steps[] = { { "d", 86400 }, { "h", 3600 }, { "m", 60 }, { "s", 1 } };
	uint64_t left = usec / 1000000;
	size_t i = 0;

	while (i < 3 && left < steps[i].seconds)
		i++;
	if (i == 3) {
		snprintf(out, size, "%llus", (unsigned long long)left);
		return;
	}
	snprintf(out, size, "%llu%s %llu%s", (unsigned long long)(left / steps[i].seconds),
		 steps[i].unit,
		 (unsigned long long)(left % steps[i].seconds / steps[i + 1].seconds),
		 steps[i + 1].unit);
}

static void bytes_text(uint64_t bytes, char *out, size_t size)
{
	static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB" };
	size_t unit = 0;
	uint64_t tenths = 0;

	while (bytes >= 1024 && unit < 4) {
		tenths = bytes % 1024 * 10 / 1024;
		bytes /= 1024;
		unit++;
	}
	if (unit > 0 && bytes < 10)
		snprintf(out, size, "%llu.%llu %s", (unsigned long long)bytes,
			 (unsigned long long)tenths, units[unit]);
	else
		snprintf(out, size, "%llu %s", (unsigned long long)bytes, units[unit]);
}

static void set_text(enum wire_tag tag, uint32_t set, char *out, size_t size)
{
	size_t used = 0;

	out[0] = '\0';
	for (uint32_t bit = 0; bit < 32; bit++) {
		const char *name = set >> bit & 1 ? bit_word(tag, bit) : NULL;
		int n;

		if (!name || used >= size)
			continue;
		n = snprintf(out + used, size - used, "%s%s", used ? "," : "", name);
		used += n > 0 ? (size_t)n : 0;
	}
}

static void number_text(enum wire_tag tag, uint64_t value, char *out, size_t size)
{
	const char *name = value <= UINT32_MAX ? value_word(tag, (uint32_t)value) : NULL;

	if (name)
		snprintf(out, size, "%s", name);
	else if (is_set(tag))
		set_text(tag, (uint32_t)value, out, size);
	else if (is_flag(tag))
		snprintf(out, size, "%s", value ? "yes" : "");
	else if (is_duration(tag))
		duration_text(value, out, size);
	else if (tag == TAG_QUEUED_BYTES)
		bytes_text(value, out, size);
	else if (value == UINT32_MAX && wire_tag_kind(tag) == KIND_U32)
		snprintf(out, size, "unlimited");
	else
		snprintf(out, size, "%llu", (unsigned long long)value);
}

const char *value_text(const struct wire_message *m, enum wire_tag tag, char *out, size_t size)
{
	out[0] = '\0';
	if (!wire_has(m, tag))
		return out;
	switch (wire_tag_kind(tag)) {
	case KIND_STRING:
		snprintf(out, size, "%.*s", (int)m->length[tag], (const char *)m->value[tag]);
		break;
	case KIND_U32:
		number_text(tag, wire_u32(m, tag, 0), out, size);
		break;
	case KIND_U64:
		number_text(tag, wire_u64(m, tag, 0), out, size);
		break;
	case KIND_I32:
		snprintf(out, size, "%d", wire_i32(m, tag, 0));
		break;
	case KIND_BYTES:
	case KIND_NONE:
		break;
	}
	return out;
}

static json_t *number_json(enum wire_tag tag, uint64_t value)
{
	const char *name = value <= UINT32_MAX ? value_word(tag, (uint32_t)value) : NULL;
	json_t *set;

	if (name)
		return json_string(name);
	if (is_flag(tag))
		return json_boolean(value != 0);
	if (!is_set(tag))
		return json_integer((json_int_t)value);
	set = json_array();
	for (uint32_t bit = 0; set && bit < 32; bit++)
		if (value >> bit & 1 && bit_word(tag, bit))
			json_array_append_new(set, json_string(bit_word(tag, bit)));
	return set;
}

static json_t *value_json(const struct wire_message *m, enum wire_tag tag)
{
	switch (wire_tag_kind(tag)) {
	case KIND_STRING:
		return json_stringn((const char *)m->value[tag], m->length[tag]);
	case KIND_U32:
		return number_json(tag, wire_u32(m, tag, 0));
	case KIND_U64:
		return number_json(tag, wire_u64(m, tag, 0));
	case KIND_I32:
		return json_integer(wire_i32(m, tag, 0));
	case KIND_BYTES:
	case KIND_NONE:
		break;
	}
	return NULL;
}

json_t *message_json(const struct wire_message *m)
{
	json_t *object = json_object();

	for (unsigned int tag = 1; object && tag < TAG_END; tag++) {
		json_t *value = wire_has(m, tag) ? value_json(m, tag) : NULL;

		if (value && json_object_set_new(object, wire_tag_name(tag), value) < 0) {
			json_decref(object);
			return NULL;
		}
	}
	return object;
}

int json_print(json_t *json, size_t flags, FILE *out)
{
	int r;

	if (!json)
		return -ENOMEM;
	r = json_dumpf(json, out, flags);
	json_decref(json);
	if (r < 0 || putc('\n', out) == EOF || fflush(out) != 0)
		return errno ? -errno : -EIO;
	return 0;
}

bool is_colourful(FILE *out)
{
	const char *no_color = getenv("NO_COLOR"), *term = getenv("TERM");

	return isatty(fileno(out)) && !(no_color && *no_color) &&
	       !(term && !strcmp(term, "dumb"));
}
