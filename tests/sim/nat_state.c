/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A simulated NAT's memory: hosts, mappings and flows, found by hash, ended in the order of
 * their timeouts.
 */
#include "nat_state.h"

#include <stdlib.h>

void sim_nat_begin(struct sim_nat *nat)
{
	sim_pool_init(&nat->host_pool, sizeof(struct sim_host_state));
	sim_pool_init(&nat->source_pool, sizeof(struct sim_source));
	sim_pool_init(&nat->mapping_pool, sizeof(struct sim_mapping));
	sim_pool_init(&nat->permission_pool, sizeof(struct sim_permission));
	sim_pool_init(&nat->flow_pool, sizeof(struct sim_flow));
	for (int i = 0; i < SIM_AGES; i++)
		TAILQ_INIT(&nat->ages[i]);
	if (!nat->config.overload)
		nat->taken = sim_alloc(nat->config.externals, sizeof *nat->taken);
}

void sim_nat_clear(struct sim_nat *nat)
{
	sim_table_free(&nat->hosts);
	sim_table_free(&nat->sources);
	sim_table_free(&nat->inside);
	sim_table_free(&nat->outside);
	sim_table_free(&nat->permissions);
	sim_table_free(&nat->flows);
	sim_pool_free(&nat->host_pool);
	sim_pool_free(&nat->source_pool);
	sim_pool_free(&nat->mapping_pool);
	sim_pool_free(&nat->permission_pool);
	sim_pool_free(&nat->flow_pool);
	free(nat->taken);
	nat->taken = NULL;
	nat->hosts_n = 0;
}

static struct address without_port(const struct address *a)
{
	struct address ip = *a;

	ip.port = 0;
	return ip;
}

struct sim_host_state *sim_nat_host(struct sim_nat *nat, const struct address *inside)
{
	struct address ip = without_port(inside);
	struct sim_node *node = sim_table_find(&nat->hosts, &ip, NULL);
	struct sim_host_state *host;

	if (node)
		return sim_container(node, struct sim_host_state, node);
	host = sim_pool_take(&nat->host_pool);
	*host = (struct sim_host_state){ .index = nat->hosts_n++ };
	TAILQ_INIT(&host->by_use);
	sim_table_add(&nat->hosts, &host->node, &ip, NULL);
	return host;
}

/* As much of a remote as a mapping depends on. */
static struct address mapping_remote(const struct sim_nat *nat, const struct address *remote)
{
	switch (nat->config.mapping) {
	case NAT_MAPPING_ADDRESS_PORT_DEPENDENT:
		return *remote;
	case NAT_MAPPING_ADDRESS_DEPENDENT:
		return without_port(remote);
	case NAT_MAPPING_UNKNOWN:
	case NAT_MAPPING_NONE:
	case NAT_MAPPING_ENDPOINT_INDEPENDENT:
		break;
	}
	return (struct address){ 0 };
}

struct sim_mapping *sim_nat_mapping_find(const struct sim_nat *nat, const struct address *inside,
					 const struct address *remote)
{
	struct address part = mapping_remote(nat, remote);
	struct sim_node *node = sim_table_find(&nat->inside, inside, &part);

	return node ? sim_container(node, struct sim_mapping, inside) : NULL;
}

static struct sim_source *take_source(struct sim_nat *nat, const struct address *inside)
{
	struct sim_node *node = sim_table_find(&nat->sources, inside, NULL);
	struct sim_source *source;

	if (node)
		return sim_container(node, struct sim_source, node);
	source = sim_pool_take(&nat->source_pool);
	LIST_INIT(&source->mappings);
	sim_table_add(&nat->sources, &source->node, inside, NULL);
	return source;
}

struct sim_mapping *sim_nat_mapping_add(struct sim_nat *nat, struct sim_host_state *host,
					const struct address *inside, const struct address *remote,
					const struct address *external, uint8_t index)
{
	struct sim_mapping *m = sim_pool_take(&nat->mapping_pool);
	struct address part = mapping_remote(nat, remote);

	*m = (struct sim_mapping){ .host = host, .external = index };
	sim_table_add(&nat->inside, &m->inside, inside, &part);
	m->outside.key.a = *external;
	if (!nat->config.overload) {
		sim_table_add(&nat->outside, &m->outside, external, NULL);
		nat->taken[index][external->port / 64] |= UINT64_C(1) << external->port % 64;
	}
	if (nat->config.ports == SIM_PORTS_LINUX) {
		m->source = take_source(nat, inside);
		LIST_INSERT_HEAD(&m->source->mappings, m, of_source);
	}
	return m;
}

