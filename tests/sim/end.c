/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One end of an introduction (end.h): its phases.
 */
#include <stdlib.h>

#include "end_inner.h"

#define PREFIX_BITS 24u

void sim_end_init(struct sim_end *e, struct sim_world *world, const struct sim_end_config *config)
{
	*e = (struct sim_end){
		.config = *config,
		.world = world,
		.armed_us = SIM_NEVER,
		.surveyed_us = SIM_NEVER,
		.gathered_us = SIM_NEVER,
		.heard_us = SIM_NEVER,
		.failed_us = SIM_NEVER,
		.lost_us = SIM_NEVER,
	};
	for (int i = 0; i < SIM_KINDS; i++)
		e->first_us[i] = SIM_NEVER;
	sim_pool_init(&e->slots, sizeof(struct sim_slot));
	sim_pool_init(&e->letters, sizeof(struct sim_letter));
	sim_box_privilege(config->box, config->low_ports);
}

void sim_end_free(struct sim_end *e)
{
	survey_free(e->survey);
	punch_free(e->punch);
	free(e->sockets);
	sim_pool_free(&e->slots);
	sim_pool_free(&e->letters);
}

void sim_ends_join(struct sim_end *a, struct sim_end *b)
{
	a->other = b;
	b->other = a;
}

bool sim_end_has(const struct sim_end *e, unsigned int kinds)
{
	return kinds >> e->kind & 1;
}

static void seed_bytes(struct sim_end *e, uint8_t seed[32])
{
	for (int i = 0; i < 32; i++)
		seed[i] = (uint8_t)sim_rng_u64(sim_world_rng(e->world));
}

void sim_end_survey(struct sim_end *e, void (*fn)(void *arg), void *arg)
{
	struct address locals[SIM_PLUG_ADDRESSES];
	struct survey_config c = {
		.servers = { e->config.servers[0], e->config.servers[1] },
		.locals = locals,
		.locals_n = sim_box_addresses(e->config.box, locals, SIM_PLUG_ADDRESSES),
		.low_ports = e->config.low_ports,
		.limit_us = SIM_SURVEY_US,
	};

	seed_bytes(e, c.seed);
	e->surveyed = fn;
	e->surveyed_arg = arg;
	if (!e->config.survey || survey_new(&e->survey, &c, sim_world_now(e->world)) < 0) {
		e->surveyed_us = sim_world_now(e->world);
		fn(arg);
		return;
	}
	sim_end_drain(e);
}

static size_t find_locals(struct sim_end *e, uint16_t port, struct punch_local *ret)
{
	struct address addresses[SIM_PLUG_ADDRESSES];
	size_t n = sim_box_addresses(e->config.box, addresses, SIM_PLUG_ADDRESSES);

	for (size_t i = 0; i < n; i++) {
		addresses[i].port = port;
		ret[i] = (struct punch_local){ .address = addresses[i], .prefix_bits = PREFIX_BITS };
	}
	return n;
}

static void send_data(void *arg)
{
	struct sim_end *e = arg;
	uint64_t now = sim_world_now(e->world);
	const struct punch_path *path = punch_path(e->punch);
	struct sim_slot *slot = sim_slot_find(e, path->socket);
	uint8_t bytes[sizeof path->header + SIM_DATA_BYTES] = { 0 };

	if (path->kind != PUNCH_PATH_NONE && slot) {
		memcpy(bytes, path->header, path->header_bytes);
		bytes[path->header_bytes] = SIM_DATA_BYTE;
		memcpy(bytes + path->header_bytes + 1, &now, sizeof now);
		sim_socket_send(slot->socket, &path->to, 0, bytes,
				path->header_bytes + SIM_DATA_BYTES);
		punch_sent(e->punch, now);
		sim_end_drain(e);
	}
	sim_world_at(e->world, now + e->config.data_us, send_data, e);
}

void sim_end_start(struct sim_end *e)
{
	struct punch_local locals[SIM_PLUG_ADDRESSES];
	struct punch_config c = {
		.role = e->config.role,
		.locals = locals,
		.servers = { e->config.servers[0], e->config.servers[1] },
		.relay = e->config.relay,
		.nat = e->nat,
		.low_ports = e->config.low_ports,
		.relay_only = e->config.relay_only,
		.host = &e->host,
	};
	struct address local;
	struct punch *punch;
	struct sim_slot *slot;
	int error;

	/* What is left of the survey's sockets is not the engine's. */
	for (size_t i = 0; i < e->sockets_n; i++)
		sim_slot_close(e, (uint16_t)i);
	slot = sim_slot_open(e, 0, 4, OUTPUT_BIND_ANY, &error);
	if (!slot)
		abort();
	slot->survey = false;
	sim_socket_local(slot->socket, &local);
	c.locals_n = find_locals(e, local.port, locals);
	seed_bytes(e, c.seed);
	memset(c.secret, 's', sizeof c.secret);
	if (punch_new(&punch, &c, sim_world_now(e->world)) < 0)
		abort();
	e->punch = punch;
	sim_end_drain(e);
	if (e->config.data_us > 0)
		sim_world_at(e->world, sim_world_now(e->world), send_data, e);
}

void sim_end_moved(struct sim_end *e)
{
	struct punch_local locals[SIM_PLUG_ADDRESSES];
	struct sim_slot *slot = sim_slot_find(e, 0);
	struct address local = { 0 };

	if (slot)
		sim_socket_local(slot->socket, &local);
	punch_network(e->punch, sim_world_now(e->world), locals, find_locals(e, local.port, locals));
	sim_end_drain(e);
}
