/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The doors of door.h.
 */
#include "door.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../../libintro/wire/name.h"
#include "../../libintro/wire/packet.h"
#include "board.h"
#include "conn.h"
#include "enclosure.h"
#include "grant.h"
#include "lent.h"
#include "link.h"
#include "listener.h"
#include "live.h"
#include "service.h"
#include "wait.h"

#define BROKER_SOCKET "intro.sock"
#define CONTROL_SOCKET "control.sock"
#define CONTROL_NAME "control"	/* who administers, in the audit log */

/* Descriptors kept free for pairs, answers and directories. */
#define CONN_RESERVE 64u

struct door *door_find(const char *name)
{
	list_foreach(it, &board.doors) {
		struct door *door = list_entry(it, struct door, in_board);

		if (strcmp(door->name, name) == 0)
			return door;
	}
	return NULL;
}

bool door_table_full(void)
{
	return board.conns_used + CONN_RESERVE >= board.conns_max;
}

/* Accept; at the descriptor table's end stop until a connection ends. One at a time: finding
 * that there is no more costs the kernel a whole socket, and the loop comes back. */
static void door_ready(struct source *source, uint32_t events)
{
	struct door *door = list_entry(source, struct door, listener);
	const struct account *a = &door->account;
	/* The administrator comes in even then, on what is left of the table. */
	bool table_full = !door->admin && door_table_full();
	int fd;

	(void)events;
	if (table_full || a->used[RESOURCE_CONNECTIONS] >= a->max[RESOURCE_CONNECTIONS]) {
		door->full = true;
		board.accept_stopped |= table_full;
		source_set(source, 0);
		return;
	}
	fd = listener_accept(source->fd);
	if (fd == -EMFILE || fd == -ENFILE || fd == -ENOMEM || fd == -ENOBUFS)
		listener_retry_door(door);
	else if (fd >= 0)
		conn_new(door, fd, false);
}

static void accept_again(struct door *door)
{
	if (!door->full || !door->listener.ready)
		return;
	door->full = false;
	source_set(&door->listener, EPOLLIN);
}

void door_room(struct door *door)
{
	if (!door->full && !board.accept_stopped)
		return;
	board.accept_stopped = false;
	accept_again(board.control);
	list_foreach(it, &board.doors)
		accept_again(list_entry(it, struct door, in_board));
}

struct door *door_alloc(const char *name)
{
	struct door *door = calloc(1, sizeof *door);

	if (!door)
		return NULL;
	snprintf(door->name, sizeof door->name, "%s", name);
	account_init(&door->account, board.limits.max);
	user_init_nobody(&door->nobody);
	list_init(&door->conns);
	list_init(&door->enclosures);
	list_init(&door->in_board);
	list_init(&door->grant_list);
	list_init(&door->unnamed_waits);
	door->dir = door->export_dir = door->listener.fd = -1;
	door->listener.ready = door_ready;
	door->id = board.next_id++;
	return door;
}

/* The directory parent/name, made when it is not there; never through a symbolic link. */
static int directory(int parent, const char *name, mode_t mode)
{
	int fd;

	if (mkdirat(parent, name, mode) < 0 && errno != EEXIST)
		return -errno;
	fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (fchmod(fd, mode) < 0) {
		int r = -errno;

		close(fd);
		return r;
	}
	return fd;
}

static int door_open(struct door *door, const struct door_options *o)
{
	int r;

	if (o->dir >= 0) {
		door->dir = o->dir;
	} else if (!o->external) {
		r = directory(board.doors_fd, door->name, 0755);
		if (r < 0)
			return r;
		door->dir = r;
	}
	if (o->exports) {
		r = directory(board.exports_fd, door->name, 0755);
		if (r < 0)
			return r;
		door->export_dir = r;
	}
	if (o->listener >= 0) {
		door->listener.fd = o->listener;
		listener_adopt(door->listener.fd);
		return 0;
	}
	r = listener_bind(door->dir, BROKER_SOCKET, SOCK_SEQPACKET, 0666);
	if (r < 0)
		return r;
	door->listener.fd = r;
	return 0;
}

static void door_close(struct door *door)
{
	if (door->listener.fd >= 0)
		close(door->listener.fd);
	if (door->dir >= 0)
		close(door->dir);
	if (door->export_dir >= 0)
		close(door->export_dir);
	free(door);
}

