/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rings of recent.h. Session numbers are consecutive, so a session's place is its number.
 */
#include "recent.h"

#include <stdlib.h>

#include "board.h"
#include "conn.h"

#define RECENT_ALL 1024u
#define RECENT_OWN 64u

/* Of an own ring: places are taken in turn. */
struct recent {
	uint32_t next;
	struct {
		uint64_t session, client;
	} sessions[RECENT_OWN];
};

static struct {
	uint64_t session, server, client;
} all[RECENT_ALL];

void recent_add(struct conn *server, uint64_t session, uint64_t client)
{
	struct recent *own = server->recent;
	uint32_t at = session % RECENT_ALL;

	all[at].session = session;
	all[at].server = server->id;
	all[at].client = client;
	if (!own)
		return;
	own->sessions[own->next % RECENT_OWN].session = session;
	own->sessions[own->next++ % RECENT_OWN].client = client;
}

static uint64_t client_of(struct conn *server, uint64_t session)
{
	uint32_t at = session % RECENT_ALL;

	if (all[at].session == session && all[at].server == server->id)
		return all[at].client;
	for (uint32_t i = 0; server->recent && i < RECENT_OWN; i++)
		if (server->recent->sessions[i].session == session)
			return server->recent->sessions[i].client;
	return 0;
}

struct conn *recent_find(struct conn *server, uint64_t session)
{
	uint64_t client = session ? client_of(server, session) : 0;

	if (!server->recent)
		server->recent = calloc(1, sizeof *server->recent);
	if (!client)
		return NULL;
	list_foreach(it, &board.conns) {
		struct conn *conn = list_entry(it, struct conn, in_board);

		if (conn->id == client)
			return conn;
	}
	return NULL;
}
