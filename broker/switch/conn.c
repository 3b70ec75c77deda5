/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The connections of conn.h: their life, and their input.
 */
#include "conn.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../../libintro/wire/message.h"
#include "../../libintro/wire/packet.h"
#include "admin.h"
#include "board.h"
#include "client.h"
#include "door.h"
#include "flight.h"
#include "gift.h"
#include "enclosure.h"
#include "handle.h"
#include "handover.h"
#include "listing.h"
#include "live.h"
#include "maker.h"
#include "queue.h"
#include "service.h"
#include "sturdy.h"
#include "wait.h"

/* Packets read at one edge, so that one chatterer does not keep the others waiting. */
#define READS_AT_ONCE 64

static void conn_ready(struct source *source, uint32_t events);

static void refuse(int fd)
{
	uint8_t packet[64];
	struct wire_writer w;

	wire_begin(&w, packet, sizeof packet, WIRE_REPLY, 0, 0, 0);
	wire_put_u32(&w, TAG_ERROR, (uint32_t)-EDQUOT);
	packet_send(fd, packet, (size_t)wire_finish(&w), NULL, 0);
}

static int name_it(struct conn *conn)
{
	char who[AUDIT_WHO_MAX];

	conn->who_len = (uint32_t)audit_write_who(conn->door, conn->peer.uid, conn->peer.pid, who);
	conn->who = strndup(who, conn->who_len);
	return conn->who ? 0 : -ENOMEM;
}

static int set_up(struct conn *conn, struct door *door, int fd)
{
	struct peer peer;
	int r = peer_of(fd, &peer);

	if (r < 0)
		return r;
	conn->user = door->user ? door->user :
		     door->by_uid ? user_get((uint32_t)peer.uid) : &door->nobody;
	if (!conn->user)
		return -ENOMEM;
	user_hold(conn->user);
	conn->peer = peer;
	conn->door = door;
	conn->account = &door_charged(door)->account;
	if (name_it(conn) < 0) {
		user_release(conn->user);
		return -ENOMEM;
	}
	if (!account_take(conn->account, conn->user, RESOURCE_CONNECTIONS)) {
		user_release(conn->user);
		return -EDQUOT;
	}
	conn->source.fd = fd;
	conn->source.ready = conn_ready;
	if (source_add(&conn->source, EPOLLIN) < 0) {
		account_give(conn->account, conn->user, RESOURCE_CONNECTIONS);
		user_release(conn->user);
		return -ENOMEM;
	}
	return 0;
}

struct conn *conn_new(struct door *door, int fd, bool joined)
{
	struct conn *conn = calloc(1, sizeof *conn);
	int r = !conn ? -ENOMEM : joined && door_table_full() ? -EDQUOT : set_up(conn, door, fd);

	if (!conn || r < 0) {
		refuse(fd);
		reaper_take(&board.reaper, fd);
		if (conn)
			free(conn->who);
		free(conn);
		return NULL;
	}
	conn->window = CONN_WINDOW_CLIENT;
	conn->admin = door->admin;
	conn->reap = joined || !board.passrights;
	conn->id = board.next_id++;
	list_init(&conn->waits);
	list_init(&conn->slot_waits);
	list_init(&conn->starved);
	list_init(&conn->leashes);
	conn->broken_last = &conn->broken;
	list_init(&conn->queue);
	list_init(&conn->in_flights);
	list_init(&conn->in_watchers);
	list_init(&conn->in_doomed);
	list_append(&door->conns, &conn->in_door);
	list_append(&board.conns, &conn->in_board);
	board.conns_used++;
	return conn;
}

/* Nothing of it is left: give back what it was charged for. */
static void conn_end(struct conn *conn)
{
	flight_forget(conn);
	list_remove(&conn->in_door);
	account_give(conn->account, conn->user, RESOURCE_CONNECTIONS);
	user_release(conn->user);
	board.conns_used--;
	if (conn->reap)
		reaper_take(&board.reaper, conn->source.fd);
	else
		close(conn->source.fd);
	door_room(conn->door);
	enclosure_settle(conn->door);
	board_bury(conn);
}

