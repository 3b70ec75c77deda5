/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The grants of grant.h.
 */
#include "grant.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../../libintro/wire/name.h"
#include "board.h"
#include "conn.h"
#include "flight.h"
#include "introduce.h"
#include "link.h"
#include "listener.h"
#include "place.h"
#include "service.h"
#include "sturdy.h"
#include "wait.h"

static int same_name(const void *value, const void *key)
{
	return strcmp(((const struct grant *)value)->name, key) == 0;
}

struct grant *grant_find(const struct door *door, const char *name)
{
	if (door->grants.used == 0)
		return NULL;
	return table_find(&door->grants, table_hash_name(name, strlen(name)), same_name, name);
}

/* Only where there are aliases must all be looked at. */
bool grant_has_file(const struct door *door, const char *file)
{
	const struct grant *namesake = grant_find(door, file);

	if (namesake && strcmp(namesake->file, file) == 0)
		return true;
	if (door->aliases == 0)
		return false;
	list_foreach(it, &door->grant_list)
		if (strcmp(list_entry(it, struct grant, in_door)->file, file) == 0)
			return true;
	return false;
}

static void drop_listener(struct grant *grant)
{
	list_remove(&grant->in_retries);
	if (grant->listener.fd < 0)
		return;
	if (grant->listener.ready)
		source_remove(&grant->listener);
	/* connections that nobody accepted may be in it, and a stranger's descriptors in those */
	reaper_take(&board.reaper, grant->listener.fd);
	grant->listener.fd = -1;
}

/* Nobody may be introduced by it any more, while its holders still learn why. */
static void close_path(struct grant *grant)
{
	drop_listener(grant);
	if (grant->door->dir >= 0 && grant->file[0])
		unlinkat(grant->door->dir, grant->file, 0);
	link_keep_grant(grant);
}

static void grant_expire(struct timer *t)
{
	struct grant *grant = list_entry(t, struct grant, expiry);

	grant_free(grant, -EKEYEXPIRED);
}

/* The service has not taken what it was sent; or a quota, or the kernel, has no room. */
static void await_room(struct grant *grant, struct exporter *e)
{
	if (e->conn->flight < e->conn->window && list_empty(&e->conn->queue)) {
		listener_retry_grant(grant);
		return;
	}
	source_set(&grant->listener, 0);
	exporter_await_room(e);
}

/* Accept one where the service has room; the socket is the service's from then on. False: none. */
static bool accept_one(struct grant *grant)
{
	struct exporter *e = grant->ref.service->exporter;
	int fd;

	if (!e) {
		source_set(&grant->listener, 0);
		return false;
	}
	fd = ref_check(&grant->ref, RIGHT_CONNECT);
	if (fd < 0 && fd != -EUSERS) {
		close_path(grant);
		return false;
	}
	if (!list_empty(&e->conn->queue) || !flight_room(e->conn)) {
		await_room(grant, e);
		return false;
	}
	fd = listener_accept(grant->listener.fd);
	if (fd == -EMFILE || fd == -ENFILE || fd == -ENOMEM || fd == -ENOBUFS)
		listener_retry_grant(grant);
	else if (fd >= 0 && introduce_accepted(grant, fd) < 0)
		await_room(grant, e);
	else
		return fd >= 0;
	return false;
}

/* To accept until there is none would cost the kernel a whole socket for finding that. */
static void grant_ready(struct source *source, uint32_t events)
{
	struct grant *grant = list_entry(source, struct grant, listener);

	(void)events;
	for (uint32_t n = 1; accept_one(grant) && n < BURST_MAX; n++) {
		struct pollfd more = { .fd = source->fd, .events = POLLIN };

		if (!burst_look(&grant->burst))
			break;
		burst_seen(&grant->burst, poll(&more, 1, 0) > 0);
		if (!more.revents)
			break;
	}
}

int grant_listen(struct grant *grant)
{
	int fd = listener_bind(grant->door->dir, grant->file, SOCK_STREAM, 0666);

	if (fd < 0)
		return fd;
	drop_listener(grant);
	grant->listener.fd = fd;
	grant->listener.ready = grant_ready;
	grant->placed = grant->given = grant->inherited = false;
	if (source_add(&grant->listener, 0) < 0) {
		close(fd);
		grant->listener.fd = -1;
		return -ENOMEM;
	}
	link_keep_grant(grant);
	return 0;
}

/* Wanted: an accepting listener while somebody takes what we accept. */
static void update_listener(struct grant *grant)
{
	const struct exporter *e = grant->ref.service->exporter;
	bool serve = board.started && e && e->types >> SOCK_STREAM & 1;
	int r = 0;

	/* The server has not died with the last switch, and clients go straight to it; its agent
	 * will be back. */
	if (grant->given || (grant->inherited && !e))
		return;
	if (grant->placed || grant->listener.fd < 0)
		r = grant_listen(grant);
	if (r == -EMFILE || r == -ENFILE || r == -ENOMEM || r == -ENOBUFS) {
		listener_retry_grant(grant);
		return;
	}
	if (r < 0) {
		link_log("cannot listen in door %s for %s", grant->door->name, grant->name);
		return;
	}
	source_set(&grant->listener, serve ? EPOLLIN : 0);
}

void grant_give(struct grant *grant)
{
	if (grant->listener.ready)
		source_remove(&grant->listener);
	grant->given = true;
	link_keep_grant(grant);
}

