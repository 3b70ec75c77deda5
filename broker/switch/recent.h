/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The sessions introduced last, so that a service can ask who a client is (ATTEST). One ring
 * for all; a service that has asked once gets a ring of its own, which nobody else's
 * introductions can overrun.
 */
#pragma once

#include <stdint.h>

struct conn;
struct recent;

/* Remember that server was introduced to a connection's session; client 0: it came by a path. */
void recent_add(struct conn *server, uint64_t session, uint64_t client);

/* The client of a session that this service was introduced to, or NULL. */
struct conn *recent_find(struct conn *server, uint64_t session);
