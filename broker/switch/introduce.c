/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The introductions of introduce.h. An introduction by pair costs one socketpair and two
 * messages; everything else on this path is arithmetic.
 */
#include "introduce.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "../../libintro/wire/message.h"
#include "../../libintro/wire/name.h"
#include "asking.h"
#include "audit.h"
#include "board.h"
#include "conn.h"
#include "door.h"
#include "flight.h"
#include "grant.h"
#include "handle.h"
#include "place.h"
#include "service.h"
#include "wait.h"

void introduce_refuse(struct conn *conn, const struct request *rq, int error)
{
	const struct handle *handle = rq->ref ? handle_find(conn, rq->ref) : NULL;
	const char *name = handle ? ref_name(handle->ref) : NULL;

	/* A name that was never looked up successfully has not been checked. */
	if (wire_name_ok(rq->name, strlen(rq->name)))
		name = rq->name;
	conn->account->refusals++;
	conn->user->account.refusals++;
	/* a reference to nothing was refused, by name, when it was looked up */
	if (name)
		audit_write(&board.audit, &(struct audit_line){
			.event = "refused",
			.who = conn->who,
			.who_len = conn->who_len,
			.name = name,
			.error = error,
		});
	conn_reply(conn, rq->serial, error);
}

void asking_refuse(struct asking *a, int error)
{
	introduce_refuse(a->conn, &a->request, error);
	if (a->wait)
		wait_free(a->wait);
	a->wait = NULL;
}

void asking_park(struct asking *a, struct list *queue, struct service *service,
		 uint64_t at_least_usec)
{
	uint64_t deadline = a->request.deadline_usec;
	uint64_t room = a->wait ? a->wait->room_deadline_usec : 0;
	int r;

	/* Counted from the first time: being parked again gives no more time. */
	if (at_least_usec && !room)
		room = timer_now() + at_least_usec;
	if (at_least_usec && deadline < room)
		deadline = room;
	r = wait_park(a->conn, &a->request, queue, service, deadline, &a->wait);
	if (r < 0)
		asking_refuse(a, r);
	else	/* wait_park() has set it. NOLINTNEXTLINE(*-core.NullDereference) */
		a->wait->room_deadline_usec = at_least_usec ? room : 0;
}

void asking_absent(struct asking *a, struct list *queue, struct service *service, int error)
{
	if (a->request.deadline_usec)
		asking_park(a, queue, service, 0);
	else
		asking_refuse(a, error);
}

void asking_retry(struct asking *a)
{
	asking_park(a, &board.retries, NULL, ROOM_WAIT_USEC);
	if (a->wait)
		wait_retry_later(a->wait);
}

void introduced(struct ref *ref, struct account *door, struct account *user, const char *who,
		uint32_t who_len, uint64_t session, int way, int path)
{
	struct service *service = ref->service;
	/* what the door calls it, whose length is known of the commonest */
	const struct grant *grant = ref->kind == REF_GRANT ? list_entry(ref, struct grant, ref) :
							     NULL;
	const char *name = grant ? grant->name : ref_name(ref);

	door->introductions++;
	if (user)
		user->introductions++;
	service->introductions++;
	audit_introduced(&board.audit, &(struct audit_introduction){
		.who = who,
		.who_len = who_len,
		.name = name,
		.name_len = grant ? grant->name_len : strlen(name),
		.service = service->name,
		.service_len = service->name_len,
		.label = ref->label,
		.reference = ref->depth > 1 ? ref->id : 0,
		.session = session,
		.way = way,
		.path = path,
	});
}

/* The client has been served. */
static void done(struct asking *a, uint64_t session, uint32_t way)
{
	struct conn *conn = a->conn;

	introduced(a->ref, conn->account, &conn->user->account, conn->who, conn->who_len,
		   session, (int)way, PATH_LOCAL);
	if (a->wait)
		wait_free(a->wait);
	a->wait = NULL;
}

/* Its client has not taken what it was sent: go on when it has. */
static void await_slot(struct asking *a)
{
	asking_park(a, &a->conn->slot_waits, NULL, ROOM_WAIT_USEC);
	conn_await_drain(a->conn);
}

