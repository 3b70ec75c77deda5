/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What was found out about the host's NATs, for people and for programs. For `intro nat`.
 */
#pragma once

#include "../libintro/punch/nat.h"

/* How a peer can be met. */
enum nat_meeting {
	MEETING_UNKNOWN,
	MEETING_OPEN,		/* others can simply send to us */
	MEETING_EASY,		/* once both send */
	MEETING_PREDICTION,	/* our next port can be told */
	MEETING_SPRAYING,	/* our next port can be hit */
	MEETING_RELAY,
};
enum nat_meeting nat_meeting(const struct nat *nat);

/* To stdout. */
void nat_print(const struct nat *nat);
/* The same as an object, with every field. 0 or a negative errno. */
int nat_print_json(const struct nat *nat);
