/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The makers of maker.h.
 */
#include "maker.h"

#include <stdlib.h>
#include <string.h>

#include "conn.h"
#include "door.h"

struct maker *maker_hold(struct maker *maker)
{
	maker->users++;
	return maker;
}

struct maker *maker_of(struct conn *conn)
{
	struct maker *maker = conn->maker;

	if (maker)
		return maker_hold(maker);
	maker = malloc(sizeof *maker + conn->who_len + 1);
	if (!maker)
		return NULL;
	*maker = (struct maker){
		.users = 1,
		.door = door_charged(conn->door),
		.user = conn->user,
		.conn = conn->id,
	};
	memcpy(maker->who, conn->who, conn->who_len + 1);
	user_hold(maker->user);
	conn->maker = maker;
	return maker_hold(maker);
}

void maker_release(struct maker *maker)
{
	if (!maker || --maker->users > 0)
		return;
	user_release(maker->user);
	free(maker);
}
