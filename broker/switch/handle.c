/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The handles of handle.h.
 */
#include "handle.h"

#include <errno.h>
#include <stdlib.h>

#include "conn.h"
#include "place.h"
#include "ref.h"
#include "service.h"

static int same_handle(const void *value, const void *key)
{
	return ((const struct handle *)value)->id == *(const uint32_t *)key;
}

struct handle *handle_find(const struct conn *conn, uint32_t id)
{
	return table_find(&conn->handles, table_hash_number(id), same_handle, &id);
}

int handle_bind(struct conn *conn, uint32_t id, struct ref *ref, struct handle **ret)
{
	struct handle *handle;
	int r;

	if (id == 0)
		return -EINVAL;
	if (handle_find(conn, id))
		return -EEXIST;
	if (!account_take(conn->account, conn->user, RESOURCE_NAMES))
		return -EDQUOT;
	handle = calloc(1, sizeof *handle);
	r = handle ? table_add(&conn->handles, table_hash_number(id), handle) : -ENOMEM;
	if (!handle || r < 0) {
		free(handle);
		account_give(conn->account, conn->user, RESOURCE_NAMES);
		return r;
	}
	*handle = (struct handle){
		.conn = conn, .ref = ref, .id = id, .next = ref->handles, .at = &ref->handles,
	};
	if (handle->next)
		handle->next->at = &handle->next;
	ref->handles = handle;
	*ret = handle;
	return 0;
}

struct exporter *handle_exporter(const struct handle *handle)
{
	struct exporter *e = handle->ref->service->exporter;

	return e && e->handle == handle ? e : NULL;
}

struct placement *handle_placement(const struct handle *handle)
{
	struct placement *placement = handle->ref->service->placement;

	return placement && placement->handle == handle ? placement : NULL;
}

/* Its number is free, and what was done through it withdrawn. */
static void unbind(struct handle *handle)
{
	struct exporter *exporter = handle_exporter(handle);
	struct placement *placement = handle_placement(handle);

	*handle->at = handle->next;
	if (handle->next)
		handle->next->at = handle->at;
	table_remove(&handle->conn->handles, table_hash_number(handle->id), handle);
	if (exporter)
		exporter_free(exporter);
	if (placement)
		placement_free(placement);
}

static void discard(struct handle *handle)
{
	struct conn *conn = handle->conn;

	account_give(conn->account, conn->user, RESOURCE_NAMES);
	free(handle);
}

void handle_free(struct handle *handle)
{
	struct ref *ref = handle->ref;
	struct service *service = ref->service;

	service->pins++;
	unbind(handle);
	discard(handle);
	ref_settle(ref);
	service->pins--;
	service_settle(service);
}

void handle_break(struct handle *handle, int error)
{
	struct conn *conn = handle->conn;

	unbind(handle);
	if (list_empty(&conn->queue) && !conn->broken) {
		conn_tell_broken(conn, handle->id, error);
		discard(handle);
		return;
	}
	handle->error = error;
	handle->next = NULL;
	*conn->broken_last = handle;
	conn->broken_last = &handle->next;
}

static void take_broken(struct conn *conn, struct handle **at)
{
	struct handle *handle = *at;

	*at = handle->next;
	if (!*at)
		conn->broken_last = at;
	discard(handle);
}

void handle_tell_broken(struct conn *conn)
{
	while (conn->broken && !conn->doomed && list_empty(&conn->queue)) {
		conn_tell_broken(conn, conn->broken->id, conn->broken->error);
		take_broken(conn, &conn->broken);
	}
}

void handle_forget_broken(struct conn *conn)
{
	while (conn->broken)
		take_broken(conn, &conn->broken);
}

void handle_drop_broken(struct conn *conn, uint32_t id)
{
	for (struct handle **at = &conn->broken; *at; at = &(*at)->next) {
		if ((*at)->id == id) {
			take_broken(conn, at);
			return;
		}
	}
}
