/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The ways in which a client that asks us is introduced: pair, fetch, held and placed. Who
 * comes by a path is in accepted.c.
 */
#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../../libintro/wire/message.h"
#include "asking.h"
#include "board.h"
#include "conn.h"
#include "door.h"
#include "flight.h"
#include "handover.h"
#include "introduce.h"
#include "live.h"
#include "place.h"
#include "recent.h"
#include "reserve.h"
#include "service.h"

/* How long an agent has for opening a socket. */
#define AGENT_WAIT_USEC UINT64_C(30000000)

static struct party party_of(struct conn *conn)
{
	return (struct party){
		.door = conn->door->name,
		.uid = conn->peer.uid,
		.pid = conn->peer.pid,
		.pidfd_inode = conn_pidfd_inode(conn),
		.conn = conn->id,
	};
}

/* The service has not taken what it was sent: go on when it has. */
static void await_room(struct asking *a, struct exporter *e)
{
	if (e->conn->flight < e->conn->window && list_empty(&e->conn->queue)) {
		asking_retry(a);
		return;
	}
	asking_park(a, &a->service->waits, a->service, ROOM_WAIT_USEC);
	exporter_await_room(e);
}

static int track(const struct asking *a, const struct exporter *e, uint64_t number, int end,
		 struct live_session **ret)
{
	return live_begin(&(struct live_start){
		.ref = a->ref,
		.door = door_charged(a->conn->door),
		.user = a->conn->user,
		.exporter = e,
		.number = number,
		.end = end,
	}, ret);
}

void by_pair(struct asking *a, struct exporter *e)
{
	struct session session = {
		.type = a->request.type,
		.way = WAY_PAIR,
		.path = PATH_LOCAL,
		.ref = a->ref,
	};
	struct live_session *live = NULL;
	int pair[2], r;

	if (!flight_room(e->conn)) {
		await_room(a, e);
		return;
	}
	if (reserve_pair((int)a->request.type, pair) < 0) {
		asking_retry(a);
		return;
	}
	session.number = board.next_session++;
	if (a->ref->tracked) {
		r = track(a, e, session.number, pair[1], &live);
		if (r < 0) {
			close(pair[0]);
			close(pair[1]);
			asking_refuse(a, r);
			return;
		}
	}
	session.client = party_of(a->conn);
	r = session_send(e, &session, pair[1]);
	if (r == 0) {
		if (!asking_answer(a, pair[0], session.number, WAY_PAIR)) {
			live_forget(live);
			handover_take_back(e->conn);
		}
	} else {
		live_forget(live);
		close(pair[1]);
		if (r == -EAGAIN)
			await_room(a, e);
		else
			asking_absent(a, &a->service->waits, a->service, -ECONNREFUSED);
	}
	/* The service gets its end later than this: nothing of its can be in the queue. */
	close(pair[0]);
}

void by_fetch(struct asking *a, struct exporter *e)
{
	struct conn *agent = e->conn;
	struct session session = {
		.number = board.next_session++,
		.type = a->request.type,
		.way = WAY_FETCH,
		.path = PATH_LOCAL,
		.ref = a->ref,
		.client = party_of(a->conn),
	};
	uint8_t packet[512];
	struct wire_writer w;
	int r;

	if (e->fetching >= CONN_WINDOW_SERVER) {
		asking_park(a, &a->service->waits, a->service, ROOM_WAIT_USEC);
		return;
	}
	/* An agent has its time from now on, whatever was waited for before. */
	if (a->wait)
		a->wait->room_deadline_usec = 0;
	asking_park(a, &e->fetches, NULL, AGENT_WAIT_USEC);
	if (!a->wait)
		return;
	r = wait_for_agent(a->wait, e);
	if (r < 0) {
		asking_refuse(a, r);
		return;
	}
	a->wait->session = session.number;
	a->wait->reference = a->ref->id;
	recent_add(agent, session.number, a->conn->id);
	wire_begin(&w, packet, sizeof packet, WIRE_FETCH, a->wait->agent_serial, e->id, 0);
	session_write(e, &session, &w);
	conn_send(agent, packet, wire_finish(&w));
}

void by_held(struct asking *a)
{
	uint64_t session = board.next_session++;

	asking_answer(a, a->service->held, session, WAY_HELD);
}

void by_placed(struct asking *a)
{
	uint64_t session = board.next_session++;
	int fd = placement_open(a->service->placement);

	if (fd == -EMFILE || fd == -ENFILE) {
		asking_retry(a);
		return;
	}
	if (fd < 0) {
		asking_absent(a, &a->service->waits, a->service, -ECONNREFUSED);
		return;
	}
	asking_answer(a, fd, session, WAY_PLACED);
	close(fd);
}
