/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The introductions of introduce.h. An introduction by pair costs one socketpair and two
 * messages; everything else on this path is arithmetic.
 */
#include "introduce.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../../libintro/wire/message.h"
#include "../../libintro/wire/name.h"
#include "audit.h"
#include "board.h"
#include "conn.h"
#include "door.h"
#include "flight.h"
#include "grant.h"
#include "place.h"
#include "service.h"
#include "wait.h"

/* How long a request waits for room in a service's window, or for its agent's answer, when
 * its client did not ask for more. */
#define ROOM_WAIT_USEC UINT64_C(5000000)
#define AGENT_WAIT_USEC UINT64_C(30000000)

/* A request on its way through this file. */
struct asking {
	struct conn *conn;
	struct request request;
	struct wait *wait;	/* NULL: it was not parked yet */
	struct ref *ref;
	struct service *service;
};

void introduce_refuse(struct conn *conn, const struct request *rq, int error)
{
	const struct handle *handle = rq->ref ? handle_find(conn, rq->ref) : NULL;
	const char *name = handle ? handle->ref->service->name : NULL;

	/* A name that was never looked up successfully has not been checked. */
	if (wire_name_ok(rq->name, strlen(rq->name)))
		name = rq->name;
	conn->account->refusals++;
	conn->user->account.refusals++;
	audit_write(&board.audit, &(struct audit_line){
		.event = "refused",
		.who = conn->who,
		.who_len = conn->who_len,
		.name = name,
		.error = error,
	});
	conn_reply(conn, rq->serial, error);
}

static void refuse(struct asking *a, int error)
{
	introduce_refuse(a->conn, &a->request, error);
	if (a->wait)
		wait_free(a->wait);
}

static void park(struct asking *a, struct list *queue, struct service *service,
		 uint64_t at_least_usec)
{
	uint64_t deadline = a->request.deadline_usec;
	int r;

	if (at_least_usec && deadline != UINT64_MAX && deadline < timer_now() + at_least_usec)
		deadline = timer_now() + at_least_usec;
	r = wait_park(a->conn, &a->request, queue, service, deadline, &a->wait);
	if (r < 0)
		refuse(a, r);
}

/* Nobody is there to be introduced to. */
static void absent(struct asking *a, struct list *queue, struct service *service, int error)
{
	if (a->request.deadline_usec)
		park(a, queue, service, 0);
	else
		refuse(a, error);
}

/* The kernel or an account is exhausted: not for long. */
static void retry(struct asking *a)
{
	park(a, &board.retries, NULL, ROOM_WAIT_USEC);
	if (a->wait)
		wait_retry_later(a->wait);
}

static void await_room(struct asking *a, struct exporter *e)
{
	struct conn *server = e->handle->conn;

	if (server->flight < server->window) {
		retry(a);
		return;
	}
	park(a, &a->service->waits, a->service, ROOM_WAIT_USEC);
	list_remove(&e->in_starved);
	list_append(&server->starved, &e->in_starved);
	conn_await_drain(server);
}

static struct party party_of(struct conn *conn)
{
	return (struct party){
		.door = conn->door->name,
		.uid = conn->uid,
		.pid = conn->pid,
		.pidfd_inode = conn_pidfd_inode(conn),
		.conn = conn->id,
	};
}

static void count(struct account *door, struct account *user, struct service *service)
{
	door->introductions++;
	if (user)
		user->introductions++;
	service->introductions++;
}

/* The line of an introduction. name: in the client's door; NULL: the service's own. */
static void audit(struct ref *ref, const char *name, const char *who, uint32_t who_len,
		  uint64_t session, int way, int path)
{
	if (!ref->words)
		ref->words = audit_ref_words(name ? name : ref->service->name,
					     ref->service->name, ref->label, &ref->words_len);
	if (ref->words)
		audit_introduced(&board.audit, who, who_len, ref->words, ref->words_len, session,
				 way, path);
}

/* Both sides have been served: account for it. */
static void done(struct asking *a, uint64_t session, uint32_t way)
{
	const char *name = a->ref->parent ? list_entry(a->ref, struct grant, ref)->name : NULL;

	count(a->conn->account, &a->conn->user->account, a->service);
	audit(a->ref, name, a->conn->who, a->conn->who_len, session, (int)way, PATH_LOCAL);
	if (a->wait)
		wait_free(a->wait);
}

/* Answer the client with its end (borrowed). False: it will be asked again, or is gone. */
static bool answer(struct asking *a, int fd, uint64_t session, uint32_t way)
{
	uint8_t packet[64];
	struct wire_writer w;
	int r;

	wire_begin(&w, packet, sizeof packet, WIRE_REPLY, a->request.serial, 0, 1);
	wire_put_u32(&w, TAG_WAY, way);
	wire_put_u32(&w, TAG_PATH, PATH_LOCAL);
	wire_put_u64(&w, TAG_SESSION, session);
	r = conn_send_fds(a->conn, packet, wire_finish(&w), &fd, 1);
	if (r == 0)
		return true;
	if (r == -ETOOMANYREFS)
		retry(a);
	else if (r == -EAGAIN)
		park(a, &a->conn->slot_waits, NULL, ROOM_WAIT_USEC);
	else
		conn_doom(a->conn);
	return false;
}