static void linger_ready(struct source *source, uint32_t events)
{
	struct conn *conn = list_entry(source, struct conn, source);

	(void)events;
	flight_refresh(conn);
	if (conn->flight == 0)
		conn_close(conn);
}

/* What was sent lies in the peer's queue and is ours in the kernel's count, for as long as the
 * peer likes. Were it forgotten here, a client could have any number of them. */
static bool linger(struct conn *conn)
{
	flight_refresh(conn);
	if (conn->flight == 0)
		return false;
	shutdown(conn->source.fd, SHUT_RDWR);
	conn->source.ready = linger_ready;
	conn->lingers = source_add(&conn->source, EPOLLOUT | EPOLLET) == 0;
	return conn->lingers;
}

void conn_close(struct conn *conn)
{
	struct handle *handle;
	uint32_t cursor;

	if (conn->lingers) {
		conn->lingers = false;
		source_remove(&conn->source);
		conn_end(conn);
	}
	if (conn->dead)
		return;
	conn->dead = conn->doomed = true;
	list_remove(&conn->in_doomed);
	source_remove(&conn->source);
	while (!list_empty(&conn->waits))
		wait_free(list_entry(conn->waits.next, struct wait, in_conn));
	for (cursor = 0; (handle = table_next(&conn->handles, &cursor));)
		handle_free(handle);
	table_clear(&conn->handles);
	handle_forget_broken(conn);
	table_clear(&conn->fetches);
	live_cut_of(conn);
	gifts_end_of(conn);
	sturdy_forget_conn(conn);
	maker_release(conn->maker);
	conn->maker = NULL;
	handover_drop(conn);
	queue_clear(conn);
	listing_free(conn->listing);
	free(conn->recent);
	free(conn->who);
	list_remove(&conn->in_watchers);
	list_remove(&conn->in_board);
	if (!linger(conn))
		conn_end(conn);
}

void conn_doom(struct conn *conn)
{
	if (conn->doomed)
		return;
	conn->doomed = true;
	list_append(&board.doomed, &conn->in_doomed);
}

void conn_widen(struct conn *conn, bool wide)
{
	/* The kernel says that there is room again when three quarters of this, which it doubles
	 * (socket(7)), are free: once a window's half was taken, rather than at each receive. */
	int bytes = (int)(board.flight_unit * (wide ? board.flight_max : CONN_WINDOW_SERVER));

	setsockopt(conn->source.fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof bytes);
}

void conn_make_server(struct conn *conn)
{
	if (conn->server)
		return;
	conn_widen(conn, false);
	conn->server = true;
	conn->window = CONN_WINDOW_SERVER;
}

void conn_allow_descriptors(struct conn *conn)
{
	int on = 1;

	setsockopt(conn->source.fd, SOL_SOCKET, SO_PASSRIGHTS, &on, sizeof on);
	conn->deposits = conn->reap = true;
}

/* A plain client is not read while an answer of ours waits for it: what it asked next would
 * need room that it does not give. */
static bool may_read(struct conn *conn)
{
	if (!list_empty(&conn->queue) || conn->listing || conn->asking)
		return false;
	if (conn->server || conn->flight < conn->window)
		return true;
	flight_refresh(conn);
	return conn->flight < conn->window;
}

/* A packet of at most WIRE_PACKET_MAX bytes with at most one descriptor, asked for; anything else
 * is its sender's last. ret_nfds: of descriptors, which are the caller's in any case. */
static ssize_t take(const struct conn *conn, uint8_t *packet, int *fds, size_t *ret_nfds)
{
	int flags;
	ssize_t n;

	*ret_nfds = 0;
	if (!conn->reap) {
		n = packet_take_plain(conn->source.fd, packet);
		return n > (ssize_t)WIRE_PACKET_MAX ? -EMSGSIZE : n;
	}
	n = packet_take(conn->source.fd, packet, fds, PACKET_FDS_MAX, ret_nfds, &flags);
	if (n >= 0 && (flags & (MSG_TRUNC | MSG_CTRUNC) || *ret_nfds > (conn->deposits ? 1 : 0)))
		return -EPROTO;
	return n;
}

