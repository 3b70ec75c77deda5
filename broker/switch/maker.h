/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Makers: who lent or gave something, remembered for as long as that is there, since their
 * connection may end before. One for all that one connection has made.
 */
#pragma once

#include <stdint.h>

struct conn;
struct door;
struct user;

struct maker {
	uint32_t users;		/* what it has made, and its connection */
	struct door *door;	/* that it came through; charged, with the user */
	struct user *user;
	uint64_t conn;		/* its number */
	char who[];		/* the audit's words */
};

/* The connection's own, made when it is the first time; NULL when out of memory. To be
 * released, as what maker_hold() gives. */
struct maker *maker_of(struct conn *conn);
struct maker *maker_hold(struct maker *maker);
void maker_release(struct maker *maker);
