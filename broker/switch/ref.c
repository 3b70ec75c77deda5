/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The reference tree of ref.h.
 */
#include "ref.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "board.h"
#include "conn.h"
#include "grant.h"
#include "link.h"
#include "place.h"
#include "service.h"

void ref_init_root(struct ref *ref, struct service *service)
{
	*ref = (struct ref){
		.service = service,
		.rights = RIGHTS_ALL,
		.uses = REF_UNLIMITED,
		.expires_usec = UINT64_MAX,
	};
	list_init(&ref->children);
	list_init(&ref->sibling);
	list_init(&ref->handles);
}

int ref_init_child(struct ref *ref, struct ref *parent, const struct terms *terms)
{
	char *label = NULL;

	if (terms->label && terms->label[0]) {
		label = strdup(terms->label);
		if (!label)
			return -ENOMEM;
	}
	ref_init_root(ref, parent->service);
	ref->parent = parent;
	ref->label = label;
	ref->rights = parent->rights & terms->rights;
	ref->uses = terms->uses;
	ref->expires_usec = terms->expires_usec < parent->expires_usec ?
				    terms->expires_usec : parent->expires_usec;
	list_append(&parent->children, &ref->sibling);
	return 0;
}

void ref_break(struct ref *ref, int error)
{
	list_foreach_safe(it, &ref->children)
		ref_break(list_entry(it, struct ref, sibling), error);
	while (!list_empty(&ref->handles)) {
		struct handle *handle = list_entry(ref->handles.next, struct handle, in_ref);

		conn_tell_broken(handle->conn, handle->id, error);
		handle_free(handle);
	}
	list_remove(&ref->sibling);
	free(ref->label);
	ref->label = NULL;
	ref->rights = 0;
}

int ref_check(const struct ref *ref, uint32_t right)
{
	if (!(ref->rights & right))
		return -EACCES;
	for (; ref; ref = ref->parent) {
		if (ref->uses == 0)
			return -EDQUOT;
		if (ref->expires_usec != UINT64_MAX && ref->expires_usec <= timer_now())
			return -EKEYEXPIRED;
	}
	return 0;
}

void ref_use(struct ref *ref)
{
	for (; ref; ref = ref->parent) {
		if (ref->uses == REF_UNLIMITED)
			continue;
		ref->uses--;
		if (ref->parent)
			link_keep_uses(list_entry(ref, struct grant, ref));
	}
}

void ref_unuse(struct ref *ref)
{
	for (; ref; ref = ref->parent)
		if (ref->uses != REF_UNLIMITED)
			ref->uses++;
}

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
	*handle = (struct handle){ .conn = conn, .ref = ref, .id = id };
	list_append(&ref->handles, &handle->in_ref);
	*ret = handle;
	return 0;
}

void handle_free(struct handle *handle)
{
	struct conn *conn = handle->conn;
	struct service *service = handle->ref->service;

	service->pins++;
	list_remove(&handle->in_ref);
	table_remove(&conn->handles, table_hash_number(handle->id), handle);
	account_give(conn->account, conn->user, RESOURCE_NAMES);
	if (handle->exporter)
		exporter_free(handle->exporter);
	if (handle->placement)
		placement_free(handle->placement);
	free(handle);
	service->pins--;
	service_settle(service);
}
