/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The handlers of client.h, behind one table that says what each message may bring.
 */
#include "client.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "../../libintro/wire/message.h"
#include "../../libintro/wire/name.h"
#include "../../libintro/wire/packet.h"
#include "audit.h"
#include "board.h"
#include "conn.h"
#include "door.h"
#include "introduce.h"
#include "offering.h"
#include "gift.h"
#include "handle.h"
#include "lending.h"
#include "ref.h"
#include "service.h"
#include "sturdy.h"
#include "wait.h"

/* What is asked through the reference later has no name in the door any more. */
static void audit_not_found(struct conn *conn, const char *name, int error)
{
	audit_write(&board.audit, &(struct audit_line){
		.event = "refused",
		.who = conn->who,
		.who_len = conn->who_len,
		.name = wire_name_ok(name, strlen(name)) ? name : NULL,
		.error = error,
	});
}

static int on_find(struct conn *conn, const struct wire_message *m, int *fd)
{
	struct handle *handle;
	struct ref *ref;
	char name[65] = "";
	int r = wire_string(m, TAG_NAME, name, sizeof name) < 0 ? -EINVAL : 0;

	(void)fd;
	if (r == 0) {
		ref = door_resolve(conn->door, name, false);
		r = ref ? handle_bind(conn, m->head.ref, ref, &handle) : -ENOENT;
	}
	if (r < 0)
		audit_not_found(conn, name, r);
	conn_reply(conn, m->head.serial, r);
	return 0;
}

static int on_connect(struct conn *conn, const struct wire_message *m, int *fd)
{
	struct request rq = {
		.serial = m->head.serial,
		.ref = m->head.ref,
		.type = wire_u32(m, TAG_SOCKTYPE, SOCK_STREAM),
	};
	uint64_t wait_usec = wire_u64(m, TAG_WAIT, 0);

	(void)fd;
	/* Whether it is a name at all matters only to what does not know it. */
	wire_string(m, TAG_NAME, rq.name, sizeof rq.name);
	if (rq.type > 31 || !(SOCKET_TYPES >> rq.type & 1)) {
		introduce_refuse(conn, &rq, -EINVAL);
		return 0;
	}
	if (wait_usec)
		rq.deadline_usec = wait_usec < UINT64_MAX / 2 ? timer_now() + wait_usec :
								UINT64_MAX;
	introduce(conn, &rq, NULL);
	return 0;
}

static int on_drop(struct conn *conn, const struct wire_message *m, int *fd)
{
	struct handle *handle = handle_find(conn, m->head.ref);

	(void)fd;
	if (handle)
		handle_free(handle);
	else
		handle_drop_broken(conn, m->head.ref);
	return 0;
}

static int on_allow(struct conn *conn, const struct wire_message *m, int *fd)
{
	(void)fd;
	conn_allow_descriptors(conn);
	conn_reply(conn, m->head.serial, 0);
	return 0;
}

static int on_share(struct conn *conn, const struct wire_message *m, int *fd)
{
	(void)fd;
	conn_allow_descriptors(conn);
	conn->shared = true;
	conn_reply(conn, m->head.serial, 0);
	return 0;
}

/* Has it no name to call its peer by: is it an end of a pair? A client's end of a connection to
 * ourselves would keep that alive by being held here. */
static bool peer_is_unnamed(int fd)
{
	char address[sizeof(sa_family_t) + 1];
	socklen_t len = sizeof address;

	/* sock_getsockopt(): it says so where the name is shorter than what is asked for */
	return getsockopt(fd, SOL_SOCKET, SO_PEERNAME, address, &len) < 0 && errno == EINVAL;
}

static bool is_seqpacket(int fd)
{
	int domain = 0, type = 0, listening = 1;
	socklen_t len = sizeof domain;

	return getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &len) == 0 && domain == AF_UNIX &&
	       getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) == 0 && type == SOCK_SEQPACKET &&
	       getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &len) == 0 && !listening;
}

bool client_may_join(int fd)
{
	int off = 0;

	if (!is_seqpacket(fd) || !peer_is_unnamed(fd))
		return false;
	setsockopt(fd, SOL_SOCKET, SO_PASSRIGHTS, &off, sizeof off);
	return true;
}

/* The depositor may have died already, or deposited nonsense; no reply travels here. */
static int on_join(struct conn *conn, const struct wire_message *m, int *fd)
{
	(void)m;
	if (!client_may_join(*fd))
		return 0;
	conn_new(conn->door, *fd, true);
	*fd = -1;
	return 0;
}

static int on_cancel(struct conn *conn, const struct wire_message *m, int *fd)
{
	struct wait *wait = wait_find(conn, m->head.serial);

	(void)fd;
	if (wait) {
		introduce_refuse(conn, &wait->request, -ECANCELED);
		wait_free(wait);
	}
	return 0;
}

enum descriptor { NONE, REQUIRED, OPTIONAL };

static const struct {
	int (*handle)(struct conn *conn, const struct wire_message *m, int *fd);
	enum descriptor fd;
	bool on_shared;		/* also on a connection that many processes share */
} handlers[] = {
	[WIRE_FIND] = { on_find, NONE, false },
	[WIRE_CONNECT] = { on_connect, NONE, false },
	[WIRE_SERVE] = { on_serve, NONE, false },
	[WIRE_PLACE] = { on_place, REQUIRED, false },
	[WIRE_HOLD] = { on_hold, REQUIRED, false },
	[WIRE_TAKE] = { on_take, NONE, false },
	[WIRE_LISTENERS] = { on_listeners, NONE, false },
	[WIRE_DROP] = { on_drop, NONE, false },
	[WIRE_ALLOW] = { on_allow, NONE, false },
	[WIRE_SHARE] = { on_share, NONE, false },
	[WIRE_JOIN] = { on_join, REQUIRED, true },
	[WIRE_CANCEL] = { on_cancel, NONE, false },
	[WIRE_FETCHED] = { on_fetched, OPTIONAL, false },
	[WIRE_ATTEST] = { on_attest, NONE, false },
	[WIRE_LEND] = { on_lend, NONE, false },
	[WIRE_REVOKE] = { on_revoke, NONE, false },
	[WIRE_ENCLOSE] = { on_enclose, REQUIRED, false },
	[WIRE_STAT] = { on_stat, NONE, false },
	[WIRE_SAME] = { on_same, NONE, false },
	[WIRE_GIVE] = { on_give, NONE, false },
	[WIRE_CLAIM] = { on_claim, NONE, false },
	[WIRE_SAVE] = { on_save, NONE, false },
	[WIRE_RESTORE] = { on_restore, NONE, false },
};

int client_dispatch(struct conn *conn, const struct wire_message *m, int *fd)
{
	uint16_t type = m->head.type;

	if (type >= sizeof handlers / sizeof handlers[0] || !handlers[type].handle)
		return -EPROTO;
	if ((fd && handlers[type].fd == NONE) || (!fd && handlers[type].fd == REQUIRED))
		return -EPROTO;
	if (conn->shared && !handlers[type].on_shared)
		return -EPROTO;
	return handlers[type].handle(conn, m, fd);
}
