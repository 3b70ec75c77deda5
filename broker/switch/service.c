/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The services of service.h.
 */
#include "service.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "audit.h"
#include "board.h"
#include "conn.h"
#include "door.h"
#include "grant.h"
#include "handle.h"
#include "wait.h"

static int same_name(const void *value, const void *key)
{
	return strcmp(((const struct service *)value)->name, key) == 0;
}

struct service *service_get(const char *name, bool make)
{
	size_t len = strlen(name);
	uint64_t hash = table_hash_name(name, len);
	struct service *service = table_find(&board.services, hash, same_name, name);

	if (service || !make)
		return service;
	service = calloc(1, sizeof *service + len + 1);
	if (!service)
		return NULL;
	if (table_add(&board.services, hash, service) < 0) {
		free(service);
		return NULL;
	}
	memcpy(service->name, name, len + 1);
	service->name_len = (uint32_t)len;
	ref_init_root(&service->root, service);
	service->held = -1;
	list_init(&service->grants);
	list_init(&service->waits);
	list_append(&board.service_list, &service->in_board);
	return service;
}

void service_up(struct service *service)
{
	struct list ready;

	service->pins++;
	list_foreach(it, &service->grants)
		grant_update(list_entry(it, struct grant, in_service));
	list_init(&ready);
	list_splice(&ready, &service->waits);
	wait_resume_all(&ready);
	service->pins--;
	service_settle(service);
}

void service_settle(struct service *service)
{
	if (service->pins > 0 || service_is_up(service) || !list_empty(&service->grants) ||
	    !list_empty(&service->waits) || service->root.handles || service->root.children)
		return;
	list_remove(&service->in_board);
	table_remove(&board.services, table_hash_name(service->name, service->name_len),
		     service);
	free(service);
}

int exporter_new(struct handle *handle, const struct exporter *terms)
{
	struct service *service = handle->ref->service;
	struct exporter *e;

	if (service->exporter || service->held >= 0)
		return -EBUSY;
	e = calloc(1, sizeof *e);
	if (!e)
		return -ENOMEM;
	*e = *terms;
	e->service = service;
	e->conn = handle->conn;
	e->id = handle->id;
	e->handle = handle;
	conn_make_server(handle->conn);
	list_init(&e->in_starved);
	list_init(&e->fetches);
	service->exporter = e;
	return 0;
}

void exporter_free(struct exporter *e)
{
	struct service *service = e->service;
	struct list waiting;

	service->pins++;
	audit_write(&board.audit, &(struct audit_line){
		.event = "withdrawn",
		.who = e->conn->who,
		.who_len = e->conn->who_len,
		.name = service->name,
	});
	service->exporter = NULL;
	list_remove(&e->in_starved);
	list_init(&waiting);
	list_splice(&waiting, &e->fetches);
	wait_agent_gone(&waiting);
	free(e);
	list_foreach(it, &service->grants)
		grant_reclaim(list_entry(it, struct grant, in_service));
	service->pins--;
	service_up(service);
}

void exporter_await_room(struct exporter *e)
{
	struct conn *conn = e->conn;

	list_remove(&e->in_starved);
	list_append(&conn->starved, &e->in_starved);
	conn_await_drain(conn);
}

int service_hold(struct service *service, struct conn *by, int fd)
{
	if (service->exporter || service->held >= 0)
		return -EBUSY;
	if (!account_take(by->account, by->user, RESOURCE_HELD))
		return -EDQUOT;
	service->held = fd;
	service->held_door = by->door;
	service->held_user = by->user;
	user_hold(by->user);
	board.held++;
	return 0;
}

int service_unhold(struct service *service)
{
	int fd = service->held;

	if (fd < 0)
		return -1;
	service->held = -1;
	board.held--;
	account_give(&service->held_door->account, service->held_user, RESOURCE_HELD);
	user_release(service->held_user);
	return fd;
}
