/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The explanations of why.h: the same checks as introduce.c makes, in the same order, with
 * words.
 */
#include "why.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "../../libintro/wire/message.h"
#include "board.h"
#include "conn.h"
#include "door.h"
#include "grant.h"
#include "service.h"

struct verdict {
	int error;		/* 0: would be introduced */
	char reason[WIRE_TEXT_MAX];
	char advice[WIRE_TEXT_MAX];
};

#define SAY(field, ...) snprintf((field), sizeof(field), __VA_ARGS__)

static void no_grant(struct verdict *v, const char *door, const char *name, bool serve)
{
	v->error = ENOENT;
	SAY(v->reason, "door \"%s\" has no grant of the name \"%s\"", door, name);
	SAY(v->advice, "intro grant %s%s %s", serve ? "--serve " : "", door, name);
}

static void judge_terms(struct verdict *v, struct grant *grant, uint32_t right)
{
	const char *door = grant->door->name, *name = grant->name;
	const bool serve = right == RIGHT_SERVE;

	v->error = -ref_check(&grant->ref, right);
	if (v->error == EACCES)
		SAY(v->reason, "the grant of \"%s\" in door \"%s\" is to %s only", name, door,
		    serve ? "connect" : "serve");
	else if (v->error == EDQUOT)
		SAY(v->reason, "all uses of the grant of \"%s\" in door \"%s\" are used up", name,
		    door);
	else if (v->error == EKEYEXPIRED)
		SAY(v->reason, "the grant of \"%s\" in door \"%s\" has expired", name, door);
	else if (v->error == EUSERS)
		SAY(v->reason, "the grant of \"%s\" in door \"%s\" has all the sessions at once "
		    "that it may have", name, door);
	if (v->error == EUSERS)
		SAY(v->advice, "end one of them, or grant more: intro grant --sessions N %s %s", door,
		    name);
	else if (v->error)
		SAY(v->advice, "intro grant --remove %s %s && intro grant %s%s %s", door, name,
		    v->error == EACCES ? "--connect --serve " : serve ? "--serve " : "", door,
		    name);
}

static void judge_service(struct verdict *v, const struct service *service, bool serve)
{
	const struct exporter *e = service->exporter;

	if (serve && (e || service->held >= 0)) {
		v->error = EBUSY;
		if (e)
			SAY(v->reason, "\"%s\" is being served by pid %u through door \"%s\"",
			    service->name, e->conn->peer.pid, e->conn->door->name);
		else
			SAY(v->reason, "a descriptor is held under \"%s\"", service->name);
		SAY(v->advice, "%s", e ? "end that service first" : "intro take it first");
	} else if (!serve && !service_is_up(service)) {
		v->error = ECONNREFUSED;
		SAY(v->reason, "nobody serves \"%s\" now", service->name);
		SAY(v->advice, "intro serve %s -- PROGRAM, or have clients wait (--wait)",
		    service->name);
	} else if (!serve && e && e->conn->flight >= e->conn->window) {
		v->error = EAGAIN;
		SAY(v->reason, "the service has %u introductions that it has not taken",
		    e->conn->flight);
		SAY(v->advice, "it is slow or stuck: look at pid %u", e->conn->peer.pid);
	}
}

static void judge_account(struct verdict *v, const struct door *door)
{
	const struct account *a = &door->account;

	if (a->used[RESOURCE_CONNECTIONS] >= a->max[RESOURCE_CONNECTIONS]) {
		v->error = EDQUOT;
		SAY(v->reason, "door \"%s\" has all the connections that it may have, %u",
		    door->name, a->max[RESOURCE_CONNECTIONS]);
		SAY(v->advice, "intro door limit %s connections=N", door->name);
	}
}

static void judge(struct verdict *v, const char *door_name, const char *name, uint32_t right)
{
	const struct door *door = door_find(door_name);
	const bool serve = right == RIGHT_SERVE;
	const struct service *service;
	struct grant *grant;

	if (!door) {
		v->error = ENOENT;
		SAY(v->reason, "there is no door \"%s\"", door_name);
		SAY(v->advice, "intro door add %s", door_name);
		return;
	}
	judge_account(v, door);
	if (v->error)
		return;
	grant = grant_find(door, name);
	if (grant)
		judge_terms(v, grant, right);
	else if (!door->open)
		no_grant(v, door_name, name, serve);
	if (v->error)
		return;
	service = grant ? grant->ref.service : service_get(name, false);
	if (service) {
		judge_service(v, service, serve);
	} else if (!serve) {
		v->error = ENOENT;
		SAY(v->reason, "door \"%s\" is open, but no service is called \"%s\"", door_name,
		    name);
		SAY(v->advice, "intro serve %s -- PROGRAM", name);
	}
	if (!v->error)
		SAY(v->reason, "%s allows it%s%s", grant ? "a grant" : "the door is open and",
		    grant && grant->ref.label ? ": " : "",
		    grant && grant->ref.label ? grant->ref.label : "");
}

int why_answer(struct conn *conn, const struct wire_message *m)
{
	uint32_t right = wire_u32(m, TAG_RIGHTS, RIGHT_CONNECT);
	uint8_t packet[WIRE_PACKET_MAX];
	struct verdict v = { .error = 0 };
	char door[65], name[65];
	struct wire_writer w;

	if (wire_string(m, TAG_DOOR, door, sizeof door) < 0 ||
	    wire_string(m, TAG_NAME, name, sizeof name) < 0 ||
	    (right != RIGHT_CONNECT && right != RIGHT_SERVE)) {
		conn_reply(conn, m->head.serial, -EINVAL);
		return 0;
	}
	judge(&v, door, name, right);
	wire_begin(&w, packet, sizeof packet, WIRE_REPLY, m->head.serial, 0, 0);
	wire_put_u32(&w, TAG_VERDICT, (uint32_t)v.error);
	wire_put_string(&w, TAG_REASON, v.reason);
	if (v.advice[0])
		wire_put_string(&w, TAG_ADVICE, v.advice);
	conn_send(conn, packet, wire_finish(&w));
	return 0;
}
