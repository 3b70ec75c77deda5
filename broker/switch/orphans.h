/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an earlier switch left in the doors and nobody owns any more: socket files that stand for
 * nothing, and listeners and links whose service has not come back.
 */
#pragma once

struct door;

/* Look at every door, once what is kept is there again; and after a while at what has been
 * left to services that are expected back. */
void orphans_start(void);

/* Unlink the sockets in a door's directory that are no grant's: the door is not an external one,
 * whose directory is somebody else's, too. */
void orphans_unlink(const struct door *door);
