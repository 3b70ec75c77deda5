/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One end of an introduction: carries out in virtual time what its machine wants done. For end.c.
 */
#include <stdio.h>
#include <stdlib.h>

#include "end_inner.h"

/* ---- sockets */

static void receive(void *arg, struct sim_socket *socket, const struct address *from,
		    const uint8_t *bytes, size_t len)
{
	struct sim_slot *slot = arg;
	struct sim_end *e = slot->end;
	uint64_t now = sim_world_now(e->world), sent;
	const uint8_t *data;
	size_t data_len;

	(void)socket;
	if (slot->survey) {
		survey_datagram(e->survey, now, slot->number, from, bytes, len);
	} else if (punch_datagram(e->punch, now, slot->number, from, bytes, len, &data,
				  &data_len) == PUNCH_DATA && data_len == SIM_DATA_BYTES) {
		memcpy(&sent, data + 1, sizeof sent);
		e->data_us[address_equal(from, &e->config.relay) ? PUNCH_PATH_RELAYED :
								   PUNCH_PATH_DIRECT] = sent;
		e->data_n++;
	}
	sim_end_drain(e);
}

struct sim_slot *sim_slot_open(struct sim_end *e, uint16_t number, uint8_t family,
			       enum output_bind bind, int *ret_error)
{
	struct address local = { .family = family };
	struct sim_slot *slot = sim_pool_take(&e->slots);
	size_t n = e->sockets_n ? e->sockets_n : 16;

	*slot = (struct sim_slot){ .end = e, .number = number, .survey = !e->punch };
	*ret_error = sim_socket_open(e->config.box, &local, bind, receive, slot, &slot->socket);
	if (*ret_error < 0) {
		sim_pool_give(&e->slots, slot);
		return NULL;
	}
	while (n <= number)
		n *= 2;
	if (n > e->sockets_n) {
		e->sockets = reallocarray(e->sockets, n, sizeof *e->sockets);
		if (!e->sockets)
			abort();
		memset(e->sockets + e->sockets_n, 0, (n - e->sockets_n) * sizeof *e->sockets);
		e->sockets_n = n;
	}
	e->sockets[number] = slot;
	return slot;
}

struct sim_slot *sim_slot_find(const struct sim_end *e, uint16_t number)
{
	return number < e->sockets_n ? e->sockets[number] : NULL;
}

void sim_slot_close(struct sim_end *e, uint16_t number)
{
	struct sim_slot *slot = sim_slot_find(e, number);

	if (!slot)
		return;
	e->sockets[number] = NULL;
	sim_socket_close(slot->socket);
	sim_pool_give(&e->slots, slot);
}

/* ---- what the machines want done */

static void on_open(struct sim_end *e, const struct output *o)
{
	uint64_t now = sim_world_now(e->world);
	struct address local = { 0 };
	struct sim_slot *slot;
	int error;

	slot = sim_slot_open(e, o->socket, o->family, o->bind, &error);
	if (slot)
		sim_socket_local(slot->socket, &local);
	if (e->punch)
		punch_opened(e->punch, now, o->socket, &local, error);
	else
		survey_opened(e->survey, now, o->socket, &local, error);
}

static void on_send(struct sim_end *e, const struct output *o)
{
	struct sim_slot *slot = sim_slot_find(e, o->socket);

	if (slot)
		sim_socket_send(slot->socket, &o->to, o->ttl, o->bytes, o->len);
}

static void deliver(void *arg)
{
	struct sim_letter *letter = arg;
	struct sim_end *to = letter->to, *from = letter->from;
	uint64_t now = sim_world_now(to->world);

	if (to->punch) {
		sim_world_note(to->world, to->config.box, "gets a signal");
		if (to->heard_us == SIM_NEVER)
			to->heard_us = now;
		if (from->observed.family)
			punch_observed(to->punch, now, &from->observed);
		punch_signal(to->punch, now, letter->bytes, letter->len);
		sim_end_drain(to);
	}
	sim_pool_give(&from->letters, letter);
}