bool asking_answer(struct asking *a, int fd, uint64_t session, uint32_t way)
{
	uint8_t packet[64];
	struct wire_writer w;
	int r;

	wire_begin(&w, packet, sizeof packet, WIRE_REPLY, a->request.serial, 0, 1);
	wire_put_u32(&w, TAG_WAY, way);
	wire_put_u32(&w, TAG_PATH, PATH_LOCAL);
	wire_put_u64(&w, TAG_SESSION, session);
	ref_use(a->ref);
	r = conn_send_fds(a->conn, packet, wire_finish(&w), &fd, 1);
	if (r == 0) {
		done(a, session, way);
		return true;
	}
	ref_unuse(a->ref);
	if (r == -ETOOMANYREFS)
		asking_retry(a);
	else if (r == -EAGAIN)
		await_slot(a);
	else
		conn_doom(a->conn);
	return false;
}

/* Of which sessions can anybody say when they have ended? And what is placed is connected to
 * behind our back, as often as its holder likes. */
static bool way_bears(const struct asking *a)
{
	const struct service *service = a->service;
	const struct exporter *e = service->exporter;

	if (a->ref->tracked)
		return e ? e->way == WAY_PAIR && a->request.type != SOCK_DGRAM :
			   service->held < 0 && !service->placement;
	return !a->ref->counted || e || service->held >= 0 || !service->placement;
}

static void by_service(struct asking *a)
{
	struct exporter *e = a->service->exporter;
	uint32_t type = a->request.type;

	if (!way_bears(a))
		asking_refuse(a, -EOPNOTSUPP);
	else if (e && !(e->types >> type & 1))
		asking_refuse(a, -EPROTOTYPE);
	else if (e && e->way == WAY_PAIR)
		by_pair(a, e);
	else if (e)
		by_fetch(a, e);
	else if (a->service->held >= 0)
		by_held(a);
	else if (a->service->placement && type != SOCK_STREAM)
		asking_refuse(a, -EPROTOTYPE);
	else if (a->service->placement)
		by_placed(a);
	else
		asking_absent(a, &a->service->waits, a->service, -ECONNREFUSED);
}

static struct ref *resolve(struct asking *a)
{
	const struct request *rq = &a->request;
	struct handle *handle = rq->ref ? handle_find(a->conn, rq->ref) : NULL;

	if (handle)
		return handle->ref;
	return rq->name[0] ? door_resolve(a->conn->door, rq->name, rq->deadline_usec != 0) : NULL;
}

void introduce(struct conn *conn, const struct request *request, struct wait *wait)
{
	struct asking a = { .conn = conn, .request = *request, .wait = wait };
	struct service *service;
	int r;

	if (conn->flight >= conn->window || !flight_room(conn)) {
		if (conn->flight < conn->window) {
			asking_retry(&a);
			return;
		}
		await_slot(&a);
		return;
	}
	a.ref = resolve(&a);
	if (!a.ref) {
		asking_absent(&a, &conn->door->unnamed_waits, NULL, -ENOENT);
		return;
	}
	r = ref_check(a.ref, RIGHT_CONNECT);
	if (r < 0) {
		if (r == -EAGAIN)
			asking_retry(&a);
		else
			asking_refuse(&a, r);
		return;
	}
	service = a.service = a.ref->service;
	service->pins++;
	by_service(&a);
	service->pins--;
	service_settle(service);
}

void introduce_fetched(struct wait *wait)
{
	struct conn *conn = wait->conn;
	struct asking a = { .conn = conn, .request = wait->request, .wait = wait };
	int r;

	if (!flight_room(conn)) {
		if (conn->flight < conn->window)
			asking_retry(&a);
		else
			await_slot(&a);
		return;
	}
	/* What allowed it may have gone, or been used up, while the agent worked; and what the
	 * handle or the name means now may be another. */
	a.ref = resolve(&a);
	r = a.ref && a.ref->id == wait->reference ? ref_check(a.ref, RIGHT_CONNECT) : -ENOENT;
	if (r < 0) {
		asking_refuse(&a, r);
		return;
	}
	a.service = a.ref->service;
	asking_answer(&a, wait->fd, wait->session, WAY_FETCH);
}

