/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What to tell a user whose request a broker refused: what was wanted, what was found, what
 * to do. For the verbs that go through a door.
 */
#pragma once

enum wanted {
	WANTED_CONNECT, WANTED_SERVE, WANTED_PLACE, WANTED_HOLD, WANTED_TAKE, WANTED_LEND, WANTED_GIVE,
};

/* Complains; an exit code. door: as given to intro_open(). error: negative errno. */
int refused(enum wanted wanted, const char *name, const char *door, int error);
