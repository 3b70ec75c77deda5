/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Enclosures: doors without a directory, to a set of names that a client has put together from
 * what it holds. Their one entrance is a shared connection, whose descriptor a process inherits
 * or is passed: it reaches these names and nothing else. One lives as long as its connections.
 */
#pragma once

struct conn;
struct door;
struct wire_message;

/* ENCLOSE: make one of the message's LENDs, with fd (taken over on success) as its entrance.
 * 0, -EINVAL, -ENOENT (a handle of nothing), -EACCES (nothing left of the rights), -EEXIST (a name twice), -EDQUOT, -ENOMEM
 * or what ref_init_child() says; nothing is left of it then. */
int enclosure_new(struct conn *by, const struct wire_message *m, int *fd);

/* A connection of this door has gone: an enclosure without any ends. */
void enclosure_settle(struct door *door);

/* End it with its connections. */
void enclosure_end(struct door *door);
