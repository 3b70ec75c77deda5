/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The sessions of live.h.
 */
#include "live.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "board.h"
#include "conn.h"
#include "diag.h"
#include "door.h"
#include "ref.h"
#include "service.h"

/* A full limit is looked through as a whole at most so often, and this many in between, so that
 * nobody keeps us busy by knocking at it. */
#define SWEEP_USEC UINT64_C(100000)
#define SWEEP_SOME 64u

struct live_session {
	struct list in_ref, in_board, in_server;
	struct ref *ref;
	struct door *door;	/* charged, with the user; NULL: nobody any more */
	struct user *user;
	struct source leash;	/* .fd -1: none */
	struct diag_name name;
};

int live_init(struct ref *ref, const struct ref *parent, const struct terms *terms)
{
	ref->leashed = parent->leashed || terms->leash;
	ref->tracked = parent->tracked || ref->leashed || terms->sessions != REF_UNLIMITED;
	if (!ref->tracked)
		return 0;
	if (!diag_works())
		return -EOPNOTSUPP;
	ref->live = calloc(1, sizeof *ref->live);
	if (!ref->live)
		return -ENOMEM;
	list_init(&ref->live->sessions);
	ref->live->max = terms->sessions;
	if (parent->live && parent->live->max < ref->live->max)
		ref->live->max = parent->live->max;
	return 0;
}

static void count(struct ref *ref, bool more)
{
	for (; ref && ref->live; ref = ref->parent)
		ref->live->now += more ? 1 : UINT32_MAX;
}

static void uncharge(struct live_session *s)
{
	if (!s->door)
		return;
	account_give(&s->door->account, s->user, RESOURCE_REFERENCES);
	if (s->leash.fd >= 0)
		account_give(&s->door->account, s->user, RESOURCE_HELD);
	user_release(s->user);
	s->door = NULL;
}

static void drop_leash(struct live_session *s)
{
	if (s->leash.fd < 0)
		return;
	if (s->door)
		account_give(&s->door->account, s->user, RESOURCE_HELD);
	source_remove(&s->leash);
	/* a stranger's descriptors may be in it, and ours the last copy */
	reaper_take(&board.reaper, s->leash.fd);
	s->leash.fd = -1;
	list_remove(&s->in_server);
}

static void session_end(struct live_session *s)
{
	count(s->ref, false);
	drop_leash(s);
	uncharge(s);
	list_remove(&s->in_ref);
	list_remove(&s->in_board);
	/* the loop may have an event of its leash */
	board_bury(s);
}

static void cut(struct live_session *s)
{
	if (s->leash.fd >= 0)
		shutdown(s->leash.fd, SHUT_RDWR);
	session_end(s);
}

/* Both directions are shut: it is over. */
static void leash_ready(struct source *source, uint32_t events)
{
	if (events & (EPOLLHUP | EPOLLERR))
		session_end(list_entry(source, struct live_session, leash));
}

void live_end(struct ref *ref, int error)
{
	struct live *live = ref->live;

	if (!live)
		return;
	while (!list_empty(&live->sessions)) {
		struct live_session *s = list_entry(live->sessions.next, struct live_session, in_ref);

		if (error < 0 || !ref->parent->live) {
			if (error < 0)
				cut(s);
			else
				session_end(s);
			continue;
		}
		/* it counts there already */
		live->now--;
		s->ref = ref->parent;
		list_remove(&s->in_ref);
		list_append(&ref->parent->live->sessions, &s->in_ref);
		if (!ref->parent->leashed)
			drop_leash(s);
	}
	free(live);
	ref->live = NULL;
}

/* Ask about the sessions of a reference and of all below it, at most so many; those that were
 * asked about go to the end of their list. What is left of the number. */
static uint32_t sweep(struct ref *ref, uint32_t most)
{
	uint32_t here = 0;

	list_foreach(it, &ref->live->sessions)
		here++;
	if (here > most)
		here = most;
	most -= here;
	while (here-- > 0) {
		struct live_session *s =
			list_entry(ref->live->sessions.next, struct live_session, in_ref);

		list_remove(&s->in_ref);
		list_append(&ref->live->sessions, &s->in_ref);
		if (!diag_connected(&s->name))
			session_end(s);
	}
	for (struct ref *it = ref->children; it && most > 0; it = it->next)
		most = sweep(it, most);
	return most;
}

static bool has_room(struct ref *ref)
{
	struct live *live = ref->live;
	uint64_t now = timer_now();

	if (live->now < live->max)
		return true;
	if (live->max <= SWEEP_SOME || now - live->swept_usec >= SWEEP_USEC) {
		live->swept_usec = now;
		sweep(ref, UINT32_MAX);
	} else {
		sweep(ref, SWEEP_SOME);
	}
	return live->now < live->max;
}

bool live_room(struct ref *ref)
{
	for (; ref && ref->live; ref = ref->parent)
		if (ref->live->max != REF_UNLIMITED && !has_room(ref))
			return false;
	return true;
}

uint32_t live_count(struct ref *ref)
{
	if (!ref->live)
		return 0;
	sweep(ref, UINT32_MAX);
	return ref->live->now;
}

/* Keep a copy of the service's end. 0 or a negative errno. */
static int leash_on(struct live_session *s, const struct live_start *start)
{
	if (!start->exporter->ends_sessions)
		return -EOPNOTSUPP;
	if (!account_take(&start->door->account, start->user, RESOURCE_HELD))
		return -EDQUOT;
	s->leash.fd = fcntl(start->end, F_DUPFD_CLOEXEC, 0);
	if (s->leash.fd < 0) {
		account_give(&start->door->account, start->user, RESOURCE_HELD);
		return -EMFILE;
	}
	s->leash.ready = leash_ready;
	/* its end is told of without being asked for */
	if (source_add(&s->leash, 0) < 0) {
		account_give(&start->door->account, start->user, RESOURCE_HELD);
		close(s->leash.fd);
		s->leash.fd = -1;
		return -ENOMEM;
	}
	list_append(&start->exporter->conn->leashes, &s->in_server);
	return 0;
}

int live_begin(const struct live_start *start, struct live_session **ret)
{
	struct live_session *s;
	int r;

	if (!account_take(&start->door->account, start->user, RESOURCE_REFERENCES))
		return -EDQUOT;
	s = calloc(1, sizeof *s);
	r = s ? diag_name(start->end, &s->name) : -ENOMEM;
	if (r == 0) {
		s->leash.fd = -1;
		list_init(&s->in_server);
		if (start->ref->leashed)
			r = leash_on(s, start);
	}
	if (r < 0) {
		free(s);
		account_give(&start->door->account, start->user, RESOURCE_REFERENCES);
		return r;
	}
	s->ref = start->ref;
	s->door = start->door;
	s->user = start->user;
	user_hold(s->user);
	list_append(&start->ref->live->sessions, &s->in_ref);
	list_append(&board.live_sessions, &s->in_board);
	count(start->ref, true);
	*ret = s;
	return 0;
}

void live_forget(struct live_session *session)
{
	if (session)
		session_end(session);
}

void live_cut_of(struct conn *server)
{
	while (!list_empty(&server->leashes))
		cut(list_entry(server->leashes.next, struct live_session, in_server));
}

void live_uncharge(const struct door *door)
{
	list_foreach(it, &board.live_sessions) {
		struct live_session *s = list_entry(it, struct live_session, in_board);

		if (s->door == door)
			uncharge(s);
	}
}
