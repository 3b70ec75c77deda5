/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The handlers of offering.h.
 */
#include "offering.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../../libintro/wire/message.h"
#include "../../libintro/wire/name.h"
#include "../../libintro/wire/packet.h"
#include "audit.h"
#include "board.h"
#include "conn.h"
#include "door.h"
#include "flight.h"
#include "grant.h"
#include "introduce.h"
#include "place.h"
#include "recent.h"
#include "handle.h"
#include "ref.h"
#include "service.h"
#include "wait.h"

static void audit_name(struct conn *conn, const char *event, const char *name, int error)
{
	if (error < 0)
		conn->account->refusals++;
	audit_write(&board.audit, &(struct audit_line){
		.event = error < 0 ? "refused" : event,
		.who = conn->who,
		.who_len = conn->who_len,
		.name = name,
		.error = error,
	});
}

/* A checked name. 0, or -EINVAL and "": what is no name must not reach the audit log. */
static int get_name(const struct wire_message *m, enum wire_tag tag, char out[65])
{
	if (wire_string(m, tag, out, 65) == 0 && wire_name_ok(out, strlen(out)))
		return 0;
	out[0] = '\0';
	return -EINVAL;
}

/* The reference by which this connection may serve a name. 0, -EINVAL, -ENOENT or what
 * ref_check() says. */
static int resolve_to_serve(struct conn *conn, const struct wire_message *m, char name[65],
			    struct ref **ret)
{
	struct ref *ref;
	int r = get_name(m, TAG_NAME, name);

	if (r < 0)
		return r;
	ref = door_resolve(conn->door, name, true);
	if (!ref)
		return -ENOENT;
	r = ref_check(ref, RIGHT_SERVE);
	if (r < 0)
		return r;
	*ret = ref;
	return 0;
}

static int serve(struct conn *conn, const struct wire_message *m, char name[65])
{
	const struct exporter terms = {
		.way = wire_u32(m, TAG_WAY, WAY_PAIR),
		.types = wire_u32(m, TAG_SOCKTYPES, 1u << SOCK_STREAM),
		.ends_sessions = wire_u32(m, TAG_LEASH, 0) != 0,
		.same_userns = board.userns && wire_u64(m, TAG_USERNS, 0) == board.userns,
	};
	uint32_t batch = wire_u32(m, TAG_BATCH, 1);
	struct service *service;
	struct handle *handle;
	struct ref *ref;
	int r;

	if ((terms.way != WAY_PAIR && terms.way != WAY_FETCH) || terms.types == 0 ||
	    terms.types & ~SOCKET_TYPES || batch < 1 || batch > WIRE_BATCH_MAX)
		return -EINVAL;
	r = resolve_to_serve(conn, m, name, &ref);
	if (r < 0)
		return r;
	service = ref->service;
	service->pins++;
	r = handle_bind(conn, m->head.ref, ref, &handle);
	if (r == 0) {
		r = exporter_new(handle, &terms);
		if (r < 0)
			handle_free(handle);
		else if (batch > conn->batch)
			conn->batch = batch;
	}
	service->pins--;
	if (r < 0)
		service_settle(service);
	return r;
}

int on_serve(struct conn *conn, const struct wire_message *m, int *fd)
{
	struct handle *handle;
	char name[65] = "";
	int r = serve(conn, m, name);

	(void)fd;
	audit_name(conn, "served", name, r);
	conn_reply(conn, m->head.serial, r);
	handle = r == 0 ? handle_find(conn, m->head.ref) : NULL;
	if (handle)
		service_up(handle->ref->service);
	return 0;
}

/* A container's agent sees its export directory through another mount, across which nothing
 * can be linked: use our own descriptor of the same directory. */
static void prefer_export_dir(const struct door *door, int *fd)
{
	struct place theirs, ours;
	int own;

	if (door->export_dir < 0 || place_of(*fd, &theirs) < 0 ||
	    place_of(door->export_dir, &ours) < 0)
		return;
	if (theirs.dev != ours.dev || theirs.inode != ours.inode)
		return;
	own = fcntl(door->export_dir, F_DUPFD_CLOEXEC, 0);
	if (own < 0)
		return;
	reaper_take(&board.reaper, *fd);
	*fd = own;
}

static int place(struct conn *conn, const struct wire_message *m, int *fd, char name[65])
{
	struct service *service;
	struct handle *handle;
	struct ref *ref;
	char file[65];
	int r;

	if (wire_string(m, TAG_FILE, file, sizeof file) < 0)
		return -EINVAL;
	r = resolve_to_serve(conn, m, name, &ref);
	if (r < 0)
		return r;
	service = ref->service;
	service->pins++;
	if (!account_take(conn->account, conn->user, RESOURCE_HELD)) {
		r = -EDQUOT;
	} else {
		r = handle_bind(conn, m->head.ref, ref, &handle);
		if (r == 0) {
			prefer_export_dir(conn->door, fd);
			r = placement_new(service, handle, *fd, file);
			if (r < 0)
				handle_free(handle);
			else
				*fd = -1;
		}
		if (r < 0)
			account_give(conn->account, conn->user, RESOURCE_HELD);
	}
	service->pins--;
	service_settle(service);
	return r;
}