/* In order, since all take the same time. */
static void on_signal(struct sim_end *e, const struct output *o)
{
	struct sim_end *to = e->other;
	struct sim_letter *letter = sim_pool_take(&e->letters);
	uint64_t at = sim_world_now(e->world) + e->config.signal_us + to->config.late_us;

	sim_world_note(e->world, e->config.box, "sends a signal");
	letter->from = e;
	letter->to = to;
	letter->len = o->len;
	memcpy(letter->bytes, o->bytes, o->len);
	sim_world_at(e->world, at, deliver, letter);
}

static void note(struct sim_end *e, const struct punch_event *event)
{
	static const char *const kinds[] = { "gathered", "trying", "connected", "moved", "lost",
					     "failed" };
	static const char *const paths[] = { "", "lan", "direct", "relayed" };
	char text[64];

	snprintf(text, sizeof text, "%s %s%s%.23s", kinds[event->kind], paths[event->path.kind],
		 event->path.kind ? ", by " : "", event->kind == PUNCH_GATHERED ? "" : event->rung);
	sim_world_note(e->world, e->config.box, text);
}

static void on_event(struct sim_end *e, const struct output *o)
{
	uint64_t now = sim_world_now(e->world);
	struct punch_event event;

	if (o->len != sizeof event)
		return;
	memcpy(&event, o->bytes, sizeof event);
	note(e, &event);
	e->packets = event.packets;
	e->ports = event.ports;
	e->flows = event.flows;
	switch (event.kind) {
	case PUNCH_GATHERED:
		e->gathered_us = now;
		e->observed = event.reflexive;
		break;
	case PUNCH_CONNECTED:
	case PUNCH_MOVED:
		e->kind = event.path.kind;
		if (e->first_us[e->kind] == SIM_NEVER)
			e->first_us[e->kind] = now;
		snprintf(e->rung, sizeof e->rung, "%.23s", event.rung);
		break;
	case PUNCH_LOST:
		e->kind = PUNCH_PATH_NONE;
		e->lost_us = now;
		break;
	case PUNCH_FAILED:
		e->kind = PUNCH_PATH_NONE;
		e->failed_us = now;
		e->reason = event.reason;
		break;
	case PUNCH_TRYING:
		break;
	}
}

static void timer(void *arg)
{
	struct sim_end *e = arg;
	uint64_t now = sim_world_now(e->world);

	/* Another one was armed since. */
	if (now != e->armed_us)
		return;
	e->armed_us = SIM_NEVER;
	if (e->punch)
		punch_timer(e->punch, now);
	else if (e->survey)
		survey_timer(e->survey, now);
	sim_end_drain(e);
}

static void arm(struct sim_end *e)
{
	uint64_t now = sim_world_now(e->world), at = SIM_NEVER;

	if (e->punch)
		at = punch_deadline(e->punch);
	else if (e->survey)
		at = survey_deadline(e->survey);
	if (at <= now)
		at = now + 1;
	if (at >= e->armed_us)
		return;
	e->armed_us = at;
	sim_world_at(e->world, at, timer, e);
}

void sim_end_drain(struct sim_end *e)
{
	struct output o;

	while (e->punch ? punch_take(e->punch, &o) : survey_take(e->survey, &o)) {
		switch (o.kind) {
		case OUTPUT_SEND:
			on_send(e, &o);
			break;
		case OUTPUT_OPEN:
			on_open(e, &o);
			break;
		case OUTPUT_CLOSE:
			sim_slot_close(e, o.socket);
			break;
		case OUTPUT_SIGNAL:
			on_signal(e, &o);
			break;
		case OUTPUT_EVENT:
			on_event(e, &o);
			break;
		}
	}
	if (!e->punch && e->surveyed_us == SIM_NEVER && survey_result(e->survey, &e->nat)) {
		e->surveyed_us = sim_world_now(e->world);
		if (e->surveyed)
			e->surveyed(e->surveyed_arg);
	}
	arm(e);
}