void grant_reclaim(struct grant *grant)
{
	if (!grant->given)
		return;
	grant->given = false;
	drop_listener(grant);
}

void grant_unclaimed(struct grant *grant)
{
	if (grant->given && !grant->ref.service->exporter)
		grant_reclaim(grant);
	else if (grant->inherited && !grant->ref.service->placement)
		grant->inherited = false;
	else
		return;
	grant_update(grant);
}

void grant_update(struct grant *grant)
{
	int r;

	if (grant->door->dir < 0 || !(grant->ref.rights & RIGHT_CONNECT))
		return;
	r = ref_check(&grant->ref, RIGHT_CONNECT);
	if (r < 0 && r != -EUSERS) {
		close_path(grant);
	} else if (grant->ref.service->placement) {
		grant->inherited = false;
		if (placement_link(grant->ref.service->placement, grant) == 0) {
			drop_listener(grant);
			grant->placed = true;
			link_keep_grant(grant);
		}
	} else {
		update_listener(grant);
	}
}

static int check(const struct door *door, const struct grant_options *o)
{
	if (!wire_name_ok(o->name, strlen(o->name)) ||
	    (!o->parent && !wire_name_ok(o->service, strlen(o->service))) ||
	    !wire_file_ok(o->file, strlen(o->file)))
		return -EINVAL;
	if (grant_find(door, o->name))
		return -EEXIST;
	if (grant_has_file(door, o->file))
		return -EEXIST;
	return 0;
}

static struct grant *grant_alloc(struct door *door, const struct grant_options *o)
{
	struct grant *grant = calloc(1, sizeof *grant);

	if (!grant)
		return NULL;
	snprintf(grant->name, sizeof grant->name, "%s", o->name);
	grant->name_len = (uint8_t)strlen(grant->name);
	snprintf(grant->file, sizeof grant->file, "%s", o->file);
	grant->door = door;
	grant->origin = o->origin;
	grant->round = board.config_round;
	/* What is made from something that ends with us ends with us, too. */
	if (!door->within && (!o->parent || o->parent->kind != REF_LENT))
		grant->entry = o->entry ? o->entry : board.next_entry++;
	grant->listener.fd = o->listener;
	grant->listener.ready = o->listener >= 0 ? grant_ready : NULL;
	grant->expiry.due = grant_expire;
	list_init(&grant->in_retries);
	return grant;
}

int grant_new(struct door *door, const struct grant_options *o, struct grant **ret)
{
	struct account *account = &door_charged(door)->account;
	struct service *service;
	struct grant *grant;
	struct list again;
	int r = check(door, o);

	if (r < 0)
		return r;
	if (!account_take(account, door->user, RESOURCE_NAMES))
		return -EDQUOT;
	service = o->parent ? o->parent->service : service_get(o->service, true);
	grant = service ? grant_alloc(door, o) : NULL;
	r = grant ? ref_init_child(&grant->ref, REF_GRANT, o->parent ? o->parent : &service->root,
				   &o->terms) : -ENOMEM;
	if (r == 0) {
		r = table_add(&door->grants, table_hash_name(o->name, strlen(o->name)), grant);
		if (r < 0)
			ref_break(&grant->ref, r);
	}
	if (r < 0) {
		free(grant);
		if (service)
			service_settle(service);
		account_give(account, door->user, RESOURCE_NAMES);
		return r;
	}
	list_append(&door->grant_list, &grant->in_door);
	door->aliases += strcmp(grant->name, grant->file) != 0;
	list_append(&service->grants, &grant->in_service);
	grant->placed = grant->inherited = o->placed;
	if (o->given) {
		grant->given = true;
		grant->listener.ready = NULL;
	} else if (grant->listener.fd >= 0) {
		listener_adopt(grant->listener.fd);
		source_add(&grant->listener, 0);
	}
	if (grant->ref.expires_usec != UINT64_MAX)
		timer_arm(&board.timers, &grant->expiry, grant->ref.expires_usec);
	grant_update(grant);
	link_keep_grant(grant);
	*ret = grant;

	list_init(&again);
	list_splice(&again, &door->unnamed_waits);
	wait_resume_all(&again);
	return 0;
}

struct grant *grant_by_entry(uint64_t entry)
{
	list_foreach(it, &board.doors)
		list_foreach(jt, &list_entry(it, struct door, in_board)->grant_list) {
			struct grant *grant = list_entry(jt, struct grant, in_door);

			if (grant->entry == entry)
				return grant;
		}
	return NULL;
}

void grant_free(struct grant *grant, int error)
{
	struct door *door = grant->door;
	struct service *service = grant->ref.service;

	service->pins++;
	timer_disarm(&board.timers, &grant->expiry);
	list_remove(&grant->in_door);
	door->aliases -= strcmp(grant->name, grant->file) != 0;
	list_remove(&grant->in_service);
	table_remove(&door->grants, table_hash_name(grant->name, strlen(grant->name)), grant);
	account_give(&door_charged(door)->account, door->user, RESOURCE_NAMES);
	drop_listener(grant);
	if (door->dir >= 0)
		unlinkat(door->dir, grant->file, 0);
	link_forget(grant->entry);
	sturdy_grant_ended(grant, error);
	ref_break(&grant->ref, error);
	board_bury(grant);
	service->pins--;
	service_settle(service);
}