/* Read and handle one packet: false when there is none, or the connection has ended. */
static bool read_one(struct conn *conn)
{
	uint8_t packet[WIRE_PACKET_MAX];
	int fds[PACKET_FDS_MAX];
	struct wire_message m;
	size_t nfds;
	ssize_t n = take(conn, packet, fds, &nfds);

	if (n == -EAGAIN)
		return false;
	if (n <= 0 || wire_parse(packet, (size_t)n, &m) < 0 || m.head.nfds != nfds ||
	    (m.head.type >= WIRE_DOOR_ADD ? admin_dispatch(conn, &m) :
		     client_dispatch(conn, &m, nfds > 0 ? &fds[0] : NULL)) < 0) {
		for (size_t i = 0; i < nfds; i++)
			if (fds[i] >= 0)
				reaper_take(&board.reaper, fds[i]);
		conn_close(conn);
		return false;
	}
	if (nfds > 0 && fds[0] >= 0)
		reaper_take(&board.reaper, fds[0]);
	return !conn->doomed;
}

/* It has taken something from its queue: go on with what waited for that. */
static void drained(struct conn *conn)
{
	struct list ready;

	if (!queue_flush(conn))
		return;
	handle_tell_broken(conn);
	flight_refresh(conn);
	if (conn->listing && !listing_continue(conn))
		return;
	list_init(&ready);
	if (conn->flight < conn->window)
		list_splice(&ready, &conn->slot_waits);
	wait_resume_all(&ready);
	while (!conn->doomed && conn->flight < conn->window && !list_empty(&conn->starved)) {
		struct exporter *e = list_entry(conn->starved.next, struct exporter, in_starved);

		list_remove(&e->in_starved);
		service_up(e->service);
	}
}

static bool awaits_drain(const struct conn *conn)
{
	return !list_empty(&conn->queue) || !list_empty(&conn->slot_waits) ||
	       !list_empty(&conn->starved) || conn->listing || conn->broken;
}

static void conn_ready(struct source *source, uint32_t events)
{
	struct conn *conn = list_entry(source, struct conn, source);
	int reads = source->events & EPOLLET ? READS_AT_ONCE : 1;
	/* A peer that is gone has taken nothing, and is given nothing more: all that is left is to
	 * read what it had sent. */
	bool gone = events & EPOLLHUP;

	if (events & EPOLLOUT && !gone)
		drained(conn);
	while (reads-- > 0 && !conn->doomed) {
		if (!gone && !may_read(conn)) {
			conn_await_drain(conn);
			return;
		}
		if (!read_one(conn))
			break;
	}
	/* Back to level-triggered input, which also brings up again what was left unread. */
	if (!conn->doomed && source->events & EPOLLET && !awaits_drain(conn))
		source_set(source, EPOLLIN);
	else if (!conn->doomed && reads < 0 && source->events & EPOLLET) {
		source->events = 0;
		conn_await_drain(conn);
	}
}

void conn_await_drain(struct conn *conn)
{
	source_set(&conn->source, EPOLLIN | EPOLLOUT | EPOLLET);
}

void conn_reply(struct conn *conn, uint32_t serial, int error)
{
	uint8_t packet[64];
	struct wire_writer w;

	wire_begin(&w, packet, sizeof packet, WIRE_REPLY, serial, 0, 0);
	if (error < 0)
		wire_put_u32(&w, TAG_ERROR, (uint32_t)error);
	conn_send(conn, packet, wire_finish(&w));
}

void conn_tell_broken(struct conn *conn, uint32_t ref, int error)
{
	uint8_t packet[64];
	struct wire_writer w;

	wire_begin(&w, packet, sizeof packet, WIRE_BROKEN, 0, ref, 0);
	wire_put_u32(&w, TAG_ERROR, (uint32_t)error);
	conn_send(conn, packet, wire_finish(&w));
}

uint64_t conn_pidfd_inode(struct conn *conn)
{
	struct stat st;
	socklen_t len = sizeof(int);
	int pidfd;

	if (conn->pidfd_inode)
		return conn->pidfd_inode;
	if (getsockopt(conn->source.fd, SOL_SOCKET, SO_PEERPIDFD, &pidfd, &len) < 0)
		return 0;
	if (fstat(pidfd, &st) == 0)
		conn->pidfd_inode = st.st_ino;
	close(pidfd);
	return conn->pidfd_inode;
}
