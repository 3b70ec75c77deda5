/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The way listen: a connection that was accepted on a grant's path socket becomes the
 * service's.
 */
#include <errno.h>
#include <sys/socket.h>

#include "../../libintro/wire/message.h"
#include "asking.h"
#include "audit.h"
#include "board.h"
#include "conn.h"
#include "grant.h"
#include "introduce.h"
#include "live.h"
#include "peer.h"
#include "service.h"

static int track(struct grant *grant, const struct exporter *e, uint64_t number, int end,
		 struct live_session **ret)
{
	if (!live_room(&grant->ref))
		return -EUSERS;
	return live_begin(&(struct live_start){
		.ref = &grant->ref,
		.door = grant->door,
		.user = &grant->door->nobody,
		.exporter = e,
		.number = number,
		.end = end,
	}, ret);
}

int introduce_accepted(struct grant *grant, int fd)
{
	struct exporter *e = grant->ref.service->exporter;
	struct peer peer = { .uid = -1 };
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
	struct live_session *live = NULL;
	int r;

	peer_of(fd, &peer);
	session.client = (struct party){
		.door = grant->door->name,
		.uid = peer.uid,
		.pid = peer.pid,
	};
	who_len = (uint32_t)audit_write_who(grant->door, peer.uid, peer.pid, who);
	r = grant->ref.tracked ? track(grant, e, session.number, fd, &live) : 0;
	if (r == 0)
		r = session_send(e, &session, fd);
	if (r == 0) {
		ref_use(&grant->ref);
		introduced(&grant->ref, &grant->door->account, NULL, who, who_len,
			   session.number, WAY_LISTEN, (int)session.path);
		return 0;
	}
	live_forget(live);
	reaper_take(&board.reaper, fd);
	grant->door->account.refusals++;
	audit_write(&board.audit, &(struct audit_line){
		.event = "refused",
		.who = who,
		.who_len = who_len,
		.name = grant->name,
		.error = r,
	});
	/* Whether there is room for the next is the service's matter only. */
	return r == -EAGAIN || r == -EPIPE ? r : 0;
}