static void by_pair(struct asking *a, struct exporter *e)
{
	struct session session = {
		.type = a->request.type,
		.way = WAY_PAIR,
		.path = PATH_LOCAL,
		.ref = a->ref,
	};
	int pair[2], r;

	if (!flight_room(e->handle->conn)) {
		await_room(a, e);
		return;
	}
	if (socketpair(AF_UNIX, (int)a->request.type | SOCK_CLOEXEC, 0, pair) < 0) {
		retry(a);
		return;
	}
	session.number = board.next_session++;
	session.client = party_of(a->conn);
	r = session_send(e, &session, pair[1]);
	if (r == 0) {
		if (answer(a, pair[0], session.number, WAY_PAIR)) {
			ref_use(a->ref);
			done(a, session.number, WAY_PAIR);
		}
	} else if (r == -ETOOMANYREFS) {
		retry(a);
	} else if (r == -EAGAIN) {
		await_room(a, e);
	} else {
		conn_doom(e->handle->conn);
		absent(a, &a->service->waits, a->service, -ECONNREFUSED);
	}
	reaper_dispose(&board.reaper, pair[0]);
}

static void by_fetch(struct asking *a, struct exporter *e)
{
	struct conn *agent = e->handle->conn;
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
		park(a, &a->service->waits, a->service, ROOM_WAIT_USEC);
		return;
	}
	park(a, &e->fetches, NULL, AGENT_WAIT_USEC);
	if (!a->wait)
		return;
	r = wait_for_agent(a->wait, e);
	if (r < 0) {
		refuse(a, r);
		return;
	}
	a->wait->session = session.number;
	ref_use(a->ref);
	wire_begin(&w, packet, sizeof packet, WIRE_FETCH, a->wait->agent_serial, e->handle->id, 0);
	session_write(e, &session, &w);
	conn_send(agent, packet, wire_finish(&w));
}

static void by_held(struct asking *a)
{
	uint64_t session = board.next_session++;

	if (answer(a, a->service->held, session, WAY_HELD)) {
		ref_use(a->ref);
		done(a, session, WAY_HELD);
	}
}

static void by_placed(struct asking *a)
{
	uint64_t session = board.next_session++;
	int fd = placement_open(a->service->placement);

	if (fd == -EMFILE || fd == -ENFILE) {
		retry(a);
		return;
	}
	if (fd < 0) {
		absent(a, &a->service->waits, a->service, -ECONNREFUSED);
		return;
	}
	if (answer(a, fd, session, WAY_PLACED)) {
		ref_use(a->ref);
		done(a, session, WAY_PLACED);
	}
	close(fd);
}

static void by_service(struct asking *a)
{
	struct exporter *e = a->service->exporter;
	uint32_t type = a->request.type;

	if (e && !(e->types >> type & 1))
		refuse(a, -EPROTOTYPE);
	else if (e && e->way == WAY_PAIR)
		by_pair(a, e);
	else if (e)
		by_fetch(a, e);
	else if (a->service->held >= 0)
		by_held(a);
	else if (a->service->placement && type != SOCK_STREAM)
		refuse(a, -EPROTOTYPE);
	else if (a->service->placement)
		by_placed(a);
	else
		absent(a, &a->service->waits, a->service, -ECONNREFUSED);
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
			retry(&a);
			return;
		}
		park(&a, &conn->slot_waits, NULL, ROOM_WAIT_USEC);
		conn_await_drain(conn);
		return;
	}
	a.ref = resolve(&a);
	if (!a.ref) {
		absent(&a, &conn->door->unnamed_waits, NULL, -ENOENT);
		return;
	}
	r = ref_check(a.ref, RIGHT_CONNECT);
	if (r < 0) {
		refuse(&a, r);
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

	if (!flight_room(conn)) {
		if (conn->flight < conn->window) {
			retry(&a);
		} else {
			park(&a, &conn->slot_waits, NULL, ROOM_WAIT_USEC);
			conn_await_drain(conn);
		}
		return;
	}
	a.ref = resolve(&a);
	if (!a.ref) {
		refuse(&a, -ENOENT);
		return;
	}
	a.service = a.ref->service;
	if (answer(&a, wait->fd, wait->session, WAY_FETCH))
		done(&a, wait->session, WAY_FETCH);
}

int introduce_accepted(struct grant *grant, int fd)
{
	struct service *service = grant->ref.service;
	struct exporter *e = service->exporter;
	struct ucred cred = { .uid = UINT32_MAX };
	socklen_t len = sizeof cred;
	char who[AUDIT_WHO_MAX];
	uint32_t who_len;
	struct session session = {
		.number = board.next_session++,
		.type = SOCK_STREAM,
		.way = WAY_LISTEN,
		/* An agent that opens sockets can only copy between that and this one. */
		.path = e->way == WAY_FETCH ? PATH_SPLICED : PATH_LOCAL,
		.ref = &grant->ref,
	};
	int r;

	getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len);
	session.client = (struct party){
		.door = grant->door->name,
		.uid = cred.uid,
		.pid = cred.pid,
	};
	who_len = (uint32_t)audit_write_who(grant->door, cred.uid, cred.pid, who);
	r = session_send(e, &session, fd);
	if (r == 0) {
		ref_use(&grant->ref);
		count(&grant->door->account, NULL, service);
		audit(&grant->ref, grant->name, who, who_len, session.number, WAY_LISTEN,
		      (int)session.path);
		return 0;
	}
	grant->door->account.refusals++;
	if (r != -EAGAIN && r != -ETOOMANYREFS)
		conn_doom(e->handle->conn);
	audit_write(&board.audit, &(struct audit_line){
		.event = "refused",
		.who = who,
		.who_len = who_len,
		.name = grant->name,
		.error = r,
	});
	return r;
}