static void mapping_remove(struct sim_nat *nat, struct sim_mapping *m)
{
	uint16_t port = m->outside.key.a.port;

	sim_table_remove(&nat->inside, &m->inside);
	if (!nat->config.overload) {
		sim_table_remove(&nat->outside, &m->outside);
		nat->taken[m->external][port / 64] &= ~(UINT64_C(1) << port % 64);
	}
	if (m->source) {
		LIST_REMOVE(m, of_source);
		if (LIST_EMPTY(&m->source->mappings)) {
			sim_table_remove(&nat->sources, &m->source->node);
			sim_pool_give(&nat->source_pool, m->source);
		}
	}
	sim_pool_give(&nat->mapping_pool, m);
}

static struct sim_permission *take_permission(struct sim_nat *nat, const struct address *external,
					      const struct address *remote)
{
	struct address ip = without_port(remote);
	struct sim_node *node = sim_table_find(&nat->permissions, external, &ip);
	struct sim_permission *p;

	if (node) {
		p = sim_container(node, struct sim_permission, node);
	} else {
		p = sim_pool_take(&nat->permission_pool);
		p->flows = 0;
		sim_table_add(&nat->permissions, &p->node, external, &ip);
	}
	p->flows++;
	return p;
}

struct sim_flow *sim_nat_flow_find(const struct sim_nat *nat, const struct address *external,
				   const struct address *remote)
{
	struct sim_node *node = sim_table_find(&nat->flows, external, remote);

	return node ? sim_container(node, struct sim_flow, node) : NULL;
}

struct sim_flow *sim_nat_flow_add(struct sim_nat *nat, uint64_t now_us,
				  struct sim_mapping *mapping, const struct address *external,
				  const struct address *remote)
{
	struct sim_flow *f = sim_pool_take(&nat->flow_pool);

	*f = (struct sim_flow){
		.mapping = mapping,
		.born_us = now_us,
		.until_us = now_us + nat->config.unreplied_us,
		.age = SIM_AGE_UNREPLIED,
	};
	sim_table_add(&nat->flows, &f->node, external, remote);
	TAILQ_INSERT_TAIL(&nat->ages[f->age], f, by_age);
	if (mapping) {
		mapping->flows++;
		mapping->host->flows++;
		TAILQ_INSERT_TAIL(&mapping->host->by_use, f, by_use);
		if (nat->config.filtering == NAT_FILTERING_ADDRESS_DEPENDENT)
			f->permission = take_permission(nat, external, remote);
	}
	return f;
}

void sim_nat_flow_remove(struct sim_nat *nat, struct sim_flow *f)
{
	struct sim_mapping *m = f->mapping;

	sim_table_remove(&nat->flows, &f->node);
	TAILQ_REMOVE(&nat->ages[f->age], f, by_age);
	if (f->permission && --f->permission->flows == 0) {
		sim_table_remove(&nat->permissions, &f->permission->node);
		sim_pool_give(&nat->permission_pool, f->permission);
	}
	if (m) {
		TAILQ_REMOVE(&m->host->by_use, f, by_use);
		m->host->flows--;
		if (--m->flows == 0)
			mapping_remove(nat, m);
	}
	sim_pool_give(&nat->flow_pool, f);
}

/* As nf_conntrack_proto_udp.c has it: the first reply itself still counts as unreplied. */
void sim_nat_flow_refresh(struct sim_nat *nat, uint64_t now_us, struct sim_flow *f, bool reply)
{
	bool stream = f->replied && now_us > f->born_us + nat->config.stream_after_us;
	uint64_t until = now_us + (stream ? nat->config.stream_us : nat->config.unreplied_us);

	if (reply)
		f->replied = true;
	if (reply && nat->config.outbound_refresh)
		return;
	TAILQ_REMOVE(&nat->ages[f->age], f, by_age);
	f->age = stream ? SIM_AGE_STREAM : SIM_AGE_UNREPLIED;
	f->until_us = until;
	TAILQ_INSERT_TAIL(&nat->ages[f->age], f, by_age);
	if (f->mapping) {
		TAILQ_REMOVE(&f->mapping->host->by_use, f, by_use);
		TAILQ_INSERT_TAIL(&f->mapping->host->by_use, f, by_use);
	}
}

void sim_nat_expire(struct sim_nat *nat, uint64_t now_us)
{
	struct sim_flow *f;

	for (int i = 0; i < SIM_AGES; i++) {
		while ((f = TAILQ_FIRST(&nat->ages[i])) && f->until_us <= now_us)
			sim_nat_flow_remove(nat, f);
	}
}
