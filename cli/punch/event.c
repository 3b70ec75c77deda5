/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The JSON of event.h.
 */
#include "event.h"

#include <errno.h>
#include <jansson.h>
#include <string.h>

static const char event_word[] = "event ";

/* Consumes the object, which may be NULL. */
static int put_line(json_t *object, char out[static EVENT_LINE_BYTES])
{
	const size_t at = sizeof event_word - 1, room = EVENT_LINE_BYTES - at - 2;
	size_t n = object ? json_dumpb(object, out + at, room, JSON_COMPACT | JSON_REAL_PRECISION(9)) : 0;

	json_decref(object);
	if (n == 0 || n > room)
		return -ENOMEM;
	memcpy(out, event_word, at);
	memcpy(out + at + n, "\n", 2);
	return (int)(at + n + 1);
}

/* null for none. */
static json_t *of_address(const struct address *a)
{
	char text[ADDRESS_TEXT_BYTES];

	return a->family ? json_string(address_format(a, text)) : json_null();
}

static double milliseconds(uint64_t us)
{
	return (double)us / 1000;
}

int event_nat(const struct nat *nat, char out[static EVENT_LINE_BYTES])
{
	return put_line(json_pack("{s:s, s:s, s:s, s:s, s:b, s:{s:i, s:i, s:i, s:i}, s:i, s:i, s:i, "
				  "s:s, s:s, s:s, s:i, s:i, s:i, s:b, s:o}",
				  "event", "nat",
				  "mapping", nat_mapping_word(nat->mapping),
				  "filtering", nat_filtering_word(nat->filtering),
				  "ports", nat_ports_word(nat->ports),
				  "easy", (int)nat_easy(nat),
				  "set", "low", (int)nat->set.low, "high", (int)nat->set.high,
				  "stride", (int)nat->set.stride, "size", (int)nat_set_size(&nat->set),
				  "step", (int)nat->step,
				  "last", (int)nat->last,
				  "foreign", (int)nat->foreign,
				  "low_ports", nat_answer_word(nat->low_ports),
				  "poisoned", nat_answer_word(nat->poisoned),
				  "hairpin", nat_answer_word(nat->hairpin),
				  "addresses", (int)nat->addresses,
				  "ttl", (int)nat->ttl,
				  "lifetime_s", (int)nat->lifetime_s,
				  "complete", (int)nat->complete,
				  "external", of_address(&nat->external)), out);
}

int event_mapped(const struct mapping_result *mapping, char out[static EVENT_LINE_BYTES])
{
	return put_line(json_pack("{s:s, s:s, s:o, s:I}",
				  "event", "mapped",
				  "method", mapping_method_word(mapping->method),
				  "external", of_address(&mapping->external),
				  "lease_s", (json_int_t)mapping->lease_s), out);
}

static const char *event_word_of(enum punch_event_kind kind)
{
	switch (kind) {
	case PUNCH_GATHERED:
		return "gathered";
	case PUNCH_TRYING:
		return "trying";
	case PUNCH_CONNECTED:
		return "connected";
	case PUNCH_MOVED:
		return "moved";
	case PUNCH_LOST:
		return "lost";
	case PUNCH_FAILED:
		return "failed";
	}
	return "unknown";
}

static const char *reason_word(enum punch_reason reason)
{
	switch (reason) {
	case PUNCH_REASON_NONE:
		return "none";
	case PUNCH_REASON_TIMEOUT:
		return "timeout";
	case PUNCH_REASON_SIGNAL:
		return "signal";
	case PUNCH_REASON_REFUSED:
		return "refused";
	case PUNCH_REASON_CLOSED:
		return "closed";
	}
	return "unknown";
}

static const char *path_word(enum punch_path_kind kind)
{
	switch (kind) {
	case PUNCH_PATH_NONE:
		return "none";
	case PUNCH_PATH_LAN:
		return "lan";
	case PUNCH_PATH_DIRECT:
		return "direct";
	case PUNCH_PATH_RELAYED:
		return "relayed";
	}
	return "unknown";
}

int event_punch(const struct punch_event *event, uint16_t local_port,
		char out[static EVENT_LINE_BYTES])
{
	json_t *object = json_pack("{s:s}", "event", event_word_of(event->kind));
	json_t *more = NULL;

	switch (event->kind) {
	case PUNCH_GATHERED:
		more = json_pack("{s:i, s:i, s:o}", "local_port", (int)local_port,
				 "candidates", (int)event->candidates,
				 "reflexive", of_address(&event->reflexive));
		break;
	case PUNCH_CONNECTED:
	case PUNCH_MOVED:
		more = json_pack("{s:s, s:i, s:i, s:o, s:f}", "path", path_word(event->path.kind),
				 "local_port", (int)local_port, "socket", (int)event->path.socket,
				 "remote", of_address(&event->path.to),
				 "rtt_ms", milliseconds(event->path.rtt_us));
		break;
	case PUNCH_LOST:
	case PUNCH_FAILED:
		more = json_pack("{s:s}", "reason", reason_word(event->reason));
		break;
	case PUNCH_TRYING:
		more = json_object();
		break;
	}
	if (!object || !more || json_object_update_missing(object, more) < 0) {
		json_decref(object);
		json_decref(more);
		return -ENOMEM;
	}
	json_decref(more);
	if (event->kind != PUNCH_GATHERED) {
		more = json_pack("{s:s%, s:f, s:I, s:I, s:I}",
				 "rung", event->rung, strnlen(event->rung, sizeof event->rung),
				 "milliseconds", milliseconds(event->took_us),
				 "packets", (json_int_t)event->packets,
				 "ports", (json_int_t)event->ports,
				 "flows", (json_int_t)event->flows);
		if (!more || json_object_update_missing(object, more) < 0) {
			json_decref(object);
			object = NULL;
		}
		json_decref(more);
	}
	return put_line(object, out);
}

int event_ended(const struct punch_counters *counters, char out[static EVENT_LINE_BYTES])
{
	return put_line(json_pack("{s:s, s:I, s:I, s:I, s:I, s:I, s:I}",
				  "event", "ended",
				  "sent", (json_int_t)counters->sent,
				  "received", (json_int_t)counters->received,
				  "strange", (json_int_t)counters->strange,
				  "forged", (json_int_t)counters->forged,
				  "replayed", (json_int_t)counters->replayed,
				  "bad_signals", (json_int_t)counters->bad_signals), out);
}