int door_new(const struct door_options *o, struct door **ret)
{
	struct door *door;
	int r;

	if (!wire_name_ok(o->name, strlen(o->name)))
		return -EINVAL;
	if (door_find(o->name) || strcmp(o->name, CONTROL_NAME) == 0)
		return -EEXIST;
	door = door_alloc(o->name);
	if (!door)
		return -ENOMEM;
	door->origin = o->origin;
	door->open = o->open;
	door->external = o->external;
	door->activated = o->activated;
	door->entry = o->entry ? o->entry : board.next_entry++;
	door->round = board.config_round;
	door->by_uid = o->origin == ORIGIN_BUILTIN;
	if (door->by_uid)
		account_init_unlimited(&door->account);
	r = door_open(door, o);
	if (r >= 0)
		r = source_add(&door->listener, board.started ? EPOLLIN : 0);
	if (r < 0) {
		/* what the caller gave stays the caller's */
		if (o->dir >= 0)
			door->dir = -1;
		if (o->listener >= 0)
			door->listener.fd = -1;
		door_close(door);
		return r;
	}
	list_append(&board.doors, &door->in_board);
	*ret = door;
	return 0;
}

int door_new_control(int listener, bool activated, struct door **ret)
{
	struct door *door = door_alloc(CONTROL_NAME);
	int r;

	if (!door)
		return -ENOMEM;
	door->admin = door->open = true;
	door->activated = activated;
	door->origin = ORIGIN_BUILTIN;
	account_init_unlimited(&door->account);
	door->entry = CHANNEL_ENTRY_CONTROL;
	r = listener;
	if (listener < 0)
		r = listener_bind(board.base_fd, CONTROL_SOCKET, SOCK_SEQPACKET, 0600);
	else
		listener_adopt(listener);
	door->listener.fd = r;
	if (r >= 0)
		r = source_add(&door->listener, 0);
	if (r < 0) {
		if (listener >= 0)
			door->listener.fd = -1;
		door_close(door);
		return r;
	}
	*ret = door;
	return 0;
}

void door_remove(struct door *door)
{
	while (!list_empty(&door->enclosures))
		enclosure_end(list_entry(door->enclosures.next, struct door, in_board));
	while (!list_empty(&door->conns))
		conn_close(list_entry(door->conns.next, struct conn, in_door));
	while (!list_empty(&door->grant_list))
		grant_free(list_entry(door->grant_list.next, struct grant, in_door), -ENOENT);
	lent_end_of(door);
	live_uncharge(door);
	list_foreach_safe(it, &board.service_list) {
		struct service *service = list_entry(it, struct service, in_board);

		if (service->held < 0 || service->held_door != door)
			continue;
		reaper_take(&board.reaper, service_unhold(service));
		service_settle(service);
	}
	if (door->dir >= 0)
		unlinkat(door->dir, BROKER_SOCKET, 0);
	link_forget(door->entry);
	table_clear(&door->grants);
	source_remove(&door->listener);
	listener_forget_door(door);
	list_remove(&door->in_board);
	/* connections that nobody accepted may be in it, and a stranger's descriptors in those */
	reaper_take(&board.reaper, door->listener.fd);
	if (door->dir >= 0)
		close(door->dir);
	if (door->export_dir >= 0)
		close(door->export_dir);
	board_bury(door);
}

void door_unlink(struct door *door)
{
	if (door->admin && !door->activated)
		unlinkat(board.base_fd, CONTROL_SOCKET, 0);
	else if (door->dir >= 0 && !door->activated)
		unlinkat(door->dir, BROKER_SOCKET, 0);
	list_foreach(it, &door->grant_list) {
		struct grant *grant = list_entry(it, struct grant, in_door);

		if (door->dir >= 0)
			unlinkat(door->dir, grant->file, 0);
	}
}

bool door_has_file(const struct door *door, const char *file)
{
	return strcmp(file, BROKER_SOCKET) == 0 || grant_has_file(door, file);
}

struct ref *door_resolve(struct door *door, const char *name, bool make)
{
	struct grant *grant = grant_find(door, name);
	struct service *service;

	if (grant)
		return &grant->ref;
	/* What is there has a good name. */
	if (!door->open || (make && !wire_name_ok(name, strlen(name))))
		return NULL;
	service = service_get(name, make);
	return service ? &service->root : NULL;
}

const char *door_path(const struct door *door, char *out, size_t size)
{
	if (door == board.host)
		snprintf(out, size, "%s", board.options.host);
	else if (door->external || door->admin)
		out[0] = '\0';
	else
		snprintf(out, size, "%s/doors/%s", board.options.base, door->name);
	return out;
}