int on_place(struct conn *conn, const struct wire_message *m, int *fd)
{
	char name[65] = "";
	int r = place(conn, m, fd, name);

	audit_name(conn, "placed", name, r);
	conn_reply(conn, m->head.serial, r);
	return 0;
}

int on_hold(struct conn *conn, const struct wire_message *m, int *fd)
{
	struct service *service;
	struct ref *ref;
	char name[65] = "";
	int r = resolve_to_serve(conn, m, name, &ref);

	if (r == 0) {
		service = ref->service;
		r = service_hold(service, conn, *fd);
		if (r == 0)
			*fd = -1;
		else
			service_settle(service);
	}
	audit_name(conn, "held", name, r);
	conn_reply(conn, m->head.serial, r);
	if (r == 0)
		service_up(service);
	return 0;
}

int on_take(struct conn *conn, const struct wire_message *m, int *fd)
{
	uint8_t packet[32];
	struct wire_writer w;
	struct service *service = NULL;
	struct ref *ref;
	char name[65] = "";
	int r = resolve_to_serve(conn, m, name, &ref);

	(void)fd;
	if (r == 0) {
		service = ref->service;
		if (service->held < 0)
			r = -ENOENT;
		else if (!flight_room(conn))
			r = -EAGAIN;
	}
	if (r == 0) {
		wire_begin(&w, packet, sizeof packet, WIRE_REPLY, m->head.serial, 0, 1);
		r = conn_send_fds(conn, packet, wire_finish(&w), &service->held, 1);
	}
	audit_name(conn, "taken", name, r);
	if (r == 0)
		reaper_take(&board.reaper, service_unhold(service));
	else
		conn_reply(conn, m->head.serial, r);
	if (service)
		service_settle(service);
	return 0;
}

/* Give a grant's listener away. It is never polled or accepted on here again. */
static int give_listener(struct conn *conn, uint32_t serial, struct grant *grant)
{
	uint8_t packet[256];
	struct wire_writer w;
	int r;

	if (!flight_room_beyond(conn))
		return -EDQUOT;
	if (grant->listener.fd < 0)
		return 0;
	wire_begin(&w, packet, sizeof packet, WIRE_LISTENER, serial, 0, 1);
	wire_put_string(&w, TAG_DOOR, grant->door->name);
	wire_put_string(&w, TAG_FILE, grant->file);
	r = conn_send_fds(conn, packet, wire_finish(&w), &grant->listener.fd, 1);
	if (r < 0)
		return r;
	if (!grant->given)
		grant_give(grant);
	return 0;
}

int on_listeners(struct conn *conn, const struct wire_message *m, int *fd)
{
	struct handle *handle = handle_find(conn, m->head.ref);
	int r = handle && handle_exporter(handle) ? 0 : -EINVAL;

	(void)fd;
	if (r == 0) {
		conn_widen(conn, true);
		list_foreach(it, &handle->ref->service->grants) {
			r = give_listener(conn, m->head.serial,
					  list_entry(it, struct grant, in_service));
			if (r < 0)
				break;
		}
		conn_widen(conn, false);
	}
	conn_reply(conn, m->head.serial, r);
	return 0;
}

int on_fetched(struct conn *conn, const struct wire_message *m, int *fd)
{
	struct wait *wait = wait_of_agent(conn, m->head.serial);
	int error = wire_i32(m, TAG_ERROR, fd ? 0 : -EINVAL);
	struct service *service;

	/* The client may have gone meanwhile. */
	if (!wait)
		return 0;
	service = wait->agent->service;
	service->pins++;
	wait_leave_agent(wait);
	if (error < 0 && error > -4096) {
		introduce_refuse(wait->conn, &wait->request, error);
		wait_free(wait);
	} else if (!fd) {
		introduce_refuse(wait->conn, &wait->request, -ECONNREFUSED);
		wait_free(wait);
	} else {
		/* Nothing is asked of it or set: even that can block, while another holder
		 * of the socket keeps it locked. */
		wait->fd = *fd;
		*fd = -1;
		introduce_fetched(wait);
	}
	wait_resume_one(&service->waits);
	service->pins--;
	service_settle(service);
	return 0;
}

static int attest(struct conn *conn, const struct wire_message *m)
{
	uint64_t session = wire_u64(m, TAG_SESSION, 0);
	const struct conn *client = recent_find(conn, session);
	uint8_t packet[32];
	struct wire_writer w;
	socklen_t len = sizeof(int);
	int pidfd, r;

	if (!client)
		return -ESRCH;
	if (!flight_room(conn))
		return -EAGAIN;
	if (getsockopt(client->source.fd, SOL_SOCKET, SO_PEERPIDFD, &pidfd, &len) < 0)
		return -errno;
	wire_begin(&w, packet, sizeof packet, WIRE_REPLY, m->head.serial, 0, 1);
	r = conn_send_fds(conn, packet, wire_finish(&w), &pidfd, 1);
	close(pidfd);
	return r;
}

int on_attest(struct conn *conn, const struct wire_message *m, int *fd)
{
	int r = attest(conn, m);

	(void)fd;
	if (r < 0)
		conn_reply(conn, m->head.serial, r);
	return 0;
}
